"""An open span, as the sender's thread sees it."""

from collections.abc import Callable

from sidespan import _otlp
from sidespan._buffer import Buffer
from sidespan._context import SpanContext
from sidespan._extra import Extra
from sidespan._fields import Fields
from sidespan._mark import Mark


class OpenSpan(Fields):
    """What it takes to announce a span, while the host's threads go on with it."""

    __slots__ = (
        "_buffer",
        "_extra",
        "_kind",
        "_mark",
        "_name",
        "_parent",
        "_start_ns",
        "_status",
        "context",
    )

    context: SpanContext
    # Where it goes when it ends; None while it is not open.
    _buffer: Buffer | None
    _extra: Extra | None
    # A number of SpanKind.
    _kind: int
    # Made once, when it is announced: by the sender's thread, or by whoever waits for that.
    _mark: Mark | None
    _name: str
    _parent: SpanContext | None
    _start_ns: int
    _status: bytes

    def age_s(self, now_ns: int) -> float:
        """Return for how long it has been open; negative when the clock was set back."""
        return (now_ns - self._start_ns) / 1e9

    def announced(self, settled: Callable[[], None] | None = None) -> Mark | None:
        """Return what the recorder has been told of it; None when it has ended.

        Args:
            settled: Of the mark, when this call is the one that makes it.
        """
        if self._mark is None and self._buffer is not None:
            self._mark = Mark(settled)
        return self._mark if self._buffer is not None else None

    def hasten(self, settled: Callable[[], None], timeout_s: float) -> Mark | None:
        """Have it announced at once; None when it is not open, or nobody will.

        Nobody may have announced it before: it is not among the young ones.

        Args:
            settled: Called when its start is on disk, or never will be.
            timeout_s: For how long somebody waits for that.
        """
        buffer = self._buffer
        if buffer is None or buffer.closed:
            return None
        mark = self.announced(settled)
        buffer.hurry(self, timeout_s)
        return mark

    def encoded_mark(self, mark: Mark) -> bytes:
        """Return the span as far as it is, without what ``mark`` has told before.

        For the sender's thread, while others go on with the span. Empty when nothing is new.
        """
        first = not mark.told
        attributes, events = mark.news(self._attributes, self._events)
        if not (first or attributes or events):
            return b""
        return _otlp.span(
            self.context,
            self._parent,
            self._name,
            self._kind,
            self._start_ns,
            0,
            attributes,
            events,
            self._extra.links() if self._extra is not None and first else b"",
        )
