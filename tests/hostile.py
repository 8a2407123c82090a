"""Requests that are small on the wire and large, deep or wrong when they are parsed."""

from collections.abc import Callable, Mapping

IDS = b"\x0a\x10" + b"trace id of 16 b" + b"\x12\x08" + b"span id."


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def delimited(number: int, body: bytes) -> bytes:
    """Return a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def in_span(fields: bytes) -> bytes:
    """Return a request of one span with good ids and further fields."""
    return delimited(1, delimited(2, delimited(2, IDS + fields)))


def in_value(value: bytes) -> bytes:
    """Return a request of one span with one attribute, of which the encoded AnyValue is given."""
    return in_span(delimited(9, delimited(1, b"k") + delimited(2, value)))


def nested(depth: int, kind: int = 5) -> bytes:
    """Return a request whose attribute nests so deep: 5 arrays, 6 maps."""
    value = delimited(1, b"the core")
    for _ in range(depth):
        inner = value if kind == 5 else delimited(1, b"k") + delimited(2, value)
        value = delimited(kind, delimited(1, inner))
    return in_value(value)


# By what they are made of: makers of about so many bytes.
BLOW_UPS: Mapping[str, Callable[[int], bytes]] = {
    "spans": lambda size: delimited(1, delimited(2, b"\x12\x00" * (size // 2))),
    "events": lambda size: in_span(b"\x5a\x00" * (size // 2)),
    "links": lambda size: in_span(b"\x6a\x00" * (size // 2)),
    "attributes": lambda size: in_span(b"\x4a\x00" * (size // 2)),
    "resources": lambda size: b"\x0a\x00" * (size // 2),
    "scopes": lambda size: delimited(1, b"\x12\x00" * (size // 2)),
    "array elements": lambda size: in_value(delimited(5, b"\x0a\x00" * (size // 2))),
    "map entries": lambda size: in_value(delimited(6, b"\x0a\x00" * (size // 2))),
    "attributes of events": lambda size: in_span(delimited(11, b"\x1a\x00" * 50) * (size // 102)),
}


def _in_metric(fields: bytes) -> bytes:
    return delimited(1, delimited(2, delimited(2, fields)))


METRICS_BLOW_UPS: Mapping[str, Callable[[int], bytes]] = {
    "metrics": lambda size: delimited(1, delimited(2, b"\x12\x00" * (size // 2))),
    "points": lambda size: _in_metric(delimited(5, b"\x0a\x00" * (size // 2))),
    "histograms": lambda size: _in_metric(delimited(9, b"\x0a\x00" * (size // 2))),
    "packed counts": lambda size: _in_metric(
        delimited(10, delimited(1, delimited(8, delimited(2, bytes(size)))))
    ),
}
