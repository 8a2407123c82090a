"""Encoded OTLP spans as OTLP/JSON, without protobuf's runtime.

Source: OTLP specification, "JSON Protobuf Encoding": lowerCamelCase names, ids in hex, 64-bit
integers as text, enums as numbers, bytes in base64.
"""

import base64
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from sidespan import _wire


class _Field(NamedTuple):
    """One field of a message: its name in JSON, how it is read, and whether there are several."""

    name: str
    read: Callable[[Any], Any]
    repeated: bool = False


_Message = dict[int, _Field]


def request_to_json(request: bytes) -> dict[str, Any]:
    """Return an encoded ExportTraceServiceRequest as the object that OTLP/JSON has for it.

    Args:
        request: Any. Fields that are not in the tables here are left out.

    Raises:
        ValueError: ``request`` is not a message.
    """
    return _message(request, _REQUEST)


def _message(body: bytes, fields: _Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for number, raw in _wire.fields(body):
        field = fields.get(number)
        if field is None:
            continue
        if field.repeated:
            out.setdefault(field.name, []).append(field.read(raw))
        else:
            out[field.name] = field.read(raw)
    return out


def _of(fields: _Message) -> Callable[[bytes], dict[str, Any]]:
    return lambda body: _message(body, fields)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _double(raw: int) -> float | str:
    (number,) = struct.unpack("<d", raw.to_bytes(8, "little"))
    if number != number:  # noqa: PLR0124 - Only NaN differs from itself.
        return "NaN"
    return number if abs(number) != float("inf") else ("Infinity" if number > 0 else "-Infinity")


def _int64(raw: int) -> str:
    return str(raw - 2**64 if raw >= 2**63 else raw)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


_ANY_VALUE: _Message = {}
_KEY_VALUE: _Message = {1: _Field("key", _text), 2: _Field("value", _of(_ANY_VALUE))}
_ATTRIBUTES = _Field("attributes", _of(_KEY_VALUE), repeated=True)
_ANY_VALUE |= {
    1: _Field("stringValue", _text),
    2: _Field("boolValue", bool),
    3: _Field("intValue", _int64),
    4: _Field("doubleValue", _double),
    5: _Field("arrayValue", _of({1: _Field("values", _of(_ANY_VALUE), repeated=True)})),
    6: _Field("kvlistValue", _of({1: _Field("values", _of(_KEY_VALUE), repeated=True)})),
    7: _Field("bytesValue", _base64),
}
_EVENT: _Message = {
    1: _Field("timeUnixNano", str),
    2: _Field("name", _text),
    3: _ATTRIBUTES,
    4: _Field("droppedAttributesCount", int),
}
_LINK: _Message = {
    1: _Field("traceId", bytes.hex),
    2: _Field("spanId", bytes.hex),
    3: _Field("traceState", _text),
    4: _ATTRIBUTES,
    6: _Field("flags", int),
}
_SPAN: _Message = {
    1: _Field("traceId", bytes.hex),
    2: _Field("spanId", bytes.hex),
    3: _Field("traceState", _text),
    4: _Field("parentSpanId", bytes.hex),
    5: _Field("name", _text),
    6: _Field("kind", int),
    7: _Field("startTimeUnixNano", str),
    8: _Field("endTimeUnixNano", str),
    9: _ATTRIBUTES,
    10: _Field("droppedAttributesCount", int),
    11: _Field("events", _of(_EVENT), repeated=True),
    12: _Field("droppedEventsCount", int),
    13: _Field("links", _of(_LINK), repeated=True),
    14: _Field("droppedLinksCount", int),
    15: _Field("status", _of({2: _Field("message", _text), 3: _Field("code", int)})),
    16: _Field("flags", int),
}
_SCOPE: _Message = {1: _Field("name", _text), 2: _Field("version", _text)}
_SCOPE_SPANS: _Message = {
    1: _Field("scope", _of(_SCOPE)),
    2: _Field("spans", _of(_SPAN), repeated=True),
}
_RESOURCE_SPANS: _Message = {
    1: _Field("resource", _of({1: _ATTRIBUTES})),
    2: _Field("scopeSpans", _of(_SCOPE_SPANS), repeated=True),
}
_REQUEST: _Message = {1: _Field("resourceSpans", _of(_RESOURCE_SPANS), repeated=True)}
