"""Spans nest as the program does, and nothing they meet reaches the program."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import sidespan
from sidespan import _span
from sidespan._limits import (
    SPAN_ATTRIBUTES_MAX,
    SPAN_EVENTS_MAX,
    SPAN_LARGE_FIELDS_BYTES_MAX,
)
from sidespan._runtime import runtime
from tests.unit.client.conftest import Captured


def attributes(span: Span | Span.Event) -> dict[str, AnyValue]:
    """Return attributes by key."""
    return {pair.key: pair.value for pair in span.attributes}


def texts(span: Span | Span.Event) -> dict[str, str]:
    """Return the text of each attribute that is one, else an empty text."""
    return {pair.key: pair.value.string_value for pair in span.attributes}


def test_a_block_is_a_span(captured: Captured) -> None:
    """Name, kind, times, attributes and events are as given; the status is unset."""
    with sidespan.span("plan", {"gen_ai.system": "x", "n": 1}, kind="client", n=2) as s:
        s.set({"a.b": True}, done=None)
        s.add_event("thought", {"depth": 3})
        sidespan.add_event("also")

    (span,) = captured.spans
    assert span.name == "plan"
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    assert attributes(span) == {
        "gen_ai.system": AnyValue(string_value="x"),
        "n": AnyValue(int_value=2),
        "a.b": AnyValue(bool_value=True),
        "done": AnyValue(),
    }
    assert [event.name for event in span.events] == ["thought", "also"]
    assert attributes(span.events[0]) == {"depth": AnyValue(int_value=3)}
    assert span.status == Status()
    assert (s.trace_id, s.span_id) == (span.trace_id.hex(), span.span_id.hex())


def test_ids_are_never_all_zero(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the generator draws nothing but zeros."""
    monkeypatch.setattr("sidespan._context._bits", lambda _: 0)
    with sidespan.span("outer"), sidespan.span("inner"):
        pass

    for span in captured.spans:
        assert any(span.trace_id)
        assert any(span.span_id)


def test_blocks_nest(captured: Captured) -> None:
    """A child has its parent's trace and names it; after the block the parent is current again."""
    with sidespan.span("root") as root:
        with sidespan.span("first"):
            pass
        assert sidespan.current() is root
        with sidespan.span("second"), sidespan.span("leaf"):
            pass

    first, leaf, second, top = captured.spans
    assert {span.trace_id for span in captured.spans} == {top.trace_id}
    assert top.parent_span_id == b""
    assert first.parent_span_id == second.parent_span_id == top.span_id
    assert leaf.parent_span_id == second.span_id
    assert {span.flags for span in captured.spans} == {0x101}
    assert not sidespan.current().recording


def test_an_exception_passes_unchanged_and_marks_the_span(captured: Captured) -> None:
    """The status is an error, and an event holds type, message and stack."""
    error = KeyError("tea")
    with pytest.raises(KeyError) as caught, sidespan.span("brew"):
        raise error

    (span,) = captured.spans
    assert caught.value is error
    assert span.status == Status(code=Status.STATUS_CODE_ERROR, message="KeyError: 'tea'")
    assert texts(span) == {"error.type": "KeyError"}
    (event,) = span.events
    said = texts(event)
    assert event.name == "exception"
    assert said["exception.type"] == "KeyError"
    assert said["exception.message"] == "'tea'"
    assert "test_an_exception_passes_unchanged" in said["exception.stacktrace"]


class Unprintable(Exception):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no")

    __repr__ = __str__


def test_an_exception_that_cannot_be_printed_is_recorded(captured: Captured) -> None:
    """The host's exception goes on, and the span says what can be said."""
    with pytest.raises(Unprintable), sidespan.span("brew"):
        raise Unprintable

    (span,) = captured.spans
    assert texts(span.events[0])["exception.message"] == "<Unprintable: RuntimeError>"


@pytest.mark.parametrize("steer", [asyncio.CancelledError, GeneratorExit, SystemExit])
def test_what_steers_the_program_is_no_failure(
    captured: Captured, steer: type[BaseException]
) -> None:
    """A cancelled span shows why it ended, without being an error."""
    with pytest.raises(steer), sidespan.span("work"):
        raise steer

    (span,) = captured.spans
    assert span.status == Status()
    assert texts(span.events[0])["exception.type"].endswith(steer.__name__)


def test_fail_with_a_text(captured: Captured) -> None:
    """A span can fail without an exception."""
    with sidespan.span("judge") as s:
        s.fail("no verdict")

    (span,) = captured.spans
    assert span.status == Status(code=Status.STATUS_CODE_ERROR, message="no verdict")
    assert not span.events


def test_a_decorated_function_keeps_its_results_and_name(captured: Captured) -> None:
    """Each call is a span of its own; recursion nests."""

    @sidespan.span("sum", unit="things")
    def total(n: int) -> int:
        """Add up."""
        return n + total(n - 1) if n else 0

    assert total(2) == 3
    assert (total.__name__, total.__doc__) == ("total", "Add up.")
    inner, middle, outer = captured.spans
    assert texts(outer) == {"unit": "things"}
    assert inner.parent_span_id == middle.span_id
    assert middle.parent_span_id == outer.span_id


