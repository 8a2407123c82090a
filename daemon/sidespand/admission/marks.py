"""What the table of open spans keeps of marks: of each its ids, its start and two names."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from sidespand.limits import OPEN_TEXT_CHARACTERS_MAX
from sidespand.model import Mark, SpanKey

ENDED = "a mark must not have an end_time_unix_nano"


def marks_of(request: ExportTraceServiceRequest) -> tuple[Mark, ...]:
    """Return a request's marks, one an item, in item order."""
    return tuple(
        Mark(
            SpanKey(span.trace_id, span.span_id),
            span.start_time_unix_nano,
            span.name[:OPEN_TEXT_CHARACTERS_MAX],
            service,
        )
        for resource_spans in request.resource_spans
        for service in (_service(resource_spans.resource),)
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    )


def _service(resource: Resource) -> str:
    for attribute in resource.attributes:
        if attribute.key == "service.name":
            return attribute.value.string_value[:OPEN_TEXT_CHARACTERS_MAX]
    return ""
