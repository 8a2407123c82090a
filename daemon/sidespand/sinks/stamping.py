"""Writes stamps into stored OTLP requests. Pure.

Each span and log record gets ``sidespan.lsn`` and ``sidespan.hlc``, each resource
``sidespan.lineage``, ``sidespan.boot_generation`` and ``sidespan.node_ref``. The first item behind
something that the sink does not get has ``sidespan.prev_lsn``: the LSN of the item that it got
before, or 0. Metrics are stamped on the resource alone. An LSN is decimal text: OTLP's integer is
signed.

    ResourceSpans ─┬─ Resource ······ + attributes          ResourceLogs: the same numbers,
                   └─ ScopeSpans ─┬─ Span ··· + attributes   but for a log record's attributes
                                  └─ Span ··· + attributes

A repeated field may be continued anywhere in its message, so the stamps go behind what is there,
and only the lengths around them are written anew. ``splice`` does so in one walk over the bytes,
without a look inside a span. What it does not expect it leaves to ``rebuild``, which takes the
message apart. Both give equal messages.
Source: protobuf encoding guide, "Length-Delimited Records" and "Last One Wins".
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand import hlc, platform
from sidespand.model import Header, Kind
from sidespand.sinks import otlp_walk, resources
from sidespand.sinks.varint import MORE as _MORE
from sidespand.sinks.varint import head as _head
from sidespand.sinks.varint import length as _length

LSN_KEY = "sidespan.lsn"
HLC_KEY = "sidespan.hlc"
PREV_KEY = "sidespan.prev_lsn"
LINEAGE_KEY = "sidespan.lineage"
GENERATION_KEY = "sidespan.boot_generation"
NODE_KEY = "sidespan.node_ref"
KEYS = frozenset({LSN_KEY, HLC_KEY, PREV_KEY, LINEAGE_KEY, GENERATION_KEY, NODE_KEY})

# Field numbers of opentelemetry/proto/trace/v1/trace.proto, each with wire type LEN; logs.proto has
# the same down to the log record.
_RESOURCE_SPANS = 1 << 3 | 2
_RESOURCE = 1 << 3 | 2
_SCOPE_SPANS = 2 << 3 | 2
_SCOPE = 1 << 3 | 2
_SPAN = 2 << 3 | 2
_SCHEMA_URL = 3 << 3 | 2

_LOW_DIGITS = 3
_THOUSAND = 10**_LOW_DIGITS
_LOWS = tuple(b"%03d" % number for number in range(_THOUSAND))
_OWN_KEYS = tuple(key.encode() for key in sorted(KEYS))
# One look is enough where none is.
_OWN_PREFIX = b"sidespan."


def stamp(payload: bytes, header: Header, node_ref: str, prev_lsn: int | None = None) -> bytes:
    """Return a stored request with the stamps of its record in it.

    A stamp that a sender wrote itself gives way: of two attributes of one name, a reader might take
    the sender's.

    Args:
        payload: As stored, of any signal; item i in document order has LSN ``first_lsn + i``.
        header: Of its record.
        node_ref: Who wrote the record.
        prev_lsn: What the first item follows; None for the item just before it.
    """
    if header.kind is Kind.METRICS:
        return stamp_resources(payload, header, node_ref)
    if not _has_own_key(payload):
        spliced = splice(payload, header, node_ref, prev_lsn)
        if spliced is not None:
            return spliced
    return rebuild(payload, header, node_ref, prev_lsn)


def stamp_resources(payload: bytes, header: Header, node_ref: str) -> bytes:
    """Return a stored request, of any signal, with stamps on its resources alone."""
    encoded = _resource_stamps(header, node_ref)
    if not _has_own_key(payload):
        appended = resources.append(payload, encoded)
        if appended is not None:
            return appended
    pairs = Resource.FromString(encoded).attributes
    return resources.rebuild(header.kind, payload, pairs, KEYS)


def rebuild(payload: bytes, header: Header, node_ref: str, prev_lsn: int | None = None) -> bytes:
    """Do what ``stamp`` promises of spans and logs by parsing, adding and serialising."""
    on_resource = _resource_stamps(header, node_ref)
    pairs = Resource.FromString(on_resource).attributes
    request = otlp_walk.parse(header.kind, payload)
    own = _has_own_key(payload)
    for group in otlp_walk.resources(header.kind, request):
        if own:
            resources.drop(group.resource.attributes, KEYS)
        group.resource.attributes.extend(pairs)
    for index, (_, item) in enumerate(otlp_walk.each(header.kind, request)):
        if own:
            resources.drop(item.attributes, KEYS)
        moment = hlc.text(hlc.nth(header.stamp, index))
        item.attributes.add(key=LSN_KEY).value.string_value = str(header.first_lsn + index)
        item.attributes.add(key=HLC_KEY).value.string_value = moment
        if index == 0 and prev_lsn is not None:
            item.attributes.add(key=PREV_KEY).value.string_value = str(prev_lsn)
    return request.SerializeToString()  # type: ignore[no-any-return]


def splice(
    payload: bytes, header: Header, node_ref: str, prev_lsn: int | None = None
) -> bytes | None:
    """Do what ``stamp`` promises of spans and logs by inserting bytes.

    Returns:
        None when the shape is one for ``rebuild``.
    """
    spans = _SpanWalk(payload, header, prev_lsn)
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
            parts.append(_head(_RESOURCE_SPANS, sum(map(len, inner))))
            parts += inner
            at += length
    except IndexError:
        return None
    return b"".join(parts) if at == len(payload) else None


class _Run(NamedTuple):
    """The stamps of items that follow one another; each is before + low + between + lower.

    Args:
        before: All of the LSN but its last digits.
        between: All of the HLC but its last digits.
        digits: Of each item, the last ones of both.
        stamp_bytes: The length of each stamp.
    """

    before: bytes
    between: bytes
    digits: Iterable[tuple[bytes, bytes]]
    stamp_bytes: int


class _SpanWalk:
    """Copies the spans of one record, each with its stamp; remembers how many have passed.

    Args:
        payload: The record's bytes.
        header: Gives the first stamp.
        prev_lsn: What the first item follows; None for the item just before it.
    """

    def __init__(self, payload: bytes, header: Header, prev_lsn: int | None) -> None:
        self.payload = payload
        self._on_log = header.kind is Kind.LOGS
        self._first_lsn = header.first_lsn
        self._prev_lsn = prev_lsn
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
        parts: list[bytes] = []
        while at < end:
            tag = payload[at]
            if tag == _SPAN:
                at = self._spans(at, end, parts)
            elif tag in (_SCOPE, _SCHEMA_URL):
                length, start = _length(payload, at + 1)
                at = start + length
                parts += (_head(tag, length), payload[start:at])
            else:
                return None
        return b"".join(parts) if at == end else None

    def _spans(self, at: int, end: int, parts: list[bytes]) -> int:
        # Spans as long as one run of stamps lasts; returns where the next field is.
        payload = self.payload
        before, between, digits, stamp_bytes = self._run()
        had = len(parts)
        for low, lower in digits:
            # A length of one or two bytes is nearly every span's: read here, not in a call.
            length = payload[at + 1]
            if length < _MORE:
                start = at + 2
            elif (high := payload[at + 2]) < _MORE:
                length += (high << 7) - _MORE
                start = at + 3
            else:
                length, start = _length(payload, at + 1)
            at = start + length
            size = length + stamp_bytes
            parts += (
                _SPAN_HEADS[size] if size < _SPAN_HEADS_MAX else _head(_SPAN, size),
                payload[start:at],
                before,
                low,
                between,
                lower,
            )
            if at >= end or payload[at] != _SPAN:
                break
        self._lsn += (len(parts) - had) // 6
        return at

    def _run(self) -> _Run:
        lsn = self._lsn
        logical = lsn + self._ahead
        moment = hlc.text(hlc.Hlc(self._wall_ns, logical)).encode()
        digits: Iterable[tuple[bytes, bytes]]
        if lsn < _THOUSAND or (lsn == self._first_lsn and self._prev_lsn is not None):
            # Their lengths are their own.
            number = str(lsn).encode()
            last = moment[-_LOW_DIGITS:] + self._link(lsn)
            digits = ((number, last),)
            head, digit_bytes = b"", len(number)
        else:
            high, low = divmod(lsn, _THOUSAND)
            head, digit_bytes = str(high).encode(), _LOW_DIGITS
            last = moment[-_LOW_DIGITS:]
            digits = zip(_LOWS[low:], _LOWS[logical % _THOUSAND :], strict=False)
        before = _attribute_head(LSN_KEY, len(head) + digit_bytes, on_log=self._on_log) + head
        between = _attribute_head(HLC_KEY, len(moment), on_log=self._on_log) + moment[:-_LOW_DIGITS]
        return _Run(before, between, digits, len(before) + digit_bytes + len(between) + len(last))

    def _link(self, lsn: int) -> bytes:
        if lsn != self._first_lsn or self._prev_lsn is None:
            return b""
        value = str(self._prev_lsn).encode()
        return _attribute_head(PREV_KEY, len(value), on_log=self._on_log) + value


def _resource_spans(spans: _SpanWalk, at: int, end: int, on_resource: bytes) -> list[bytes] | None:
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
    return [_head(_RESOURCE, len(resource)), resource, *parts] if at == end else None


@lru_cache(maxsize=64)
def _attribute_head(key: str, value_bytes: int, *, on_log: bool) -> bytes:
    value = AnyValue(string_value="0" * value_bytes)
    holder = LogRecord if on_log else Span
    encoded = holder(attributes=(KeyValue(key=key, value=value),)).SerializeToString()
    # The value's own bytes come last.
    return encoded[:-value_bytes]


def _has_own_key(payload: bytes) -> bool:
    return platform.contains(payload, _OWN_PREFIX) and any(
        platform.contains(payload, key) for key in _OWN_KEYS
    )


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


_SPAN_HEADS_MAX = 4096
_SPAN_HEADS = tuple(_head(_SPAN, length) for length in range(_SPAN_HEADS_MAX))
