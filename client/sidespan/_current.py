"""Which span is the current one, for each thread and task by itself."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespan._span import Span

current_span: "ContextVar[Span | None]" = ContextVar("sidespan_current", default=None)


class Activation:
    """Makes a span the current one for a block, as often as it is entered, one entry at a time."""

    __slots__ = ("_active", "_outer", "_span")

    def __init__(self, span: "Span") -> None:
        self._span = span
        self._outer: Span | None = None
        self._active = False

    def __enter__(self) -> "Span":
        if self._span.recording:
            self._outer, self._active = current_span.get(), True
            current_span.set(self._span)
        return self._span

    def __exit__(self, *_: object) -> None:
        # A block that is left in another context than it was entered changes nothing there.
        if self._active and current_span.get() is self._span:
            current_span.set(self._outer)
        self._outer, self._active = None, False


class Inside:
    """What is current within something that runs step by step, and nothing of it in between.

    Each step goes on with what was current when the step before was left: that may be a span
    which the code within opened itself.

    Args:
        span: Current in the first step; one that does not record leaves everything as it is.
    """

    __slots__ = ("_current", "_span")

    def __init__(self, span: "Span") -> None:
        self._span = span
        self._current: Span | None = span if span.recording else None

    def enter(self) -> "Span | None":
        """Begin a step; return what ``leave`` is to put back."""
        outside = current_span.get()
        if self._current is not None:
            current_span.set(self._current)
        return outside

    def leave(self, outside: "Span | None") -> None:
        """End a step."""
        if self._current is not None:
            self._current = current_span.get() or self._span
            current_span.set(outside)