async def nested(name: str) -> str:
    """Yield to the loop within two nested spans."""
    with sidespan.span(name):
        await asyncio.sleep(0)
        with sidespan.span(f"{name}.inner"):
            await asyncio.sleep(0)
    return name


def test_gathered_tasks_do_not_mix(captured: Captured) -> None:
    """Concurrent tasks are children of what started them, and each nests by itself."""

    @sidespan.span("main")
    async def main() -> list[str]:
        return await asyncio.gather(*(nested(f"task{n}") for n in range(10)))

    assert asyncio.run(main()) == [f"task{n}" for n in range(10)]

    top = captured.named("main")
    for number in range(10):
        outer = captured.named(f"task{number}")
        assert outer.parent_span_id == top.span_id
        assert captured.named(f"task{number}.inner").parent_span_id == outer.span_id


def test_a_decorated_coroutine_lasts_until_it_is_done(captured: Captured) -> None:
    """What it awaits is within its span, and its exception marks it."""

    @sidespan.span("outer")
    async def outer() -> None:
        with sidespan.span("inner"):
            await asyncio.sleep(0)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        asyncio.run(outer())

    assert captured.named("inner").parent_span_id == captured.named("outer").span_id
    assert captured.named("outer").status.code == Status.STATUS_CODE_ERROR


