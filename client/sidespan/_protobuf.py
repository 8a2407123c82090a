"""Protobuf's wire format, the few shapes of it that the client writes.

Source: https://protobuf.dev/programming-guides/encoding/
"""

import struct

# One byte while the top bit is clear; most lengths and many numbers are that small.
_ONE_BYTE = tuple(bytes((number,)) for number in range(128))
_pack_two_bytes = struct.Struct("BB").pack


def varint(number: int) -> bytes:
    """Return a number of 0 to 2**64 - 1 in base 128, the lowest group first."""
    if number < 128:  # noqa: PLR2004 - The top bit says that the number goes on.
        return _ONE_BYTE[number]
    if number < 16384:  # noqa: PLR2004 - Two groups of seven bits.
        return _pack_two_bytes(number & 0x7F | 0x80, number >> 7)
    out = bytearray()
    while number > 127:  # noqa: PLR2004 - As above.
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def length_delimited(tag: bytes, body: bytes) -> bytes:
    """Return a field of bytes, text or a message; ``tag`` is its encoded key."""
    return tag + varint(len(body)) + body
