"""Walks over the places of an OTLP request where programs put words of their own."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.content_keys import is_content_event
from sidespand.model import Kind


class Surface(StrEnum):
    """Whose attributes they are. The first three names are those of the AITrace seed."""

    RESOURCE = "trace_metadata"
    SPAN = "span_attributes"
    EVENT = "event_attributes"
    SCOPE = "scope_attributes"
    LINK = "link_attributes"
    LOG = "log_attributes"
    BODY = "log_body"
    METRIC = "metric_attributes"


class Visitor(Protocol):
    """Looks at each place, and may change what is there."""

    def attributes(
        self, attributes: Any, holder: Any, surface: Surface, *, carries_content: bool
    ) -> None:
        """Look at a list of attributes.

        Args:
            attributes: A repeated ``KeyValue``.
            holder: What has a ``dropped_attributes_count`` for them; None where OTLP has none.
            surface: Whose they are.
            carries_content: They are of an event, or a log record, that exists to carry content.
        """
        ...

    def text(self, holder: Any, field: str, *, is_content: bool) -> None:
        """Look at a text field: the name of something, or content in free words."""
        ...

    def body(self, log: Any) -> None:
        """Look at the body of a log record; its attributes come next."""
        ...


def parse(kind: Kind, payload: bytes) -> Any:
    """Return a stored payload of spans, marks, logs or metrics as its message."""
    return _SIGNALS[kind][0].FromString(payload)


def walk(kind: Kind, request: Any, visitor: Visitor) -> None:
    """Show every place of a request to a visitor, in document order.

    Args:
        kind: SPANS, MARKS, LOGS or METRICS.
        request: What ``parse`` returned for it.
        visitor: It may change values and lists of attributes, but not which items there are.
    """
    _SIGNALS[kind][1](request, visitor)


def _walk_spans(request: Any, visitor: Visitor) -> None:
    see, text = visitor.attributes, visitor.text
    for resource_spans in request.resource_spans:
        _see(see, resource_spans.resource, Surface.RESOURCE)
        for scope_spans in resource_spans.scope_spans:
            _see(see, scope_spans.scope, Surface.SCOPE)
            for span in scope_spans.spans:
                text(span, "name", is_content=False)
                see(span.attributes, span, Surface.SPAN, carries_content=False)
                for event in span.events:
                    _see(see, event, Surface.EVENT, carries_content=is_content_event(event.name))
                    text(event, "name", is_content=False)
                for link in span.links:
                    _see(see, link, Surface.LINK)
                if span.HasField("status"):
                    text(span.status, "message", is_content=True)


def _walk_logs(request: Any, visitor: Visitor) -> None:
    see = visitor.attributes
    for resource_logs in request.resource_logs:
        _see(see, resource_logs.resource, Surface.RESOURCE)
        for scope_logs in resource_logs.scope_logs:
            _see(see, scope_logs.scope, Surface.SCOPE)
            for log in scope_logs.log_records:
                carries_content = is_content_event(log.event_name)
                if log.HasField("body"):
                    visitor.body(log)
                see(log.attributes, log, Surface.LOG, carries_content=carries_content)
                visitor.text(log, "event_name", is_content=False)


def _walk_metrics(request: Any, visitor: Visitor) -> None:
    see = visitor.attributes
    for resource_metrics in request.resource_metrics:
        _see(see, resource_metrics.resource, Surface.RESOURCE)
        for scope_metrics in resource_metrics.scope_metrics:
            _see(see, scope_metrics.scope, Surface.SCOPE)
            for metric in scope_metrics.metrics:
                see(metric.metadata, None, Surface.METRIC, carries_content=False)
                data = metric.WhichOneof("data")
                for point in getattr(metric, data).data_points if data else ():
                    see(point.attributes, None, Surface.METRIC, carries_content=False)
                    for exemplar in getattr(point, "exemplars", ()):
                        filtered = exemplar.filtered_attributes
                        see(filtered, None, Surface.METRIC, carries_content=False)


def _see(
    see: Callable[..., None], holder: Any, surface: Surface, *, carries_content: bool = False
) -> None:
    if holder.attributes:
        see(holder.attributes, holder, surface, carries_content=carries_content)


_SIGNALS: Final[Mapping[Kind, tuple[Any, Callable[[Any, Visitor], None]]]] = {
    Kind.SPANS: (ExportTraceServiceRequest, _walk_spans),
    Kind.MARKS: (ExportTraceServiceRequest, _walk_spans),
    Kind.LOGS: (ExportLogsServiceRequest, _walk_logs),
    Kind.METRICS: (ExportMetricsServiceRequest, _walk_metrics),
}
