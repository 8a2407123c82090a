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
