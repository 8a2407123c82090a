"""Attributes as Python values, at the cost that a thousand spans a moment allow."""

from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

# What the database holds; a peer may claim any 64 bits, and sums may exceed them.
INTEGER_MAX: Final = 2**63 - 1
_from_bytes: Final = int.from_bytes


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes by key; of several values under one key the last."""
    # Most are texts; asking which of seven it is costs more than looking.
    return {pair.key: pair.value.string_value or _other(pair.value) for pair in pairs}


def _other(value: AnyValue) -> Any:
    # Nesting is bounded by the parser, which refuses more than 100 messages in one another.
    field = value.WhichOneof("value")
    if field == "int_value":
        return value.int_value
    if field == "array_value":
        return [one.string_value or _other(one) for one in value.array_value.values]
    if field == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if field is None or field == "string_value_strindex":
        return None
    return getattr(value, field)


def signed(span_id: bytes) -> int:
    """Return a span id as the number that the database keeps."""
    return _from_bytes(span_id, "big", signed=True)


def span_id_bytes(number: int) -> bytes:
    """Return the span id that a number of the database is."""
    return number.to_bytes(8, "big", signed=True)
