"""Any Python value as an OTLP ``AnyValue``, whatever the value does while it is looked at.

Text, numbers, bytes, mappings and sequences keep their type. Anything else is its ``repr``. What is
too large, too deep or raises becomes a text in angle brackets that says so, and the rest of the
value is kept.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from sidespan._limits import (
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    VALUE_DEPTH_MAX,
    VALUE_ITEMS_MAX,
)
from sidespan._protobuf import length_delimited, varint

_STRING, _BOOL, _INT, _DOUBLE = b"\x0a", b"\x10", b"\x18", b"\x21"
_ARRAY, _KVLIST, _BYTES = b"\x2a", b"\x32", b"\x3a"
# The field of ArrayValue, KeyValueList and KeyValue that holds the (first) member.
_MEMBER, _SECOND = b"\x0a", b"\x12"

_INT64_MIN, _INT64_MAX, _UINT64_MASK = -(2**63), 2**63 - 1, 2**64 - 1
# Beyond this Python refuses to write an integer in decimal.
_INT_BITS_MAX = 4096

_T = TypeVar("_T")

_pack_double = struct.Struct("<d").pack


def any_value(value: object) -> bytes:
    """Return ``value`` as an encoded AnyValue of about VALUE_BYTES_MAX; raises no Exception."""
    return _Budget().encode(value, VALUE_DEPTH_MAX)


def text_bytes(text: str, bytes_max: int) -> bytes:
    """Return ``text`` in UTF-8; over ``bytes_max`` its beginning and a note of its length.

    A lone surrogate, which UTF-8 cannot hold, becomes a question mark.
    """
    data = text[:bytes_max].encode("utf-8", "replace")
    if len(text) <= bytes_max and len(data) <= bytes_max:
        return data
    note = f"…<cut: {len(text)} characters>".encode()
    kept = data[: max(0, bytes_max - len(note))].decode("utf-8", "ignore")
    return kept.encode() + note


def key_bytes(key: object) -> bytes:
    """Return an attribute's key, or a name, in UTF-8, at most KEY_BYTES_MAX long."""
    return text_bytes(key if type(key) is str else safe_text(key), KEY_BYTES_MAX)


def safe_text(value: object) -> str:
    """Return ``value`` when it is a text, else its ``repr``; raises no Exception."""
    try:
        return str.__str__(value) if isinstance(value, str) else repr(value)
    except Exception as error:
        return _failed(value, error)


def _failed(value: object, error: Exception) -> str:
    return f"<{type(value).__name__}: {type(error).__name__}>"


class _Budget:
    """How much of one value may still be written, all nesting together."""

    __slots__ = ("bytes_left", "items_left")

    def __init__(self) -> None:
        self.bytes_left = VALUE_BYTES_MAX
        self.items_left = VALUE_ITEMS_MAX

    def encode(self, value: object, depth: int) -> bytes:
        try:
            return self._typed(value, depth)
        except Exception as error:
            return self._text(_failed(value, error))

    def _typed(self, value: object, depth: int) -> bytes:
        if value is None:
            encoded = b""
        elif value is True or value is False:
            encoded = _BOOL + (b"\x01" if value else b"\x00")
        elif isinstance(value, str):
            encoded = self._text(str.__str__(value))
        elif isinstance(value, int):
            encoded = self._integer(int.__index__(value))
        elif isinstance(value, float):
            encoded = _DOUBLE + _pack_double(float.__float__(value))
        elif isinstance(value, bytes | bytearray | memoryview):
            encoded = self._bytes(memoryview(value))
        elif isinstance(value, Mapping):
            encoded = self._mapping(value, depth)
        elif isinstance(value, Sequence | AbstractSet):
            encoded = self._sequence(value, len(value), depth)
        else:
            encoded = self._text(safe_text(value))
        return encoded

    def _text(self, text: str) -> bytes:
        data = text_bytes(text, max(0, self.bytes_left))
        self.bytes_left -= len(data)
        return length_delimited(_STRING, data)

    def _integer(self, number: int) -> bytes:
        if _INT64_MIN <= number <= _INT64_MAX:
            return _INT + varint(number & _UINT64_MASK)
        bits = number.bit_length()
        return self._text(str(number) if bits <= _INT_BITS_MAX else f"<int of {bits} bits>")

    def _bytes(self, view: memoryview) -> bytes:
        if view.nbytes > self.bytes_left:
            return self._text(f"<{view.nbytes} bytes>")
        self.bytes_left -= view.nbytes
        return length_delimited(_BYTES, view.tobytes())

    def _mapping(self, value: Mapping[object, object], depth: int) -> bytes:
        if depth == 0:
            return self._text(f"<{type(value).__name__} of {len(value)}>")
        out = []
        for key, member in self._affordable(value.items()):
            name = key_bytes(key)
            self.bytes_left -= len(name)
            pair = length_delimited(_MEMBER, name) + length_delimited(
                _SECOND, self.encode(member, depth - 1)
            )
            out.append(length_delimited(_MEMBER, pair))
        if len(out) < len(value):
            pair = length_delimited(_MEMBER, "…".encode()) + length_delimited(
                _SECOND, self._text(f"<{len(value) - len(out)} more>")
            )
            out.append(length_delimited(_MEMBER, pair))
        return length_delimited(_KVLIST, b"".join(out))

    def _sequence(self, value: Iterable[object], count: int, depth: int) -> bytes:
        if depth == 0:
            return self._text(f"<{type(value).__name__} of {count}>")
        out = [
            length_delimited(_MEMBER, self.encode(member, depth - 1))
            for member in self._affordable(value)
        ]
        if len(out) < count:
            out.append(length_delimited(_MEMBER, self._text(f"<{count - len(out)} more>")))
        return length_delimited(_ARRAY, b"".join(out))

    def _affordable(self, members: Iterable[_T]) -> Iterator[_T]:
        for member in members:
            if self.items_left <= 0 or self.bytes_left <= 0:
                return
            self.items_left -= 1
            yield member
