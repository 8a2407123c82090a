"""Writes stamps into stored OTLP requests. Pure.

Each span gets ``sidespan.lsn`` and ``sidespan.hlc``, each resource ``sidespan.lineage``,
``sidespan.boot_generation`` and ``sidespan.node_ref``. An LSN is decimal text: OTLP's integer is
signed.

    ResourceSpans ─┬─ Resource ······ + attributes
                   └─ ScopeSpans ─┬─ Span ··· + attributes
                                  └─ Span ··· + attributes

A repeated field may be continued anywhere in its message, so the stamps go behind what is there,
and only the lengths around them are written anew. ``splice`` does so in one walk over the bytes,
without a look inside a span. What it does not expect it leaves to ``rebuild``, which takes the
message apart. Both give equal messages.
Source: protobuf encoding guide, "Length-Delimited Records" and "Last One Wins".
"""

import re
from functools import lru_cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand import hlc
from sidespand.model import Header

LSN_KEY = "sidespan.lsn"
HLC_KEY = "sidespan.hlc"
LINEAGE_KEY = "sidespan.lineage"
GENERATION_KEY = "sidespan.boot_generation"
NODE_KEY = "sidespan.node_ref"
KEYS = frozenset({LSN_KEY, HLC_KEY, LINEAGE_KEY, GENERATION_KEY, NODE_KEY})

# Field numbers of opentelemetry/proto/trace/v1/trace.proto, each with wire type LEN.
_RESOURCE_SPANS = 1 << 3 | 2
_RESOURCE = 1 << 3 | 2
_SCOPE_SPANS = 2 << 3 | 2
_SCOPE = 1 << 3 | 2
_SPAN = 2 << 3 | 2
_SCHEMA_URL = 3 << 3 | 2

# Of a varint: set in every byte but the last.
_MORE = 0x80
_VARINT_BYTES_MAX = 10
_LOGICAL_DIGITS = 10
_OWN_KEY = re.compile(b"|".join(re.escape(key.encode()) for key in sorted(KEYS)))


def stamp(payload: bytes, header: Header, node_ref: str) -> bytes:
    """Return a stored ``ExportTraceServiceRequest`` with the stamps of its record in it.

    A stamp that a sender wrote itself gives way: of two attributes of one name, a reader might take
    the sender's.

    Args:
        payload: As stored; item i in document order has LSN ``first_lsn + i``.
        header: Of its record.
        node_ref: Who wrote the record.
    """
    if _OWN_KEY.search(payload) is None:
        spliced = splice(payload, header, node_ref)
        if spliced is not None:
            return spliced
    return rebuild(payload, header, node_ref)


def rebuild(payload: bytes, header: Header, node_ref: str) -> bytes:
    """Do what ``stamp`` promises by parsing, adding and serialising."""
    request = ExportTraceServiceRequest.FromString(payload)
    if _OWN_KEY.search(payload) is not None:
        _drop_own(request)
    on_resource = Resource.FromString(_resource_stamps(header, node_ref)).attributes
    index = 0
    for resource_spans in request.resource_spans:
        resource_spans.resource.attributes.extend(on_resource)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                moment = hlc.text(hlc.nth(header.stamp, index))
                span.attributes.add(key=LSN_KEY).value.string_value = str(header.first_lsn + index)
                span.attributes.add(key=HLC_KEY).value.string_value = moment
                index += 1
    return request.SerializeToString()


def splice(payload: bytes, header: Header, node_ref: str) -> bytes | None:
    """Do what ``stamp`` promises by inserting bytes; None when the shape is one for ``rebuild``."""
    spans = _SpanWalk(payload, header)
    on_resource = _resource_stamps(header, node_ref)
    parts: list[bytes] = []
    at = 0
    try:
        while at < len(payload):
            if payload[at] != _RESOURCE_SPANS:
                return None
            length, at = _length(payload, at + 1)
            inner = _resource_spans(spans, at, at + length, on_resource)
            if inner is None:
                return None
            parts += (_head(_RESOURCE_SPANS, len(inner)), inner)
            at += length
    except IndexError:
        return None
    return b"".join(parts) if at == len(payload) else None


