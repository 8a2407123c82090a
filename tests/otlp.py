"""OTLP requests for tests."""

import os
from collections.abc import Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START_NS = 1_790_000_000_000_000_000


def export_request(
    spans: int = 1,
    *,
    trace_id: bytes | None = None,
    span_ids: Sequence[bytes] | None = None,
    attributes: int = 2,
    service: str = "test",
    trace_state: str = "",
) -> ExportTraceServiceRequest:
    """Return a request of ``spans`` spans of one service and, by default, one trace."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    name = resource_spans.resource.attributes.add()
    name.key, name.value.string_value = "service.name", service
    scope_spans = resource_spans.scope_spans.add()
    trace_id = trace_id or os.urandom(16)
    for index in range(spans):
        span = scope_spans.spans.add(
            trace_id=trace_id,
            span_id=span_ids[index] if span_ids else os.urandom(8),
            name=f"step {index}",
            kind=1,
            start_time_unix_nano=START_NS + index,
            end_time_unix_nano=START_NS + index + 1_000_000,
            trace_state=trace_state,
        )
        for number in range(attributes):
            attribute = span.attributes.add()
            attribute.key, attribute.value.string_value = f"attribute.{number}", f"value {number}"
    return request


def encoded(spans: int = 1, **options: object) -> bytes:
    """Return ``export_request`` as bytes."""
    return export_request(spans, **options).SerializeToString()  # type: ignore[arg-type]


def marked(
    trace_id: bytes, span_ids: Sequence[bytes], *, end_ns: Sequence[int] = (), **options: object
) -> bytes:
    """Return an encoded request of marks, spans without an end unless ``end_ns`` gives one."""
    request = export_request(
        len(span_ids),
        trace_id=trace_id,
        span_ids=span_ids,
        **options,  # type: ignore[arg-type]
    )
    for index, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.end_time_unix_nano = end_ns[index] if end_ns else 0
    return request.SerializeToString()
