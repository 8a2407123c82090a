"""An open span of OpenTelemetry's SDK, as the sender's thread sees it."""

from typing import Any

from opentelemetry.sdk.trace import Span

from sidespan import _otlp
from sidespan._buffer import Buffer
from sidespan._mark import Mark
from sidespan._open_span import OpenSpan
from sidespan._runtime import runtime
from sidespan.otel._encoding import Content, encoded, encoded_links, own_context

_UNTOLD = object()


class OpenOtelSpan(OpenSpan):
    """Announces a span while the program goes on with it.

    The SDK tells a processor of no change, so a span that has been announced, and no other, gets
    methods of its own that do.

    Args:
        source: The SDK's span.
        buffer: Where it goes.
    """

    __slots__ = ("__weakref__", "_content", "_source", "_told", "_told_events")

    def __init__(self, source: Span, buffer: Buffer) -> None:
        self.context = own_context(source.get_span_context())
        self._start_ns = source.start_time or 0
        self._mark = None
        self._buffer = buffer
        self._source = source
        # For the sender's thread alone: what it has encoded, and of what.
        self._content = Content()
        self._told: dict[str, Any] = {}
        self._told_events = 0

    def close(self) -> Buffer | None:
        """Return where it goes, now that it has ended; no mark is made of it any more."""
        buffer, self._buffer = self._buffer, None
        return buffer

    def encoded_mark(self, mark: Mark) -> bytes:
        """Promise of ``OpenSpan.encoded_mark``; raises no Exception."""
        source = self._source
        first = not mark.told
        rest = b""
        if first:
            self._watch(mark)
        try:
            self._encode_news()
            rest = encoded_links(source) if first else b""
        except Exception as error:
            # The program changed the span at the same moment; the next mark or its end has it.
            runtime.note(error)
        attributes, events = mark.news(self._content.attributes, self._content.events)
        try:
            return encoded(source, 0, attributes, events, rest)
        except Exception as error:
            runtime.note(error)
            return _otlp.span(self.context, None, "", 1, self._start_ns, 0, attributes, events, b"")

    def _encode_news(self) -> None:
        told = self._told
        attributes = dict(self._source.attributes or {})
        changed = {
            key: value for key, value in attributes.items() if told.get(key, _UNTOLD) is not value
        }
        events = self._source.events[self._told_events :]
        self._content.add(changed, events)
        told |= changed
        self._told_events += len(events)

    def _watch(self, mark: Mark) -> None:
        source = self._source
        for name in ("set_attribute", "set_attributes", "add_event"):
            vars(source)[name] = self._telling(getattr(source, name), mark)

    def _telling(self, method: Any, mark: Mark) -> Any:
        def tell(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            buffer = self._buffer
            if buffer is not None:
                mark.touch(self, buffer)
            return result

        return tell
