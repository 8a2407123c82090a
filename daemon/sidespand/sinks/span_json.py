"""OTLP spans as values that JSON can hold. Pure.

    ids            lower hex; a root's parent is null
    times          nanoseconds since the Unix epoch, decimal text
    integers       numbers; beyond ±(2**53 - 1), where most readers round, decimal text
    floats         numbers; "NaN", "Infinity" and "-Infinity" otherwise
    bytes          base64 (RFC 4648, section 4, with padding)
    arrays, maps   the same, at any depth; of two equal keys the last one counts
    an empty value null

Source: protobuf's JSON mapping, for bytes and the names of the other floats.
"""

import math
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.limits import JSON_INTEGER_MAX

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_CODES: Final = ("unset", "ok", "error")


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes by key."""
    return {pair.key: value(pair.value) for pair in pairs}


def value(given: AnyValue) -> Any:  # noqa: PLR0911 -- one return for each kind of value.
    """Return one attribute value."""
    # Most values are text, and to ask which one is set costs more than to look.
    if text := given.string_value:
        return text
    match given.WhichOneof("value"):
        case "string_value":
            return given.string_value
        case "bool_value":
            return given.bool_value
        case "int_value":
            number = given.int_value
            return number if -JSON_INTEGER_MAX <= number <= JSON_INTEGER_MAX else str(number)
        case "double_value":
            return _float(given.double_value)
        case "array_value":
            return [value(element) for element in given.array_value.values]
        case "kvlist_value":
            return attributes(given.kvlist_value.values)
        case "bytes_value":
            return b64encode(given.bytes_value).decode("ascii")
    return None


def span_fields(span: Span) -> dict[str, Any]:
    """Return what a span says of itself: without its resource, its scope and its stamp."""
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() if any(span.parent_span_id) else None,
        "name": span.name,
        "kind": word(KINDS, span.kind),
        "start_ns": str(span.start_time_unix_nano),
        "end_ns": str(span.end_time_unix_nano),
        "status": {
            "code": word(STATUS_CODES, span.status.code),
            "message": span.status.message,
        },
        "attributes": attributes(span.attributes),
        "events": [
            {
                "time_ns": str(event.time_unix_nano),
                "name": event.name,
                "attributes": attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "trace_state": link.trace_state,
                "attributes": attributes(link.attributes),
            }
            for link in span.links
        ],
        "trace_state": span.trace_state,
    }


def _float(number: float) -> float | str:
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def word(words: tuple[str, ...], number: int) -> str:
    """Return an enumeration's word; a later version of OTLP may know more, which stay numbers."""
    return words[number] if 0 <= number < len(words) else str(number)
