"""Key codec: bytes that sort as the numbers in them. Pure."""

import struct

_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")

HEAD = b"head"
CLEAN = b"clean"
_SESSION = b"s"
_GENERATION = b"g"


def record_key(first_lsn: int) -> bytes:
    """Return the key of the record whose first item has ``first_lsn``."""
    return _U64.pack(first_lsn)


def parse_record_key(key: bytes) -> int:
    """Return the LSN in a record key."""
    return int(_U64.unpack(key)[0])


def session_key(instance_id: bytes) -> bytes:
    """Return the key of a client instance's row."""
    return _SESSION + instance_id


def generation_key(boot_generation: int) -> bytes:
    """Return the key of a generation's identity row."""
    return _GENERATION + _U32.pack(boot_generation)


def is_session_key(key: bytes) -> bool:
    """Tell whether ``key`` is one that ``session_key`` made."""
    return key.startswith(_SESSION)


def parse_generation_key(key: bytes) -> int | None:
    """Return the generation in a key that ``generation_key`` made; None for another key."""
    if not key.startswith(_GENERATION) or len(key) != 1 + _U32.size:
        return None
    return int(_U32.unpack_from(key, 1)[0])
