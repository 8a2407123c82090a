"""Snapshots of state are valid JSON within a bound; links and citations arrive as given."""

import json
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidespan
from sidespan._limits import SPAN_LINKS_MAX, STATE_BYTES_MAX, STATES_MAX
from sidespan._state import to_json
from sidespan.testing import Capture, capture

TOKEN = "1-00000000000000aa-1-000000000000000000000000-" + "0" * 32


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


def test_before_and_after(spans: Capture) -> None:
    """An object that changes is looked at twice; a second value is taken when it is given."""
    memory = {"seen": ["a"]}
    with sidespan.span("step") as s:
        s.state("memory", memory)
        sidespan.state("plan", "think")
        sidespan.state("plan", "act")
        memory["seen"].append("b")

    assert spans.spans[0].attributes == {
        "sidespan.state.memory.before": '{"seen": ["a"]}',
        "sidespan.state.memory.after": '{"seen": ["a", "b"]}',
        "sidespan.state.plan.before": '"think"',
        "sidespan.state.plan.after": '"act"',
    }


def test_states_are_bounded_in_number(spans: Capture) -> None:
    """What is over the limit is left out."""
    with sidespan.span("step") as s:
        for number in range(STATES_MAX + 3):
            s.state(f"s{number}", number)

    assert len(spans.spans[0].attributes) == 2 * STATES_MAX


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    plain,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.tuples(inner) | st.frozensets(plain),
)  # fmt: skip


@pytest.mark.slow
@given(values)
def test_any_value_becomes_valid_json(value: object) -> None:
    """Strict readers can read it."""
    text = to_json(value)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    text.encode()


class Hostile:
    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


def test_what_is_too_much_is_cut_and_still_valid() -> None:
    """Cycles, depth, length and objects that raise."""
    cyclic: list[object] = []
    cyclic.append(cyclic)
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (cyclic, deep, "x" * 10**6, list(range(10**6)), {Hostile(): Hostile()},
                  10**5000, ["y" * 5000] * 1000):  # fmt: skip
        text = to_json(value)
        json.loads(text)
        assert len(text) < 2 * STATE_BYTES_MAX


def test_links_and_citations(spans: Capture) -> None:
    """Given at the start or later; what is inert or no span is left out."""
    with sidespan.span("first") as first:
        pass
    remote = sidespan.SpanContext(b"t" * 16, b"s" * 8, 1, "", is_remote=True)
    off = sidespan.SpanContext(bytes(16), bytes(8), 0, "", is_remote=False)
    with sidespan.span("second", links=[first, off], cites=[TOKEN]) as s:
        s.link(remote, {"why": "retry"}).link(None).link(off)
        s.link("no span")  # type: ignore[arg-type]
    with sidespan.span("third", links=5, cites=TOKEN):  # type: ignore[arg-type]
        pass

    second = spans.named("second")
    assert second.links == ((first.trace_id, first.span_id), (remote.trace_id, remote.span_id))
    assert second.attributes == {"sidespan.cites": [TOKEN]}
    assert spans.named("third").links == ()


def test_links_are_bounded(spans: Capture) -> None:
    """The first are kept."""
    with sidespan.span("one") as one:
        for _ in range(SPAN_LINKS_MAX + 3):
            one.link(one)

    assert len(spans.spans[0].links) == SPAN_LINKS_MAX


def test_a_decorated_span_begins_anew_each_time(spans: Capture) -> None:
    """Links and states of one call are not those of the next."""
    with sidespan.span("other") as other:
        pass

    @sidespan.span("work", links=[other])
    def work() -> None:
        sidespan.current().link(other).state("n", 1)

    work()
    work()
    assert [len(span.links) for span in spans.spans[1:]] == [2, 2]


def test_a_trace_begins_a_trace(spans: Capture) -> None:
    """Within a span it links to it; with a remote parent it goes on from that."""
    remote = sidespan.SpanContext(b"t" * 16, b"s" * 8, 1, "", is_remote=True)
    with sidespan.trace("outer") as outer:
        with sidespan.trace("inner"), sidespan.span("leaf"):
            pass
        with sidespan.trace("served", parent=remote):
            pass
        with sidespan.trace("beside", parent=sidespan.current()):
            pass

    inner = spans.named("inner")
    assert inner.trace_id != outer.trace_id
    assert inner.parent_span_id == ""
    assert inner.links == ((outer.trace_id, outer.span_id),)
    assert spans.named("leaf").trace_id == inner.trace_id
    assert spans.named("served").trace_id == remote.trace_id
    assert spans.named("beside").parent_span_id == outer.span_id
