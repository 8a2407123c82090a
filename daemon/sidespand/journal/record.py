"""Record codec, format 1. Pure; every number is big-endian.

    ┌───────────────┬────────────┬─────────┬──────────────────────────────┐
    │ header 144 B  │ edges 52 n │ crc32c  │ salt 16 B │ crc32c │ payload │
    └───────────────┴────────────┴─────────┴──────────────────────────────┘
     └── leaf = SHA-256(00 ‖ ·) ─┘          └── absent once it is redacted ┘

The first checksum covers header and edges, the second salt and payload. The header binds the
payload by SHA-256(domain ‖ salt ‖ SHA-256(payload)), so salt and payload can be deleted while every
proof stays valid, and a short payload cannot be guessed from what remains.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256

import google_crc32c

from sidespand.errors import SidespanError
from sidespand.hlc import Hlc
from sidespand.limits import EDGES_PER_RECORD_MAX
from sidespand.model import Edge, EdgeType, Flag, Header, Kind

FORMAT = 1
SALT_BYTES = 16
NONCE_BYTES = 8
CLOCK_ERROR_UNKNOWN = 0xFFFFFFFF
COMMITMENT_DOMAIN = b"sidespan/payload/1"

# format, header bytes, kind, reserved, flags, lineage, record index, first LSN, item count, boot
# generation, commit seq, HLC wall, HLC logical, clock error, wall, boottime, nonce, session, seq,
# edge count, reserved, payload bytes, payload commitment.
HEADER = struct.Struct(">HHBxH8sQQIIQQIIQQ8sQQHxxI32s")
# type, reserved, item index, lineage, LSN, HLC wall, HLC logical, tag.
EDGE = struct.Struct(">BxxxI8sQQI16s")
_CRC = struct.Struct(">I")

HEADER_BYTES = 144
EDGE_BYTES = 52
assert HEADER.size == HEADER_BYTES
assert EDGE.size == EDGE_BYTES


class DamagedRecord(SidespanError):
    """The stored bytes are not what was written."""


def commit_payload(payload: bytes, salt: bytes, digest: bytes = b"") -> bytes:
    """Return the 32 bytes by which a header binds ``payload``.

    Args:
        payload: The stored bytes.
        salt: SALT_BYTES random bytes.
        digest: SHA-256 of the payload where it is known, so that it is not read again.
    """
    return sha256(COMMITMENT_DOMAIN + salt + (digest or sha256(payload).digest())).digest()


def payload_checksum(payload: bytes, salt: bytes) -> int:
    """Return the CRC-32C of salt and payload."""
    return int(google_crc32c.extend(google_crc32c.value(salt), payload))


def encode_edges(edges: Sequence[Edge]) -> bytes:
    """Return the bytes of at most EDGES_PER_RECORD_MAX edges."""
    assert len(edges) <= EDGES_PER_RECORD_MAX
    return b"".join(
        EDGE.pack(e.type, e.item_index, e.lineage, e.lsn, e.stamp.wall_ns, e.stamp.logical, e.tag)
        for e in edges
    )


def assemble(proved: bytes, salt: bytes, checksum: int, payload: bytes) -> bytes:
    """Return the stored value.

    Args:
        proved: Header and edges, which the leaf hash covers.
        salt: SALT_BYTES random bytes.
        checksum: What ``payload_checksum`` said of salt and payload.
        payload: The accepted bytes.
    """
    return b"".join(
        (proved, _CRC.pack(google_crc32c.value(proved)), salt, _CRC.pack(checksum), payload)
    )


def decode(value: bytes) -> tuple[Header, tuple[Edge, ...], bytes, bytes | None]:
    """Return header, edges, leaf hash and payload (None when redacted) of a stored value.

    Raises:
        DamagedRecord: A length, a checksum or the format does not hold. Not retryable.
    """
    header, edge_count = decode_header(value)
    proved_bytes = HEADER.size + edge_count * EDGE.size
    if len(value) < proved_bytes + _CRC.size:
        raise DamagedRecord(f"record at LSN {header.first_lsn} is cut short")
    proved = value[:proved_bytes]
    if google_crc32c.value(proved) != _CRC.unpack_from(value, proved_bytes)[0]:
        raise DamagedRecord(
            f"header checksum of the record at LSN {header.first_lsn} does not match"
        )
    leaf = sha256(b"\x00" + proved).digest()
    try:
        edges = tuple(_decode_edges(proved, edge_count))
    except ValueError:
        raise DamagedRecord(
            f"the record at LSN {header.first_lsn} has an edge of unknown type"
        ) from None
    rest = proved_bytes + _CRC.size
    if len(value) == rest:
        return header, edges, leaf, None
    salt_end = rest + SALT_BYTES
    payload = value[salt_end + _CRC.size :]
    if len(value) != salt_end + _CRC.size + header.payload_bytes:
        raise DamagedRecord(f"payload of the record at LSN {header.first_lsn} has another length")
    if payload_checksum(payload, value[rest:salt_end]) != _CRC.unpack_from(value, salt_end)[0]:
        raise DamagedRecord(
            f"payload checksum of the record at LSN {header.first_lsn} does not match"
        )
    return header, edges, leaf, payload


def proved_holds(value: bytes, proved_bytes: int) -> bool:
    """Tell whether the first checksum is there and is that of the first ``proved_bytes``."""
    checksum = value[proved_bytes : proved_bytes + _CRC.size]
    return checksum == _CRC.pack(google_crc32c.value(value[:proved_bytes]))


def checksum_bytes(payload: bytes, salt: bytes) -> bytes:
    """Return the second checksum as it is stored."""
    return _CRC.pack(payload_checksum(payload, salt))


def proved_part(value: bytes) -> bytes:
    """Return header and edges of a stored value that decodes."""
    _, edge_count = decode_header(value)
    return value[: HEADER.size + edge_count * EDGE.size]


def salt_part(value: bytes) -> bytes:
    """Return the salt of a stored value that decodes and has a payload."""
    start = len(proved_part(value)) + _CRC.size
    return value[start : start + SALT_BYTES]


def redacted(value: bytes) -> bytes:
    """Return a stored value without salt and payload; its leaf is what it was.

    Raises:
        DamagedRecord: It is too short, or of another format. Not retryable.
    """
    _, edge_count = decode_header(value)
    return value[: HEADER.size + edge_count * EDGE.size + _CRC.size]


def decode_header(value: bytes) -> tuple[Header, int]:
    """Return the header and the number of edges after it, without a look at any checksum.

    Raises:
        DamagedRecord: It is too short, or of another format. Not retryable.
    """
    if len(value) < HEADER.size:
        raise DamagedRecord("record is shorter than a header")
    (fmt, header_bytes, kind, flags, lineage, record_index, first_lsn, item_count, generation,
     commit_seq, hlc_wall, hlc_logical, clock_error, wall_ns, boottime_ns, nonce, session, seq,
     edge_count, payload_bytes, commitment) = HEADER.unpack_from(value)  # fmt: skip
    if fmt != FORMAT or header_bytes != HEADER.size:
        raise DamagedRecord(f"record format {fmt} with a header of {header_bytes} bytes is unknown")
    try:
        known_kind = Kind(kind)
    except ValueError:
        raise DamagedRecord(f"record kind {kind} is unknown") from None
    header = Header(
        kind=known_kind,
        flags=Flag(flags),
        lineage=lineage,
        record_index=record_index,
        first_lsn=first_lsn,
        item_count=item_count,
        boot_generation=generation,
        commit_seq=commit_seq,
        stamp=Hlc(hlc_wall, hlc_logical),
        clock_error_us=None if clock_error == CLOCK_ERROR_UNKNOWN else clock_error,
        wall_ns=wall_ns,
        boottime_ns=boottime_ns,
        batch_nonce=nonce,
        producer_session=session,
        producer_seq=seq,
        payload_bytes=payload_bytes,
        payload_commitment=commitment,
    )
    return header, edge_count


def _decode_edges(proved: bytes, count: int) -> list[Edge]:
    edges = []
    for offset in range(HEADER.size, HEADER.size + count * EDGE.size, EDGE.size):
        kind, item_index, lineage, lsn, wall, logical, tag = EDGE.unpack_from(proved, offset)
        edges.append(Edge(EdgeType(kind), item_index, lineage, lsn, Hlc(wall, logical), tag))
    return edges
