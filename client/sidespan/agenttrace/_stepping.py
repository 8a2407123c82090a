"""Generators whose every step runs within a span of ``sidespan.agenttrace``."""

from collections.abc import Callable
from typing import Any

from sidespan import _span
from sidespan._current import Inside
from sidespan._steps import AsyncSteps, Stepping, Steps
from sidespan._usage import INPUT, OUTPUT, usage
from sidespan.agenttrace._entry import current_entry
from sidespan.agenttrace._records import Span


class _Inside(Inside):
    """What is current within, of this module's own spans too."""

    __slots__ = ("_entry", "_entry_outside")

    def __init__(self, entry: Span) -> None:
        super().__init__(entry.own)
        self._entry = entry
        self._entry_outside = current_entry.get()

    def enter(self) -> "_span.Span | None":
        self._entry_outside = current_entry.get()
        current_entry.set(self._entry)
        return super().enter()

    def leave(self, outside: "_span.Span | None") -> None:
        super().leave(outside)
        current_entry.set(self._entry_outside)


class _SpanStepping(Stepping):
    """What both kinds share: what the span says came out is how many items, and their tokens.

    Args:
        span: It is current during each step, and ends with the last.
        inner: The generator.
        done: Told the output.
    """

    def __init__(self, span: Span, inner: Any, done: Callable[[Span, Any], None]) -> None:
        super().__init__(span.own, inner)
        self._inside = _Inside(span)
        self._entry = span
        self._done = done
        self._seen: dict[str, object] = {}
        span.suspend()

    def _observe(self, item: Any) -> Any:
        self._seen |= usage(item)
        return item

    def _finish(self, error: BaseException | None = None, *, exhausted: bool = True) -> None:
        if self._entry.end_time is None:
            output: dict[str, object] = {"items": self._items}
            if not exhausted:
                output["exhausted"] = False
            if INPUT in self._seen or OUTPUT in self._seen:
                output["usage"] = {
                    "prompt_tokens": self._seen.get(INPUT),
                    "completion_tokens": self._seen.get(OUTPUT),
                }
            self._done(self._entry, output)
            self._entry.end(error)


class SpanSteps(_SpanStepping, Steps):
    """A generator, step by step in its span."""

    def _step(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._observe(super()._step(function, *args))


class AsyncSpanSteps(_SpanStepping, AsyncSteps):
    """An asynchronous generator, step by step in its span."""

    async def _step(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._observe(await super()._step(function, *args))
