"""OTLP spans as protobuf, written by hand: a quarter of what message objects cost the caller.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto. Fields are written in ascending
order, as the protobuf runtimes write them; only the counts of what was dropped come later.
"""

import struct
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from sidespan._context import SpanContext
from sidespan._limits import (
    CACHED_TEXTS_MAX,
    EVENT_ATTRIBUTES_MAX,
    NAME_BYTES_MAX,
)
from sidespan._protobuf import length_delimited, varint
from sidespan._values import any_value, key_bytes, text_bytes

# Encoded tags: (field number << 3) | wire type. Those of attributes come with each length of one
# byte.
SPAN_ATTRIBUTE = tuple(bytes((0x4A, n)) for n in range(128))
EVENT_ATTRIBUTE = tuple(bytes((0x1A, n)) for n in range(128))
RESOURCE_ATTRIBUTE = tuple(bytes((0x0A, n)) for n in range(128))
_SPAN_STATUS = b"\x7a"

_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_STATUS_ERROR = b"\x18\x02"

_pack_kind_and_times = struct.Struct("<BBBQBQ").pack
_pack_flags = struct.Struct("<2sI").pack
# The time, and the tag of the name.
_pack_event_time = struct.Struct("<BQB").pack
_pack_double = struct.Struct("<d").pack

_ONE_BYTE_MAX = 128
_INT64_MAX = 2**63 - 1
# What comes before n bytes of text: the length of the AnyValue, the tag of string_value, n.
_SHORT_TEXT_MAX = 126
_SHORT_TEXT = tuple(bytes((n + 2, 0x0A, n)) for n in range(_SHORT_TEXT_MAX))
# The length of the AnyValue, the tag of int_value, the number.
_SMALL_INT = tuple(bytes((2, 0x18, n)) for n in range(_ONE_BYTE_MAX))
# What comes before a varint of n bytes: the length of the AnyValue, the tag of int_value.
_SHORT_INT = tuple(bytes((n + 1, 0x18)) for n in range(11))
_keys: dict[str, bytes] = {}
_names: dict[str, bytes] = {}


def attribute(field: tuple[bytes, ...], key: str, value: Any) -> bytes:
    """Return one KeyValue as a field. Raises no Exception, whatever ``value`` does.

    Args:
        field: SPAN_ATTRIBUTE, EVENT_ATTRIBUTE or RESOURCE_ATTRIBUTE.
        key: Cut at KEY_BYTES_MAX.
        value: Looked at now; later changes of it are not seen.
    """
    head = _keys.get(key) or _key(key)
    kind = type(value)
    body: bytes
    # The short cuts write what any_value would; most attributes take one of them.
    if kind is str and value.isascii() and len(value) < _SHORT_TEXT_MAX:
        body = head + _SHORT_TEXT[len(value)] + value.encode()
    elif kind is int and 0 <= value < _ONE_BYTE_MAX:
        body = head + _SMALL_INT[value]
    elif kind is int and 0 <= value <= _INT64_MAX:
        encoded = varint(value)
        body = head + _SHORT_INT[len(encoded)] + encoded
    elif kind is float:
        body = head + b"\x09\x21" + _pack_double(value)
    else:
        encoded = any_value(value)
        body = head + varint(len(encoded)) + encoded
    size = len(body)
    return field[size] + body if size < _ONE_BYTE_MAX else field[0][:1] + varint(size) + body


def event(name: str, time_ns: int, attributes: Mapping[str, object]) -> bytes:
    """Return one event as a field of its span.

    Args:
        name: Cut at NAME_BYTES_MAX.
        time_ns: Since the Unix epoch.
        attributes: The first EVENT_ATTRIBUTES_MAX are kept, the others counted.
    """
    dropped = len(attributes) - EVENT_ATTRIBUTES_MAX
    if dropped > 0:
        attributes = dict(islice(attributes.items(), EVENT_ATTRIBUTES_MAX))
    parts = [_pack_event_time(0x09, time_ns, 0x12), _names.get(name) or _name(name)]
    for key, value in attributes.items():
        parts.append(attribute(EVENT_ATTRIBUTE, key, value))
    if dropped > 0:
        parts.append(b"\x20" + varint(dropped))
    body = b"".join(parts)
    return b"\x5a" + varint(len(body)) + body


def dropped_counts(attributes: int, events: int) -> bytes:
    """Return how many attributes and events a span had beside those in it, as fields of it."""
    return b"\x50" + varint(attributes) + b"\x60" + varint(events)


def error_status(message: str) -> bytes:
    """Return the status ERROR as a field of its span."""
    text = text_bytes(message, NAME_BYTES_MAX)
    return length_delimited(_SPAN_STATUS, length_delimited(b"\x12", text) + _STATUS_ERROR)


def span(
    context: SpanContext,
    parent: SpanContext | None,
    name: str,
    *,
    kind: int,
    start_ns: int,
    end_ns: int,
    fields: Iterable[bytes],
) -> bytes:
    """Return an encoded Span.

    Args:
        context: Its own identity; the trace state in it is written.
        parent: None for a root.
        name: Cut at NAME_BYTES_MAX.
        kind: A number of ``SpanKind``.
        start_ns: Since the Unix epoch.
        end_ns: Since the Unix epoch.
        fields: Attributes, events, the counts of what was dropped and the status, as the functions
            here return them.
    """
    trace_id, span_id, flags, trace_state, _ = context
    flags |= _HAS_IS_REMOTE
    parts = [b"\x0a\x10", trace_id, b"\x12\x08", span_id]
    if trace_state:
        parts.append(length_delimited(b"\x1a", trace_state.encode()))
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id_bytes)
        if parent.is_remote:
            flags |= _IS_REMOTE
    parts += (
        b"\x2a",
        _names.get(name) or _name(name),
        _pack_kind_and_times(0x30, kind, 0x39, start_ns, 0x41, end_ns),
    )
    parts += fields
    parts.append(_pack_flags(b"\x85\x01", flags))
    return b"".join(parts)


def resource(attributes: Mapping[str, object]) -> bytes:
    """Return an encoded Resource."""
    return b"".join(attribute(RESOURCE_ATTRIBUTE, key, value) for key, value in attributes.items())


def scope(name: str, version: str) -> bytes:
    """Return an encoded InstrumentationScope."""
    return length_delimited(b"\x0a", name.encode()) + length_delimited(b"\x12", version.encode())


def export_request(resource: bytes, scope: bytes, spans: Iterable[bytes]) -> bytes:
    """Return an encoded ExportTraceServiceRequest of one resource and one scope."""
    scope_spans = length_delimited(b"\x0a", scope) + b"".join(
        length_delimited(b"\x12", span) for span in spans
    )
    resource_spans = length_delimited(b"\x0a", resource) + length_delimited(b"\x12", scope_spans)
    return length_delimited(b"\x0a", resource_spans)


def _key(key: str) -> bytes:
    """Return the key of a KeyValue with the tag of its value, remembered."""
    return _remember(_keys, key, length_delimited(b"\x0a", key_bytes(key)) + b"\x12")


def _name(name: str) -> bytes:
    """Return a span's or an event's name after its length, remembered."""
    data = text_bytes(name, NAME_BYTES_MAX)
    return _remember(_names, name, varint(len(data)) + data)


def _remember(cache: dict[str, bytes], text: str, encoded: bytes) -> bytes:
    if len(cache) >= CACHED_TEXTS_MAX:
        cache.clear()
    if len(text) <= NAME_BYTES_MAX:
        cache[text] = encoded
    return encoded
