"""Lengths as protobuf writes them. Pure.

Source: protobuf encoding guide, "Base 128 Varints".
"""

# Set in every byte but the last.
MORE = 0x80
_BYTES_MAX = 10


def length(payload: bytes, at: int) -> tuple[int, int]:
    """Return the varint at ``at`` and where it ends.

    Raises:
        IndexError: It is cut short, or too long.
    """
    value = shift = 0
    for place in range(at, at + _BYTES_MAX):
        byte = payload[place]
        value |= (byte & 0x7F) << shift
        if byte < MORE:
            return value, place + 1
        shift += 7
    raise IndexError("a varint has at most ten bytes")


def head(tag: int, size: int) -> bytes:
    """Return what stands before a field of ``size`` bytes: its tag, of one byte, and its length."""
    found = bytearray((tag,))
    while size >= MORE:
        found.append(size & 0x7F | MORE)
        size >>= 7
    found.append(size)
    return bytes(found)
