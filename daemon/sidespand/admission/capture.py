"""What of a request may be kept on this node at all: ``receivers.capture``.

full       everything, as it came
metadata   spans and logs without what people and models said
off        nothing; callers are told that all is well
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.content_keys import is_content_event, is_content_key
from sidespand.model import Admitted, Content, Kind
from sidespand.ports import Admission

# OTLP counts dropped attributes in 32 bits.
_COUNT_MAX: Final = 2**32 - 1


class MetadataAdmission:
    """Admits what another admission does, without content. Implements ``ports.Admission``.

    Attributes whose keys ``content_keys`` names, the bodies of logs, and the messages of statuses
    are left out. Where OTLP has a count of dropped attributes, what is left out there is added.

    Args:
        admission: Decides first.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one request; ``ports.Admission`` has the contract."""
        admitted = self._admission.admit(kind, body, digest)
        stripped = [_stripped(content) for content in admitted.contents]
        return admitted._replace(
            contents=tuple(content for content, _ in stripped),
            removed_values=sum(removed for _, removed in stripped),
        )

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of the request is an error."""
        return self._admission.carries_error(kind, body)

    def withdraw(self, admitted: Admitted) -> None:
        """Forget what was noted of a request."""
        self._admission.withdraw(admitted)


class NothingAdmission:
    """Takes every request and keeps nothing of it. Implements ``ports.Admission``."""

    def admit(self, _kind: Kind, _body: bytes, _digest: bytes = b"") -> Admitted:
        """Return nothing to be stored, whatever came."""
        return Admitted(())

    def carries_error(self, _kind: Kind, _body: bytes) -> bool:
        """Let every request pass: it takes no room."""
        return True

    def withdraw(self, _admitted: Admitted) -> None:
        """Nothing was noted."""


def _stripped(content: Content) -> tuple[Content, int]:
    message, strip = _SIGNALS[content.kind]
    request = message.FromString(content.payload)
    removed = strip(request)
    if not removed:
        return content, 0
    return content._replace(payload=request.SerializeToString(), digest=b""), removed


def _strip_spans(request: Any) -> int:
    removed = 0
    for resource_spans in request.resource_spans:
        removed += _counted(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            removed += _counted(scope_spans.scope)
            for span in scope_spans.spans:
                removed += _counted(span)
                removed += sum(_counted(one, _judge_of(one.name)) for one in span.events)
                removed += sum(map(_counted, span.links))
                if span.status.message:
                    span.status.message = ""
                    removed += 1
    return removed


def _strip_logs(request: Any) -> int:
    removed = 0
    for resource_logs in request.resource_logs:
        removed += _counted(resource_logs.resource)
        for scope_logs in resource_logs.scope_logs:
            removed += _counted(scope_logs.scope)
            for log in scope_logs.log_records:
                removed += _counted(log, _judge_of(log.event_name))
                if log.HasField("body"):
                    log.ClearField("body")
                    removed += 1
    return removed


def _strip_metrics(request: Any) -> int:
    removed = 0
    for resource_metrics in request.resource_metrics:
        removed += _counted(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            removed += _counted(scope_metrics.scope)
            for metric in scope_metrics.metrics:
                removed += _prune(metric.metadata)
                data = metric.WhichOneof("data")
                for point in getattr(metric, data).data_points if data else ():
                    removed += _prune(point.attributes)
                    for exemplar in getattr(point, "exemplars", ()):
                        removed += _prune(exemplar.filtered_attributes)
    return removed


def _judge_of(event_name: str) -> Callable[[str], bool]:
    return _is_content_in_event if is_content_event(event_name) else is_content_key


def _is_content_in_event(key: str) -> bool:
    return not key.startswith("gen_ai.") or is_content_key(key)


def _counted(holder: Any, is_content: Callable[[str], bool] = is_content_key) -> int:
    removed = _prune(holder.attributes, is_content)
    if removed:
        total = holder.dropped_attributes_count + removed
        holder.dropped_attributes_count = min(total, _COUNT_MAX)
    return removed


def _prune(attributes: Any, is_content: Callable[[str], bool] = is_content_key) -> int:
    """Take content out of a list of attributes, and out of the maps in it; return how much."""
    kept = [one for one in attributes if not is_content(one.key)]
    removed = len(attributes) - len(kept)
    if removed:
        # One by one would take quadratic time.
        del attributes[:]
        attributes.extend(kept)
    return removed + sum(_prune_value(one.value) for one in attributes)


def _prune_value(value: Any) -> int:
    held = value.WhichOneof("value")
    if held == "kvlist_value":
        return _prune(value.kvlist_value.values)
    if held == "array_value":
        return sum(map(_prune_value, value.array_value.values))
    return 0


_SIGNALS: Mapping[Kind, tuple[Any, Callable[[Any], int]]] = {
    Kind.SPANS: (ExportTraceServiceRequest, _strip_spans),
    Kind.MARKS: (ExportTraceServiceRequest, _strip_spans),
    Kind.LOGS: (ExportLogsServiceRequest, _strip_logs),
    Kind.METRICS: (ExportMetricsServiceRequest, _strip_metrics),
}
