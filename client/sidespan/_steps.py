"""Iterators whose every step runs within a span, and nothing in between.

Between two steps the thread or task belongs to the consumer, so nothing of the span may stay
current: each step puts back what it found, and the next one goes on with what was current inside.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Self

from sidespan._current import Inside
from sidespan._span import Span

ITEMS = "sidespan.stream.items"
EXHAUSTED = "sidespan.stream.exhausted"


def _nothing() -> None:
    """Close what cannot be closed."""


class Stepping:
    """What both kinds share.

    The span ends with the iterator: exhausted, failed, closed, or garbage. It says how many items
    there were, and when that was not all, so.

    Args:
        span: Started; it is current during each step.
        inner: The iterator that does the work.
    """

    def __init__(self, span: Span, inner: Any) -> None:
        self._span = span
        self._inner = inner
        self._inside: Inside = Inside(span)
        self._items = 0

    def _finish(self, error: BaseException | None = None, *, exhausted: bool = True) -> None:
        span = self._span
        if span.recording:
            span.set({ITEMS: self._items})
            if not exhausted:
                span.set({EXHAUSTED: False})
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._span.end(error)

    def __del__(self) -> None:
        self._finish(exhausted=False)


class Steps(Stepping, Iterator[Any]):
    """A generator or another iterator, step by step in its span."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._step(next, self._inner)

    def send(self, value: Any) -> Any:
        """As a generator's."""
        return self._step(self._inner.send, value)

    def throw(self, *error: Any) -> Any:
        """As a generator's."""
        return self._step(self._inner.throw, *error)

    def close(self) -> None:
        """As a generator's; the span ends."""
        outside = self._inside.enter()
        try:
            # Not every iterator has it.
            getattr(self._inner, "close", _nothing)()
        except BaseException as error:
            self._finish(error, exhausted=False)
            raise
        finally:
            self._inside.leave(outside)
        self._finish(exhausted=False)

    def _step(self, function: Callable[..., Any], *args: Any) -> Any:
        outside = self._inside.enter()
        try:
            item = function(*args)
        except StopIteration:
            self._finish()
            raise
        except BaseException as error:
            self._finish(error, exhausted=False)
            raise
        finally:
            self._inside.leave(outside)
        self._items += 1
        return item


class AsyncSteps(Stepping, AsyncIterator[Any]):
    """An asynchronous generator or another such iterator, step by step in its span."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._step(self._inner.__anext__)

    async def asend(self, value: Any) -> Any:
        """As an asynchronous generator's."""
        return await self._step(self._inner.asend, value)

    async def athrow(self, *error: Any) -> Any:
        """As an asynchronous generator's."""
        return await self._step(self._inner.athrow, *error)

    async def aclose(self) -> None:
        """As an asynchronous generator's; the span ends."""
        outside = self._inside.enter()
        try:
            if hasattr(self._inner, "aclose"):
                await self._inner.aclose()
        except BaseException as error:
            self._finish(error, exhausted=False)
            raise
        finally:
            self._inside.leave(outside)
        self._finish(exhausted=False)

    async def _step(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        outside = self._inside.enter()
        try:
            item = await function(*args)
        except StopAsyncIteration:
            self._finish()
            raise
        except BaseException as error:
            self._finish(error, exhausted=False)
            raise
        finally:
            self._inside.leave(outside)
        self._items += 1
        return item
