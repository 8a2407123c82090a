"""Attributes for tests of what leaves the node."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.config import Capture
from sidespand.model import Content, Kind, Record
from sidespand.otlp_places import parse
from sidespand.scrubbing import Secrets
from sidespand.sinks import span_json
from sidespand.sinks.policy import Policy
from sidespand.sinks.policy_keys import SUMMARY_KEY
from tests.journals import records
from tests.otlp import export_request

SALT = bytes(range(32))
SINK = "collector"


def policy(capture: Capture = Capture.REDACTED, *secrets: str, salt: bytes = SALT) -> Policy:
    """Return the policy of a sink called SINK."""
    return Policy(SINK, capture, Secrets(secrets), salt)


def fill(value: AnyValue, given: Any) -> None:
    """Set a value from Python's."""
    match given:
        case bool():
            value.bool_value = given
        case int():
            value.int_value = given
        case float():
            value.double_value = given
        case str():
            value.string_value = given
        case bytes():
            value.bytes_value = given
        case Mapping():
            value.kvlist_value.SetInParent()
            put(value.kvlist_value.values, given)
        case Sequence():
            value.array_value.SetInParent()
            for one in given:
                fill(value.array_value.values.add(), one)


def put(attributes: Any, given: Mapping[str, Any]) -> None:
    """Add attributes; None is a value without anything in it."""
    for key, one in given.items():
        fill(attributes.add(key=key).value, one)


def request_of(given: Mapping[str, Any]) -> ExportTraceServiceRequest:
    """Return a request of one span with just these attributes."""
    request = export_request(1, attributes=0)
    put(span_of(request).attributes, given)
    return request


def span_of(request: ExportTraceServiceRequest) -> Span:
    """Return the first span."""
    return request.resource_spans[0].scope_spans[0].spans[0]


def record_of(message: Any, kind: Kind = Kind.SPANS, item_count: int = 1) -> Record:
    """Return a message as a sink gets it from the journal."""
    (record,) = records([Content(kind, message.SerializeToString(), item_count)])
    return record


def let_out(message: Any, kind: Kind = Kind.SPANS, by: Policy | None = None) -> Any:
    """Return what a policy, by default REDACTED, makes of a message."""
    released = (by or policy()).apply(record_of(message, kind)).record
    assert released is not None
    assert released.payload is not None
    return parse(kind, released.payload)


def redacted(given: Mapping[str, Any], by: Policy | None = None) -> dict[str, Any]:
    """Return what becomes of a span's attributes, the summary of what stayed behind included."""
    return span_json.attributes(span_of(let_out(request_of(given), by=by)).attributes)


def refs_in(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the refs that the summary lists; none without a summary."""
    summary = attributes.get(SUMMARY_KEY, {"refs": [], "count": 0})
    assert summary["count"] == len(summary["refs"])
    return list(summary["refs"])


def reasons(attributes: Mapping[str, Any]) -> list[str]:
    """Return why values stayed behind."""
    return [ref["reason"] for ref in refs_in(attributes)]
