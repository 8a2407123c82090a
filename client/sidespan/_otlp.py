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
LINK_ATTRIBUTE = tuple(bytes((0x22, n)) for n in range(128))
RESOURCE_ATTRIBUTE = tuple(bytes((0x0A, n)) for n in range(128))
_EVENT = tuple(bytes((0x5A, n)) for n in range(128))
_SPAN_STATUS = b"\x7a"

_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_STATUS_ERROR = b"\x18\x02"

_pack_kind_and_times = struct.Struct("<BBBQBQ").pack
# Every value of Span.flags that is written, as a field: the W3C flags' byte and two bits of ours.
_FLAGS = tuple(struct.pack("<2sI", b"\x85\x01", flags) for flags in range(0x400))
# The length of the AnyValue, the tag of int_value, a varint of two bytes.
_pack_two_byte_int = struct.Struct("4B").pack
# The time, and the tag of the name.
_pack_event_time = struct.Struct("<BQB").pack
# The length of the AnyValue, the tag of double_value, the number.
_pack_double = struct.Struct("<2sd").pack

_ONE_BYTE_MAX, _TWO_BYTES_MAX = 128, 16384
# Models, names, states: a program says the same few short texts again and again.
_KEPT_TEXT_MAX = 48
_texts: dict[str, bytes] = {}
# The length of the AnyValue, the tag of int_value, the number.
_SMALL_INT = tuple(bytes((2, 0x18, n)) for n in range(_ONE_BYTE_MAX))
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
    if kind is str and len(value) < _KEPT_TEXT_MAX:
        body = head + (_texts.get(value) or _text(value))
    elif kind is int and 0 <= value < _ONE_BYTE_MAX:
        body = head + _SMALL_INT[value]
    elif kind is int and 0 <= value < _TWO_BYTES_MAX:
        body = head + _pack_two_byte_int(3, 0x18, value & 0x7F | 0x80, value >> 7)
    elif kind is float:
        body = head + _pack_double(b"\x09\x21", value)
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
    body = _pack_event_time(0x09, time_ns, 0x12) + (_names.get(name) or _name(name))
    if len(attributes) == 1:
        # Most events have one, and a list to join costs as much as it does.
        for key, value in attributes.items():
            body += attribute(EVENT_ATTRIBUTE, key, value)
    elif attributes:
        fields = [attribute(EVENT_ATTRIBUTE, key, value) for key, value in attributes.items()]
        body += b"".join(fields)
    if dropped > 0:
        body += b"\x20" + varint(dropped)
    size = len(body)
    return (_EVENT[size] if size < _ONE_BYTE_MAX else b"\x5a" + varint(size)) + body


def dropped_counts(attributes: int, events: int) -> bytes:
    """Return how many attributes and events a span had beside those in it, as fields of it."""
    return b"\x50" + varint(attributes) + b"\x60" + varint(events)


def link(context: SpanContext, attributes: Mapping[str, object]) -> bytes:
    """Return a link to another span as a field of its own."""
    trace_id, span_id, flags, trace_state, is_remote = context
    body = b"\x0a\x10" + trace_id + b"\x12\x08" + span_id
    if trace_state:
        body += length_delimited(b"\x1a", trace_state.encode())
    body += b"".join(attribute(LINK_ATTRIBUTE, key, value) for key, value in attributes.items())
    flags = flags & 0xFF | _HAS_IS_REMOTE | (_IS_REMOTE if is_remote else 0)
    return length_delimited(b"\x6a", body + struct.pack("<BI", 0x35, flags))


def dropped_links(count: int) -> bytes:
    """Return how many links a span had beside those in it, as a field of it."""
    return b"\x70" + varint(count) if count else b""


def error_status(message: str) -> bytes:
    """Return the status ERROR as a field of its span."""
    text = text_bytes(message, NAME_BYTES_MAX)
    return length_delimited(_SPAN_STATUS, length_delimited(b"\x12", text) + _STATUS_ERROR)


def span(  # noqa: PLR0917 - Keywords would cost the caller a tenth of it.
    context: SpanContext,
    parent: SpanContext | None,
    name: str,
    kind: int,
    start_ns: int,
    end_ns: int,
    attributes: Iterable[bytes],
    events: Iterable[bytes],
    rest: bytes,
) -> bytes:
    """Return an encoded Span.

    Args:
        context: Its own identity; the trace state in it is written.
        parent: None for a root.
        name: Cut at NAME_BYTES_MAX.
        kind: A number of ``SpanKind``.
        start_ns: Since the Unix epoch.
        end_ns: Since the Unix epoch; 0 for one that has not ended.
        attributes: As ``attribute`` returns them.
        events: As ``event`` returns them.
        rest: Links, the counts of what was dropped and the status, as the functions here return
            them.
    """
    trace_id, span_id, flags, trace_state, _ = context
    flags = flags & 0xFF | _HAS_IS_REMOTE
    origin = b""
    if trace_state:
        origin = length_delimited(b"\x1a", trace_state.encode())
    if parent is not None:
        origin += b"\x22\x08" + parent.span_id_bytes
        if parent.is_remote:
            flags |= _IS_REMOTE
    return b"".join(
        [
            b"\x0a\x10",
            trace_id,
            b"\x12\x08",
            span_id,
            origin,
            b"\x2a",
            _names.get(name) or _name(name),
            _pack_kind_and_times(0x30, kind, 0x39, start_ns, 0x41, end_ns),
            *attributes,
            *events,
            rest,
            _FLAGS[flags],
        ]
    )


def resource(attributes: Mapping[str, object]) -> bytes:
    """Return an encoded Resource."""
    return b"".join(attribute(RESOURCE_ATTRIBUTE, key, value) for key, value in attributes.items())


def scope(name: str, version: str) -> bytes:
    """Return an encoded InstrumentationScope."""
    return length_delimited(b"\x0a", name.encode()) + length_delimited(b"\x12", version.encode())


def export_request(resource: bytes, scope: bytes, spans: Iterable[bytes]) -> bytes:
    """Return an encoded ExportTraceServiceRequest of one resource.

    Args:
        resource: As ``resource`` returns it.
        scope: As ``scope`` returns it, of the spans that have no attribute ``scope`` of their own.
        spans: As ``span`` returns them; those of one scope stay in order.
    """
    scopes: dict[bytes, list[bytes]] = {}
    for span in spans:
        fields = scopes.setdefault(getattr(span, "scope", scope), [])
        fields.append(length_delimited(b"\x12", span))
    resource_spans = length_delimited(b"\x0a", resource)
    for own, fields in (scopes or {scope: []}).items():
        scope_spans = length_delimited(b"\x0a", own) + b"".join(fields)
        resource_spans += length_delimited(b"\x12", scope_spans)
    return length_delimited(b"\x0a", resource_spans)


def _key(key: str) -> bytes:
    """Return the key of a KeyValue with the tag of its value, remembered."""
    return _remember(_keys, key, length_delimited(b"\x0a", key_bytes(key)) + b"\x12")


def _text(text: str) -> bytes:
    """Return a text as an AnyValue after its length, remembered."""
    encoded = any_value(text)
    return _remember(_texts, text, varint(len(encoded)) + encoded)


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
