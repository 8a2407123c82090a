"""The console: trees, durations, colours on request, and nothing that moves a cursor."""

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.config import SinkConfig
from sidespand.model import Content, Delivered, Kind, Record, Retry
from sidespand.sinks import registry
from sidespand.sinks.console import ConsoleSink, draw, duration
from tests.journals import content, records, run
from tests.otlp import START_NS, encoded, export_request, marked

TRACE = bytes(range(16))
IDS = (b"rootroot", b"childone", b"grandkid", b"childtwo")


def request(parents: Sequence[int | None]) -> Any:
    """Return a request of spans whose parents are given by number; None for a root."""
    found = export_request(
        len(parents), trace_id=TRACE, span_ids=IDS[: len(parents)], service="planner"
    )
    for span, parent in zip(found.resource_spans[0].scope_spans[0].spans, parents, strict=True):
        span.parent_span_id = b"" if parent is None else IDS[parent]
    return found


def drawn(found: Any, *, verbose: bool = False, colour: bool = False) -> list[str]:
    """Return the lines of one recorded request."""
    batch = records([content(found.SerializeToString())])
    return list(draw(batch, verbose=verbose, colour=colour))


def test_a_trace_is_a_tree() -> None:
    """Children stand below their parents in order of start, events below their span."""
    found = request([None, 0, 1, 0])
    spans = found.resource_spans[0].scope_spans[0].spans
    spans[2].status.code, spans[2].status.message = 2, "no such index"
    spans[3].events.add(name="retry")
    assert drawn(found) == [
        f"trace {TRACE.hex()} · planner",
        "▸ step 0 (1.00ms) ✓",
        "  ▸ step 1 (1.00ms) ✓",
        "    ▸ step 2 (1.00ms) ✗ no such index",
        "  ▸ step 3 (1.00ms) ✓",
        "    • retry",
    ]


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0μs"),
        (999_999, "999μs"),
        (1_000_000, "1.00ms"),
        (999_990_000, "999.99ms"),
        (1_000_000_000, "1.00s"),
        (90_500_000_000, "90.50s"),
        (-5_000, "-5μs"),
    ],
)
def test_durations_have_the_unit_that_fits(nanoseconds: int, expected: str) -> None:
    """Below a thousand microseconds, below a million, and above."""
    assert duration(START_NS, START_NS + nanoseconds) == expected


def test_what_is_open_is_in_progress() -> None:
    """A mark shows its span until the end comes; what ends in the same batch is drawn once."""
    mark = Content(Kind.MARKS, marked(TRACE, IDS[:2]), 2)
    ended = export_request(1, trace_id=TRACE, span_ids=IDS[:1])
    batch = records([mark, content(ended.SerializeToString())])
    assert list(draw(batch[:1], verbose=False, colour=False))[1:] == [
        "▸ step 0 (in progress)",
        "▸ step 1 (in progress)",
    ]
    assert list(draw(batch, verbose=False, colour=False))[1:] == [
        "▸ step 0 (1.00ms) ✓",
        "▸ step 1 (in progress)",
    ]


@given(st.lists(st.integers(0, 3) | st.none(), min_size=4, max_size=4))
def test_every_span_is_drawn_once_whatever_its_parents_claim(parents: list[int | None]) -> None:
    """Cycles, spans that are their own parents and missing ones hide nothing."""
    lines = drawn(request(parents))[1:]
    assert sorted(line.split("▸ ")[1] for line in lines) == [
        f"step {number} (1.00ms) ✓" for number in range(4)
    ]


def test_verbose_says_all() -> None:
    """Attributes and stamps are added on request."""
    lines = drawn(request([None]), verbose=True)
    assert "lsn 1 hlc " in lines[1]
    assert lines[2:] == ["    attribute.0: value 0", "    attribute.1: value 1"]


HOSTILE = "\x1b[2J\x1b]0;title\x07\r\n\t\x9b31m\u202e\u2028\0" + "x" * 4096


def test_nothing_of_a_span_moves_the_cursor() -> None:
    """Control characters are escaped and lengths bounded in every field that is shown."""
    found = request([None])
    found.resource_spans[0].resource.attributes[0].value.string_value = HOSTILE
    span = found.resource_spans[0].scope_spans[0].spans[0]
    span.name = HOSTILE
    span.status.code, span.status.message = 2, HOSTILE
    span.attributes.add(key=HOSTILE).value.string_value = HOSTILE
    span.events.add(name=HOSTILE).attributes.add(key=HOSTILE).value.string_value = HOSTILE
    lines = drawn(found, verbose=True)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 800
    coloured = "\n".join(drawn(found, verbose=True, colour=True))
    for code in ("1", "2", "31", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert "\x1b" not in coloured


def test_a_crowd_of_attributes_is_cut() -> None:
    """One span fills no screen: 64 attributes and 64 events are shown."""
    found = export_request(attributes=100)
    for _ in range(100):
        found.resource_spans[0].scope_spans[0].spans[0].events.add(name="e")
    assert len(drawn(found, verbose=True)) == 2 + 64 + 64


def pipe() -> tuple[int, int]:
    """Return a pipe whose reader does not block."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return reader, writer


def test_a_reader_that_stalls_stops_nothing_and_misses_nothing() -> None:
    """Meanwhile the answer is Retry; afterwards the rest follows, without a line twice."""
    batch = records([content(encoded(400, attributes=0)) for _ in range(8)])
    expected = "".join(f"{line}\n" for line in draw(batch, verbose=False, colour=False))
    assert len(expected) > 65536

    async def test() -> None:
        reader, writer = pipe()
        sink = ConsoleSink(writer, "utf-8", verbose=False, colour=False, wait_s=0.01)
        read = b""
        while True:
            outcome = await sink.deliver(batch)
            read += os.read(reader, 1 << 20)
            if not isinstance(outcome, Retry):
                break
        assert outcome == Delivered()
        os.close(writer)
        while part := os.read(reader, 1 << 20):
            read += part
        os.close(reader)
        assert read.decode() == expected

    run(test())


def test_a_reader_that_is_gone_is_a_retry() -> None:
    """A closed pipe ends no worker."""

    async def test() -> None:
        reader, writer = pipe()
        os.close(reader)
        sink = ConsoleSink(writer, "utf-8", verbose=False, colour=False, wait_s=0.01)
        outcome = await sink.deliver(one_record())
        assert isinstance(outcome, Retry)
        os.close(writer)

    run(test())


def one_record() -> list[Record]:
    """Return a batch of one record."""
    return records([content(export_request().SerializeToString())])


def test_a_terminal_without_the_letters_gets_escapes() -> None:
    """What an encoding lacks is shown as an escape, and delivered."""

    async def test() -> None:
        reader, writer = pipe()
        sink = ConsoleSink(writer, "ascii", verbose=False, colour=False)
        assert await sink.deliver(one_record()) == Delivered()
        assert b"\\u25b8 step 0" in os.read(reader, 1 << 16)
        os.close(reader)
        os.close(writer)

    run(test())


@pytest.mark.parametrize(
    ("choice", "environment", "expected"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"TERM": "dumb"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colour_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, choice: str, environment: dict[str, str], *, expected: bool
) -> None:
    """``auto`` asks the terminal and the environment; a file gets none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    master, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout, os.fdopen(os.dup(master), "w") as other:
        monkeypatch.setattr("sys.__stdout__", stdout)
        (plan,) = registry.parse([SinkConfig("screen", "console", {"colour": choice})])
        sink: Any = plan.type.make(plan.options, None, lambda *_: {})  # type: ignore[arg-type]
        assert sink._colour is expected
        assert not other.closed
    os.close(master)
