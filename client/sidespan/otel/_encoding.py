"""Spans of OpenTelemetry's SDK in the client's own encoding, without a message object between."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext as ApiSpanContext
from opentelemetry.trace import StatusCode

from sidespan import _otlp
from sidespan._buffer import MarkedSpan
from sidespan._context import SpanContext
from sidespan._extra import Extra
from sidespan._fields import Fields
from sidespan._limits import CACHED_TEXTS_MAX, SPAN_LARGE_FIELDS_BYTES_MAX
from sidespan._values import safe_text

_STATUS_OK = b"\x7a\x02\x18\x01"
_scopes: dict[tuple[str, str | None], bytes] = {}


class ScopedSpan(bytes):
    """An encoded span that belongs to an instrumentation scope of its own.

    Attributes:
        scope: The encoded InstrumentationScope.
    """

    scope: bytes

    @classmethod
    def of(cls, encoded: bytes, scope: bytes) -> Self:
        """Return ``encoded`` as a span of ``scope``."""
        made = cls(encoded)
        made.scope = scope
        return made


class ScopedMarkedSpan(MarkedSpan):
    """The same, for one that a mark may have announced."""

    scope: bytes

    @classmethod
    def of(cls, encoded: ScopedSpan) -> Self:
        """Return a span that has ended as one that the recorder is to close."""
        made = cls(encoded)
        made.scope = encoded.scope
        return made


class Content(Fields):
    """The attributes and events of a span, within the client's bounds."""

    __slots__ = ()

    def __init__(self) -> None:
        self._attributes = {}
        self._events = []
        self._dropped_attributes = self._dropped_events = 0
        self._large_bytes_left = SPAN_LARGE_FIELDS_BYTES_MAX

    @property
    def attributes(self) -> dict[str, bytes]:
        """Encoded, by key."""
        return self._attributes

    @property
    def events(self) -> list[bytes]:
        """Encoded, in order."""
        return self._events

    def add(self, attributes: Mapping[str, object], events: Iterable[Event]) -> None:
        """Encode what is new."""
        self._put(attributes)
        for event in events:
            self._put_event(_otlp.event(event.name, event.timestamp, event.attributes or {}))

    def dropped(self, span: ReadableSpan) -> bytes:
        """Return how many attributes and events the SDK or this left out, as fields of the span."""
        attributes = self._dropped_attributes + span.dropped_attributes
        events = self._dropped_events + span.dropped_events
        return _otlp.dropped_counts(attributes, events) if attributes or events else b""


def encoded_span(span: ReadableSpan) -> ScopedSpan:
    """Return a span that has ended."""
    content = Content()
    content.add(span.attributes or {}, span.events)
    status = b""
    if span.status.status_code is StatusCode.ERROR:
        status = _otlp.error_status(span.status.description or "")
    elif span.status.status_code is StatusCode.OK:
        status = _STATUS_OK
    rest = content.dropped(span) + encoded_links(span) + status
    return encoded(span, span.end_time or 0, content.attributes.values(), content.events, rest)


def encoded(
    span: ReadableSpan,
    end_ns: int,
    attributes: Iterable[bytes],
    events: Iterable[bytes],
    rest: bytes,
) -> ScopedSpan:
    """Return a span, or with ``end_ns`` 0 a mark of it; the other arguments as in ``_otlp``."""
    context: Any = span.get_span_context()
    start_ns = span.start_time or 0
    body = _otlp.span(
        own_context(context),
        own_context(span.parent) if span.parent is not None else None,
        safe_text(span.name),
        # OTLP counts from 1, with 0 for unknown.
        span.kind.value + 1,
        start_ns,
        max(start_ns, end_ns) if end_ns else 0,
        attributes,
        events,
        rest,
    )
    return ScopedSpan.of(body, _scope(span.instrumentation_scope))


def encoded_links(span: ReadableSpan) -> bytes:
    """Return a span's links as fields of it."""
    if not span.links and not span.dropped_links:
        return b""
    extra = Extra()
    for link in span.links:
        extra.link(own_context(link.context), link.attributes or {})
    return extra.links()


def own_context(context: ApiSpanContext) -> SpanContext:
    """Return who a span is, in the client's terms."""
    state = context.trace_state
    return SpanContext(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        int(context.trace_flags),
        state.to_header() if state else "",
        context.is_remote,
    )


def _scope(scope: InstrumentationScope | None) -> bytes:
    name, version = (scope.name, scope.version) if scope is not None else ("", None)
    if scope is not None and scope.attributes:
        return _encoded_scope(name, version, scope.attributes)
    encoded = _scopes.get((name, version))
    if encoded is None:
        if len(_scopes) >= CACHED_TEXTS_MAX:
            _scopes.clear()
        encoded = _scopes[name, version] = _encoded_scope(name, version, {})
    return encoded


def _encoded_scope(name: str, version: str | None, attributes: Mapping[str, object]) -> bytes:
    # Attributes have the same number in a scope as in an event.
    fields = (
        _otlp.attribute(_otlp.EVENT_ATTRIBUTE, key, value) for key, value in attributes.items()
    )
    return _otlp.scope(name or "", version or "") + b"".join(fields)
