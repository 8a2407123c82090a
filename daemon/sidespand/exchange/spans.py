"""Spans as OTLP has them. Pure."""

import json
from collections.abc import Iterable, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from sidespand.exchange import building
from sidespand.query.documents import attributes_document
from sidespand.query.span import Span
from sidespand.sinks.span_json import KINDS


def to_otlp(span: Span) -> trace_pb2.Span:
    """Return a span as OTLP has it; one that is open has no end.

    Raises:
        ValueError: An attribute nests too deep.
    """
    found = trace_pb2.Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=building.text(span.name),
        kind=KINDS.index(span.kind) if span.kind in KINDS else 0,  # type: ignore[arg-type]
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=building.pairs(span.attributes),
        trace_state=building.text(span.trace_state),
        status=trace_pb2.Status(
            code=building.STATUS_CODES[span.status], message=building.text(span.status_message)
        ),
    )
    for event in span.events:
        found.events.add(
            time_unix_nano=event.time_ns,
            name=building.text(event.name),
            attributes=building.pairs(event.attributes),
        )
    for link in span.links:
        found.links.add(
            trace_id=link.trace_id,
            span_id=link.span_id,
            trace_state=building.text(link.trace_state),
            attributes=building.pairs(link.attributes),
        )
    return found


def request(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """Return spans as one request, those of one resource and scope together.

    Raises:
        ValueError: An attribute nests too deep.
    """
    groups: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        resource = json.dumps(attributes_document(span.resource), sort_keys=True)
        groups.setdefault((resource, span.scope), []).append(span)
    found = ExportTraceServiceRequest()
    for together in groups.values():
        _add(found, together)
    return found


def _add(to: ExportTraceServiceRequest, together: Sequence[Span]) -> None:
    group = to.resource_spans.add()
    group.resource.attributes.extend(building.pairs(together[0].resource))
    scoped = group.scope_spans.add(spans=[to_otlp(span) for span in together])
    scoped.scope.name = building.text(together[0].scope)
