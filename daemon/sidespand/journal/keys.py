"""Key codec: bytes that sort as the numbers in them. Pure."""

import struct

from sidespand.limits import INSTANCE_ID_BYTES, SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.model import SpanKey

_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")
_OPEN_SPAN_KEY = struct.Struct(f"{INSTANCE_ID_BYTES}s{TRACE_ID_BYTES}s{SPAN_ID_BYTES}s")
_OPEN_SPAN_KEY_BYTES = 1 + _OPEN_SPAN_KEY.size

HEAD = b"head"
# The head as it was before the segment: its tree, once the segments before are gone.
BASE = b"base"
CLEAN = b"clean"
# The segment was put together from what was left of a damaged one. No key of the state is as long
# as a record's: pages that nothing leads to are told apart by their keys.
SALVAGED = b"salvage"
_SESSION = b"s"
_GENERATION = b"g"
_OPEN_SPAN = b"o"


def record_key(first_lsn: int) -> bytes:
    """Return the key of the record whose first item has ``first_lsn``."""
    return _U64.pack(first_lsn)


def parse_record_key(key: bytes) -> int:
    """Return the LSN in a record key."""
    return int(_U64.unpack(key)[0])


def session_key(instance_id: bytes) -> bytes:
    """Return the key of a client instance's row."""
    return _SESSION + instance_id


def open_span_key(instance_id: bytes, key: SpanKey) -> bytes:
    """Return the key of an open span's row."""
    return _OPEN_SPAN + instance_id + key.trace_id + key.span_id


def generation_key(boot_generation: int) -> bytes:
    """Return the key of a generation's identity row."""
    return _GENERATION + _U32.pack(boot_generation)


def is_session_key(key: bytes) -> bool:
    """Tell whether ``key`` is one that ``session_key`` made."""
    return key.startswith(_SESSION) and len(key) == len(_SESSION) + INSTANCE_ID_BYTES


def parse_open_span_key(key: bytes) -> tuple[bytes, SpanKey] | None:
    """Return instance and span of a key that ``open_span_key`` made; None for another key."""
    if not key.startswith(_OPEN_SPAN) or len(key) != _OPEN_SPAN_KEY_BYTES:
        return None
    instance_id, trace_id, span_id = _OPEN_SPAN_KEY.unpack_from(key, 1)
    return instance_id, SpanKey(trace_id, span_id)


def outlives(key: bytes) -> bool:
    """Tell whether a state row holds in the store's next lineage as it is."""
    named = key in (HEAD, BASE, CLEAN, SALVAGED)
    return not named and not is_session_key(key) and parse_generation_key(key) is None


def parse_generation_key(key: bytes) -> int | None:
    """Return the generation in a key that ``generation_key`` made; None for another key."""
    if not key.startswith(_GENERATION) or len(key) != 1 + _U32.size:
        return None
    return int(_U32.unpack_from(key, 1)[0])