class _SpanWalk:
    """Copies the spans of one record, each with its stamp; remembers how many have passed.

    Args:
        payload: The record's bytes.
        header: Gives the first stamp.
    """

    def __init__(self, payload: bytes, header: Header) -> None:
        self.payload = payload
        self._lsn = header.first_lsn
        self._wall_ns = header.stamp.wall_ns
        # What an item's logical part is above its LSN.
        self._ahead = header.stamp.logical - header.first_lsn

    def scope_spans(self, at: int, end: int) -> bytes | None:
        """Return the ScopeSpans at ``at`` to ``end`` with its stamps; None for an unexpected shape.

        Raises:
            IndexError: It is cut short.
        """
        payload = self.payload
        lsn, ahead = self._lsn, self._ahead
        template, stamp_bytes, valid_before = b"", 0, 0
        parts: list[bytes] = []
        while at < end:
            tag = payload[at]
            # A length of one or two bytes is nearly every span's: read here, not in a call.
            low = payload[at + 1]
            if low < _MORE:
                length, start = low, at + 2
            elif (high := payload[at + 2]) < _MORE:
                length, start = low & 0x7F | high << 7, at + 3
            else:
                length, start = _length(payload, at + 1)
            at = start + length
            if tag == _SPAN:
                if lsn >= valid_before:
                    template, stamp_bytes = _span_template(lsn, self._wall_ns)
                    valid_before = 10 ** len(str(lsn))
                size = length + stamp_bytes
                parts += (
                    _SPAN_HEADS[size] if size < _SPAN_HEADS_MAX else _head(_SPAN, size),
                    payload[start:at],
                    template % (lsn, lsn + ahead),
                )
                lsn += 1
            elif tag in (_SCOPE, _SCHEMA_URL):
                parts += (_head(tag, length), payload[start:at])
            else:
                return None
        self._lsn = lsn
        return b"".join(parts) if at == end else None


def _resource_spans(spans: _SpanWalk, at: int, end: int, on_resource: bytes) -> bytes | None:
    payload = spans.payload
    resource = b""
    parts: list[bytes] = []
    while at < end:
        tag = payload[at]
        length, start = _length(payload, at + 1)
        at = start + length
        if tag == _SCOPE_SPANS:
            inner = spans.scope_spans(start, at)
            if inner is None:
                return None
            parts += (_head(tag, len(inner)), inner)
        elif tag == _RESOURCE and not resource:
            resource = payload[start:at] + on_resource
        elif tag == _SCHEMA_URL:
            parts += (_head(tag, length), payload[start:at])
        else:
            return None
    resource = resource or on_resource
    return b"".join((_head(_RESOURCE, len(resource)), resource, *parts)) if at == end else None


def _span_template(lsn: int, wall_ns: int) -> tuple[bytes, int]:
    # Valid for every LSN with as many digits: the lengths in it stay true.
    lsn_bytes = len(str(lsn))
    moment = hlc.text(hlc.Hlc(wall_ns, 0)).encode()
    on_lsn, on_hlc = _attribute_head(LSN_KEY, lsn_bytes), _attribute_head(HLC_KEY, len(moment))
    template = b"%b%%d%b%b%%010d" % (
        on_lsn.replace(b"%", b"%%"),
        on_hlc.replace(b"%", b"%%"),
        moment[:-_LOGICAL_DIGITS],
    )
    return template, len(on_lsn) + lsn_bytes + len(on_hlc) + len(moment)


@lru_cache(maxsize=64)
def _attribute_head(key: str, value_bytes: int) -> bytes:
    value = AnyValue(string_value="0" * value_bytes)
    encoded = Span(attributes=(KeyValue(key=key, value=value),)).SerializeToString()
    # The value's own bytes come last.
    return encoded[:-value_bytes]


def _resource_stamps(header: Header, node_ref: str) -> bytes:
    return _encoded_resource(header.lineage, header.boot_generation, node_ref)


@lru_cache(maxsize=64)
def _encoded_resource(lineage: bytes, boot_generation: int, node_ref: str) -> bytes:
    stamps = (
        KeyValue(key=LINEAGE_KEY, value=AnyValue(string_value=lineage.hex())),
        KeyValue(key=GENERATION_KEY, value=AnyValue(int_value=boot_generation)),
        KeyValue(key=NODE_KEY, value=AnyValue(string_value=node_ref)),
    )
    return Resource(attributes=stamps).SerializeToString()


def _drop_own(request: ExportTraceServiceRequest) -> None:
    for resource_spans in request.resource_spans:
        holders = [resource_spans.resource.attributes]
        holders += [span.attributes for scope in resource_spans.scope_spans for span in scope.spans]
        for attributes in holders:
            for index in reversed(range(len(attributes))):
                if attributes[index].key in KEYS:
                    del attributes[index]


def _length(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, at + _VARINT_BYTES_MAX):
        byte = payload[place]
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, place + 1
        shift += 7
    raise IndexError("a varint has at most ten bytes")


def _head(tag: int, length: int) -> bytes:
    head = bytearray((tag,))
    while length >= _MORE:
        head.append(length & 0x7F | _MORE)
        length >>= 7
    head.append(length)
    return bytes(head)


_SPAN_HEADS_MAX = 4096
_SPAN_HEADS = tuple(_head(_SPAN, length) for length in range(_SPAN_HEADS_MAX))
