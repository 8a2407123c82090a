"""Builds OTLP requests from the values that JSON holds. Pure."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.limits import JSON_DEPTH_MAX

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_NS_MAX: Final = 2**64 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S: Final = 10**9
# The three words by which OTLP names how a span ended.
STATUS_CODES: Final = {
    "unset": Status.STATUS_CODE_UNSET,
    "ok": Status.STATUS_CODE_OK,
    "error": Status.STATUS_CODE_ERROR,
}


def any_value(value: Any, depth: int = JSON_DEPTH_MAX) -> AnyValue:
    """Return a value that JSON holds, bytes too, as OTLP has it.

    Args:
        value: Of any of JSON's kinds; an integer of more than 64 bits becomes text.
        depth: How deep it may nest.

    Raises:
        ValueError: It nests deeper.
    """
    if depth == 0:
        raise ValueError(f"nested deeper than {JSON_DEPTH_MAX} levels")
    found = AnyValue()
    match value:
        case bool():
            found.bool_value = value
        case int() if _INT_MIN <= value <= _INT_MAX:
            found.int_value = value
        case float():
            found.double_value = value
        case bytes():
            found.bytes_value = value
        case list():
            found.array_value.SetInParent()
            found.array_value.values.extend(any_value(one, depth - 1) for one in value)
        case Mapping():
            found.kvlist_value.SetInParent()
            found.kvlist_value.values.extend(pairs(value, depth - 1))
        case None:
            pass
        case _:
            found.string_value = text(value)
    return found


def pairs(values: Mapping[str, Any], depth: int = JSON_DEPTH_MAX) -> list[KeyValue]:
    """Return attributes.

    Raises:
        ValueError: One nests too deep.
    """
    return [KeyValue(key=text(key), value=any_value(one, depth)) for key, one in values.items()]


def text(value: Any) -> str:
    """Return what protobuf takes as text: without lone surrogates."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def request_of(
    span: Span,
    resource: Mapping[str, Any],
    scope: str = "",
    scope_version: str = "",
) -> ExportTraceServiceRequest:
    """Return a request of one span.

    Raises:
        ValueError: A resource attribute nests too deep.
    """
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(pairs(resource))
    scope_spans = resource_spans.scope_spans.add(spans=[span])
    scope_spans.scope.name, scope_spans.scope.version = text(scope), text(scope_version)
    return request


def ns_of_seconds(seconds: Any) -> int:
    """Return nanoseconds since the Unix epoch.

    Args:
        seconds: The same in seconds; a number.

    Raises:
        ValueError: It is none, or no time that OTLP can hold.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"expected seconds since the Unix epoch, not {type(seconds).__name__}")
    if not 0 <= seconds <= _NS_MAX / _NS_PER_S:
        raise ValueError("a time that cannot be")
    # A double holds a present time to a quarter of a microsecond: more digits would be invented.
    return round(seconds * 1e6) * 1000


def ns_of_iso(moment: Any) -> int:
    """Return nanoseconds since the Unix epoch of an ISO 8601 time; without an offset it is UTC.

    Raises:
        ValueError: It is no such time, or before 1970.
    """
    if not isinstance(moment, str):
        raise ValueError(f"expected a time in ISO 8601, not {type(moment).__name__}")
    parsed = datetime.fromisoformat(moment)
    since = (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)) - _EPOCH
    if since.days < 0:
        raise ValueError("a time before 1970")
    return (since.days * 86400 + since.seconds) * _NS_PER_S + since.microseconds * 1000


def ns_of_decimal(digits: Any) -> int:
    """Return a nanosecond count written as a decimal string or a number.

    Raises:
        ValueError: It is neither, or out of range.
    """
    if isinstance(digits, bool) or not isinstance(digits, int | str):
        raise ValueError(f"expected nanoseconds, not {type(digits).__name__}")
    found = int(digits)
    if not 0 <= found <= _NS_MAX:
        raise ValueError("a time that cannot be")
    return found


def uuid_bytes(given: Any) -> bytes:
    """Return the 16 bytes of a UUID.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(given, str):
        raise ValueError(f"expected a UUID, not {type(given).__name__}")
    return uuid.UUID(given).bytes


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return an object of JSON; an empty one for null.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{what}: expected an object")
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """Return an array of JSON; an empty one for null.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what}: expected an array")
    return value