def test_threads_do_not_mix(captured: Captured) -> None:
    """A thread begins its own trace, unless it is run in its caller's context."""
    with sidespan.span("main"):
        context = contextvars.copy_context()

        def child(name: str) -> None:
            with sidespan.span(name):
                pass

        threads = [
            threading.Thread(target=child, args=("alone",)),
            threading.Thread(target=context.run, args=(child, "with context")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert captured.named("alone").parent_span_id == b""
    assert captured.named("with context").parent_span_id == captured.named("main").span_id


def test_many_threads_lose_nothing(captured: Captured) -> None:
    """Spans of different threads have their own ids and parents."""

    def work(number: int) -> None:
        for _ in range(50):
            with sidespan.span("outer", n=number), sidespan.span("inner", n=number):
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    spans = {span.span_id: span for span in captured.spans}
    inner = [span for span in spans.values() if span.name == "inner"]
    assert len(spans) == 800
    for span in inner:
        assert attributes(span) == attributes(spans[span.parent_span_id])


def test_a_generator_closed_from_elsewhere_disturbs_nobody(captured: Captured) -> None:
    """A block that is left in another context than it was entered in changes nothing there."""

    def numbers() -> Iterator[int]:
        with sidespan.span("numbers"):
            yield 1
            yield 2

    generator = numbers()
    contextvars.copy_context().run(next, generator)
    with sidespan.span("caller") as caller:
        generator.close()  # type: ignore[attr-defined]
        assert sidespan.current() is caller

    assert [span.name for span in captured.spans] == ["numbers", "caller"]


def test_an_async_generator_closed_by_the_loop_disturbs_nobody(captured: Captured) -> None:
    """The loop finalises an abandoned generator in a task of its own."""

    async def numbers() -> AsyncIterator[int]:
        with sidespan.span("numbers"):
            yield 1
            yield 2

    async def main() -> None:
        async for _ in numbers():
            break

    asyncio.run(main())

    assert [span.name for span in captured.spans] == ["numbers"]
    assert runtime.status().last_error == ""


def test_a_parent_from_another_process(captured: Captured) -> None:
    """Its trace, flags and tracestate go on to the children; only its own child says remote."""
    parent = sidespan.SpanContext(b"t" * 16, b"p" * 8, 0, "vendor=1", is_remote=True)
    with sidespan.span("served", parent=parent), sidespan.span("within"):
        pass

    within, served = captured.spans
    assert served.trace_id == within.trace_id == b"t" * 16
    assert served.parent_span_id == b"p" * 8
    assert served.trace_state == within.trace_state == "vendor=1"
    assert (served.flags, within.flags) == (0x300, 0x100)


def test_an_explicit_parent_span(captured: Captured) -> None:
    """A span may be given as the parent, also after it has ended; an inert one counts as none."""
    with sidespan.span("first") as first:
        pass
    with sidespan.span("other"):
        with sidespan.span("second", parent=first):
            pass
        with sidespan.span("third", parent=sidespan.current()):
            pass
    with sidespan.span("fourth", parent=sidespan.current()):
        pass

    assert captured.named("second").parent_span_id == captured.named("first").span_id
    assert captured.named("third").parent_span_id == captured.named("other").span_id
    assert captured.named("fourth").parent_span_id == b""


def test_a_span_that_has_ended_takes_nothing_more(captured: Captured) -> None:
    """Late calls do nothing, and a second use is no second span."""
    with sidespan.span("once") as s:
        pass
    s.set(late=1).add_event("late").fail("late")
    s.end()
    with s:
        pass

    (span,) = captured.spans
    assert not span.attributes
    assert not span.events


def test_start_and_end_without_a_block(captured: Captured) -> None:
    """A started span is current only where it is activated, and ends where it is told to."""
    s = sidespan.span("stream").start()
    assert sidespan.current() is not s
    for number in range(2):
        with s.activate(), sidespan.span(f"chunk {number}"):
            pass
    s.end(TimeoutError("too slow"))

    assert captured.named("chunk 1").parent_span_id == captured.named("stream").span_id
    assert captured.named("stream").status.message == "TimeoutError: too slow"


def test_values_are_looked_at_when_they_are_set(captured: Captured) -> None:
    """A list that is changed later is recorded as it was."""
    plan = ["think"]
    with sidespan.span("plan", plan=plan):
        plan.append("act")

    (span,) = captured.spans
    assert len(attributes(span)["plan"].array_value.values) == 1


def test_what_is_over_a_limit_is_counted(captured: Captured) -> None:
    """The first attributes and events are kept, known keys may still change."""
    with sidespan.span("much") as s:
        for number in range(SPAN_ATTRIBUTES_MAX + 5):
            s.set({f"k{number}": number})
        for number in range(SPAN_EVENTS_MAX + 7):
            s.add_event(f"e{number}")
        s.set(k0="changed")

    (span,) = captured.spans
    assert len(span.attributes) == SPAN_ATTRIBUTES_MAX
    assert span.dropped_attributes_count == 5
    assert len(span.events) == SPAN_EVENTS_MAX
    assert span.dropped_events_count == 7
    assert texts(span)["k0"] == "changed"


def test_large_fields_share_a_bound(captured: Captured) -> None:
    """However much is set on it, a span stays small; replacing a large value costs nothing."""
    with sidespan.span("much") as s:
        for _ in range(100):
            s.set(partial="x" * 200_000)
        for number in range(50):
            s.set({f"prompt{number}": "x" * 1_000_000})
            s.add_event("chunk", {"text": "x" * 1_000_000})

    (span,) = captured.spans
    assert span.ByteSize() < 2 * SPAN_LARGE_FIELDS_BYTES_MAX
    assert len(texts(span)["partial"]) == 200_000
    assert span.dropped_attributes_count + span.dropped_events_count > 90


def test_a_clock_that_is_set_back_makes_no_negative_span(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span ends no earlier than it began."""
    clock = iter([1000, 900])
    monkeypatch.setattr(_span, "time_ns", lambda: next(clock))
    with sidespan.span("step"):
        pass

    (span,) = captured.spans
    assert span.start_time_unix_nano == span.end_time_unix_nano == 1000


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hands off")

    def __repr__(self) -> NoReturn:
        raise RuntimeError("hands off")

    def __hash__(self) -> NoReturn:
        raise RuntimeError("hands off")

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("hands off")

    def __bool__(self) -> NoReturn:
        raise RuntimeError("hands off")


def use_as_name() -> None:
    """Give what is no text."""
    with sidespan.span(Hostile()) as s:  # type: ignore[arg-type]
        s.add_event(Hostile())  # type: ignore[arg-type]


def use_as_attributes() -> None:
    """Give what is no mapping, and values that raise."""
    with sidespan.span("x", {"h": Hostile(), 5: 6}) as s:  # type: ignore[dict-item]
        s.set([("no", "mapping")])  # type: ignore[arg-type]
        s.set(h=Hostile())
        s.add_event("e", "no mapping")  # type: ignore[arg-type]
        s.fail(Hostile())  # type: ignore[arg-type]


def use_as_kind_and_parent() -> None:
    """Give a kind that does not exist, and a parent that is none."""
    with sidespan.span("x", "no mapping", kind=Hostile(), parent=5):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("use", [use_as_name, use_as_attributes, use_as_kind_and_parent])
def test_wrong_use_is_survived(captured: Captured, use: Callable[[], None]) -> None:
    """Nothing that is given to a span raises into the program, and the span is still recorded."""
    use()

    assert len(captured.encoded) == 1


def test_off_means_off() -> None:
    """Without init every call works and leaves no trace."""
    with sidespan.span("nothing", a=1) as s:
        assert sidespan.current().set(x=1).add_event("e").fail("f") is not s
        s.set(b=2).add_event("e", {"k": 1}).fail(ValueError())
        headers: dict[str, str] = {}
        sidespan.inject(headers)
    s.start().end()

    assert not s.recording
    assert headers == {}
    assert s.trace_id == "0" * 32
    assert sidespan.status() == sidespan.Status()
    assert sidespan.flush(0)


def test_a_function_decorated_before_init_is_recorded_after_it(
    request: pytest.FixtureRequest,
) -> None:
    """Whether a call is recorded is decided when it is made."""

    @sidespan.span("task", a=1)
    def task() -> int:
        return 7

    assert task() == 7
    captured: Captured = request.getfixturevalue("captured")
    assert task() == 7
    assert [span.name for span in captured.spans] == ["task"]
