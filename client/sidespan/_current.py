"""Which span is the current one, for each thread and task by itself."""

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespan._span import Span

current_span: "ContextVar[Span | None]" = ContextVar("sidespan_current", default=None)


class Activation:
    """Makes a span the current one for a block, as often as it is entered, one entry at a time."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: "Span") -> None:
        self._span = span
        self._token: Token[Span | None] | None = None

    def __enter__(self) -> "Span":
        if self._span.recording:
            self._token = current_span.set(self._span)
        return self._span

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            leave(self._token)
            self._token = None


def leave(token: "Token[Span | None]") -> None:
    """Restore what was current, unless the block is left in another context than it was entered."""
    try:
        current_span.reset(token)
    except (ValueError, RuntimeError):
        # A generator that was closed from elsewhere; that other context is not ours to change.
        return
