"""OTLP requests, and records of them as the journal reads them back."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from sidespand.clock import SystemClock
from sidespand.hlc import Hlc
from sidespand.journal import record
from sidespand.journal.stamper import Draft, control, seal
from sidespand.journal.state import Head
from sidespand.model import Content, Kind, Record

LINEAGE = bytes.fromhex("00112233445566aa")
START_NS = 1_790_000_000_000_000_000
_MS = 1_000_000


def trace_id(number: int) -> bytes:
    """Return a trace id whose first digits differ by number."""
    return number.to_bytes(4, "big") * 4


def span_id(number: int) -> bytes:
    """Return a span id whose first digits differ by number, and from those of every trace id."""
    return (number ^ 0xF0F0F0F0).to_bytes(4, "big") + number.to_bytes(4, "big")


def span(
    number: int,
    *,
    trace: int = 1,
    parent: int | None = None,
    name: str = "",
    at_ms: int = 0,
    for_ms: int = 1,
    error: bool = False,
) -> Span:
    """Return a span; its numbers become ids, its times count from START_NS."""
    start_ns = START_NS + at_ms * _MS
    return Span(
        trace_id=trace_id(trace),
        span_id=span_id(number),
        parent_span_id=b"" if parent is None else span_id(parent),
        name=name or f"span {number}",
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + for_ms * _MS,
        status=Status(code=Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET),
    )


def request(*spans: Span, service: str = "planner") -> bytes:
    """Return an encoded request of one resource and one scope."""
    resource = Resource(
        attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service))]
    )
    scoped = [ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    return ExportTraceServiceRequest(resource_spans=scoped).SerializeToString()


def span_count(payload: bytes) -> int:
    """Return how many spans a request holds."""
    message = ExportTraceServiceRequest.FromString(payload)
    return sum(len(scope.spans) for rs in message.resource_spans for scope in rs.scope_spans)


def spans_content(payload: bytes) -> Content:
    """Return a request as the journal takes it."""
    return Content(Kind.SPANS, payload, span_count(payload))


def recorded(*payloads: bytes) -> list[Record]:
    """Return requests as records, newest first, of a log that starts at LSN 1."""
    return recorded_contents([spans_content(payload) for payload in payloads])


def recorded_contents(contents: Sequence[Content]) -> list[Record]:
    """Return contents as records, newest first."""
    clock = SystemClock()
    empty = Head(1, LINEAGE, 3, 1, 0, 0, Hlc(0, 0), 0, 0, bytes(16), bytes(16), ())
    draft = Draft(empty, clock)
    for content in contents:
        draft.stamp(seal(content, clock), 0, 0)
    return list(_decoded(value for _, value in reversed(draft.values)))


def redacted(entry: Record) -> Record:
    """Return a record whose payload is gone."""
    return replace(entry, payload=None)


def control_content(kind: Kind) -> Content:
    """Return a record of the recorder's own."""
    return control(kind, {})


def _decoded(values: Iterable[bytes]) -> Iterable[Record]:
    for value in values:
        header, edges, leaf, payload = record.decode(value)
        yield Record(1, header, edges, leaf, payload)
