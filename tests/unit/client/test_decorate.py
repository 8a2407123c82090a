"""Decorated functions stay what they are; a generator's span is current while it runs."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import pytest

import sidespan
from sidespan.testing import Capture, capture


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


@sidespan.span("numbers", source="test")
def numbers() -> Generator[int, str, str]:
    """Count, with a span around each step."""
    with sidespan.span("first"):
        got = yield 1
    with sidespan.span("second", got=got):
        yield 2
    return "done"


@sidespan.span
def bare() -> str:
    """Do nothing."""
    return "x"


@sidespan.trace("letters")
async def letters() -> AsyncIterator[str]:
    """Spell, with a span around each step."""
    with sidespan.span("a"):
        yield "a"
    await asyncio.sleep(0)
    with sidespan.span("b"):
        yield "b"


def test_kinds_of_functions_are_kept() -> None:
    """What asks for them gets the answer that it would get without the decorator."""

    @sidespan.span("x")
    async def coroutine() -> None:
        """Do nothing."""

    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isasyncgenfunction(letters)
    assert inspect.iscoroutinefunction(coroutine)
    assert (coroutine.__name__, coroutine.__doc__) == ("coroutine", "Do nothing.")


def test_a_bare_decorator_names_the_span_by_the_function(spans: Capture) -> None:
    """Its qualified name says where it is."""
    assert bare() == "x"
    assert spans.named("bare").parent_span_id == ""


def test_a_generator_is_current_only_while_it_runs(spans: Capture) -> None:
    """Between two steps the consumer's span is current; inside, the generator's own go on."""
    with sidespan.span("consumer") as consumer:
        steps = numbers()
        assert next(steps) == 1
        assert sidespan.current() is consumer
        with sidespan.span("between"):
            assert steps.send("word") == 2
        with pytest.raises(StopIteration) as stop:
            next(steps)
        assert stop.value.value == "done"
        assert sidespan.current() is consumer

    whole = spans.named("numbers")
    assert spans.named("first").parent_span_id == whole.span_id
    assert spans.named("second").parent_span_id == whole.span_id
    assert spans.named("second").attributes == {"got": "word"}
    assert whole.parent_span_id == spans.named("between").parent_span_id == consumer.span_id
    assert whole.attributes == {"source": "test", "sidespan.stream.items": 2}


def test_a_generator_that_is_left_early_says_so(spans: Capture) -> None:
    """Closed or garbage, its span ends, and it is no failure."""
    for _ in numbers():
        break

    whole = spans.named("numbers")
    assert whole.attributes["sidespan.stream.exhausted"] is False
    assert whole.attributes["sidespan.stream.items"] == 1
    assert whole.status == "unset"


def test_a_generator_gets_what_is_thrown(spans: Capture) -> None:
    """It may handle it, or fail with it."""

    @sidespan.span("catching")
    def catching() -> Iterator[str]:
        try:
            yield "one"
        except KeyError:
            yield "caught"

    steps = catching()
    next(steps)
    assert steps.throw(KeyError("x")) == "caught"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="y"):
        steps.throw(ValueError("y"))  # type: ignore[attr-defined]
    assert spans.named("catching").message == "ValueError: y"


def test_a_context_manager_can_be_made_of_one(spans: Capture) -> None:
    """Contextlib drives it as it would the plain generator."""

    @contextmanager
    @sidespan.span("managed")
    def managed() -> Iterator[str]:
        yield "x"

    with managed() as got:
        assert got == "x"
    with pytest.raises(ZeroDivisionError), managed():
        _ = 1 / 0
    assert [span.status for span in spans.spans] == ["unset", "error"]


def test_an_async_generator_is_current_only_while_it_runs(spans: Capture) -> None:
    """Also when tasks take turns at it, each in a context of its own."""

    async def main() -> list[str]:
        got = []
        with sidespan.span("consumer") as consumer:
            steps = letters()
            # wait_for makes a task of each step.
            got.append(await asyncio.wait_for(anext(steps), 10))
            assert sidespan.current() is consumer
            async for letter in steps:
                got.append(letter)
                assert sidespan.current() is consumer
        return got

    assert asyncio.run(main()) == ["a", "b"]
    whole = spans.named("letters")
    assert whole.parent_span_id == ""
    assert whole.links == ((spans.named("consumer").trace_id, spans.named("consumer").span_id),)
    assert spans.named("a").parent_span_id == spans.named("b").parent_span_id == whole.span_id
    assert whole.attributes == {"sidespan.stream.items": 2}


def test_an_async_generator_that_is_left_early_is_closed(spans: Capture) -> None:
    """By ``aclose`` or by the loop; nothing is raised anywhere."""

    async def main() -> None:
        async for _ in letters():
            break
        steps = letters()
        await anext(steps)
        await steps.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    ended = [span.attributes for span in spans.spans if span.name == "letters"]
    assert [one["sidespan.stream.exhausted"] for one in ended] == [False, False]
    assert sidespan.status().last_error == ""


def test_an_async_generator_gets_what_is_sent_and_thrown(spans: Capture) -> None:
    """As it would without the decorator."""
    got: list[object] = []

    @sidespan.span("talk")
    async def talk() -> AsyncIterator[int]:
        try:
            got.append((yield 1))
            yield 2
        except KeyError as error:
            got.append(error.args)
            yield 3

    async def main() -> None:
        steps = talk()
        assert await anext(steps) == 1
        assert await steps.asend("hello") == 2  # type: ignore[attr-defined]
        assert await steps.athrow(KeyError("x")) == 3  # type: ignore[attr-defined]
        with pytest.raises(StopAsyncIteration):
            await anext(steps)

    asyncio.run(main())
    assert got == ["hello", ("x",)]
    assert spans.named("talk").attributes == {"sidespan.stream.items": 3}


def test_methods_of_every_kind(spans: Capture) -> None:
    """Whatever the order of the decorators."""

    class Host:
        @sidespan.span("method")
        def method(self) -> object:
            return self

        @sidespan.span("static")
        @staticmethod
        def static(number: int) -> int:
            return number

        @classmethod
        @sidespan.span("class")
        def of_class(cls) -> object:
            return cls

    host = Host()
    assert host.method() is host
    assert (host.static(3), host.of_class()) == (3, Host)
    assert [span.name for span in spans.spans] == ["method", "static", "class"]


def test_off_generators_run_as_they_are() -> None:
    """Nothing is recorded, and nothing is different."""
    steps = numbers()
    assert (next(steps), steps.send("x")) == (1, 2)
    assert list(numbers()) == [1, 2]

    async def main() -> list[str]:
        return [letter async for letter in letters()]

    assert asyncio.run(main()) == ["a", "b"]
