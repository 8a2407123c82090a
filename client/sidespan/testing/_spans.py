"""Encoded spans as Python values that a test can compare."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sidespan import _otlp
from sidespan._otlp_json import request_to_json

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One event of a span.

    Args:
        name: What happened.
        time_ns: Since the Unix epoch.
        attributes: As Python values.
    """

    name: str
    time_ns: int
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CapturedSpan:
    """One span, or the mark of one.

    Args:
        name: What was done.
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_span_id: 16 hex digits; empty for a root.
        kind: As it was given to ``span``.
        start_ns: Since the Unix epoch.
        end_ns: The same; 0 for a mark.
        attributes: As Python values.
        events: In their order.
        links: (trace id, span id) of each.
        status: ``unset``, ``ok`` or ``error``.
        message: Of the status.
        trace_state: W3C ``tracestate``.
        resource: The attributes of the process.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    kind: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: tuple[CapturedEvent, ...]
    links: tuple[tuple[str, str], ...]
    status: str
    message: str
    trace_state: str
    resource: dict[str, Any]


def decode_span(encoded: bytes) -> CapturedSpan:
    """Return one encoded Span.

    Raises:
        ValueError: It is none.
    """
    (span,) = decode_request(_otlp.export_request(b"", b"", [encoded]))
    return span


def decode_request(request: bytes) -> list[CapturedSpan]:
    """Return the spans of an encoded ExportTraceServiceRequest, in order.

    Raises:
        ValueError: It is none.
    """
    found = []
    for resource_spans in request_to_json(request).get("resourceSpans", ()):
        resource = _attributes(resource_spans.get("resource", {}))
        for scope_spans in resource_spans.get("scopeSpans", ()):
            found += [_span(span, resource) for span in scope_spans.get("spans", ())]
    return found


def _span(span: dict[str, Any], resource: dict[str, Any]) -> CapturedSpan:
    status = span.get("status", {})
    return CapturedSpan(
        name=span.get("name", ""),
        trace_id=span.get("traceId", ""),
        span_id=span.get("spanId", ""),
        parent_span_id=span.get("parentSpanId", ""),
        kind=_KINDS[span.get("kind", 0)],
        start_ns=int(span.get("startTimeUnixNano", 0)),
        end_ns=int(span.get("endTimeUnixNano", 0)),
        attributes=_attributes(span),
        events=tuple(
            CapturedEvent(event.get("name", ""), int(event["timeUnixNano"]), _attributes(event))
            for event in span.get("events", ())
        ),
        links=tuple((link["traceId"], link["spanId"]) for link in span.get("links", ())),
        status=_STATUSES[status.get("code", 0)],
        message=status.get("message", ""),
        trace_state=span.get("traceState", ""),
        resource=resource,
    )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {
        pair.get("key", ""): _value(pair.get("value", {})) for pair in holder.get("attributes", ())
    }


def _value(value: dict[str, Any]) -> Any:
    for name, inner in value.items():
        read = _VALUES.get(name)
        return inner if read is None else read(inner)
    return None


_VALUES: dict[str, Callable[[Any], Any]] = {
    "intValue": int,
    "doubleValue": float,
    "bytesValue": base64.b64decode,
    "arrayValue": lambda inner: [_value(member) for member in inner.get("values", ())],
    "kvlistValue": lambda inner: {
        pair.get("key", ""): _value(pair.get("value", {})) for pair in inner.get("values", ())
    },
}
