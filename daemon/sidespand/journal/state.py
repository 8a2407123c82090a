"""What commits together with the records: the log's head and the rows of sessions. Pure codec."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import google_crc32c

from sidespand import merkle
from sidespand.hlc import Hlc
from sidespand.journal.record import DamagedRecord
from sidespand.token import TAG_BYTES, encode

# version, ordinal, lineage, generation, next LSN, record count, commit seq, HLC, wall, boottime,
# boot id, tag.
_HEAD = struct.Struct(">HxxI8sIQQQQIQQ16s16s")
# bound, uid, last seq, first LSN, last LSN, HLC, tag, wall.
_ROW = struct.Struct(">BxxxIQQQQI16sQ")
_CRC = struct.Struct(">I")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The log as its last commit left it.

    Args:
        ordinal: The lineage's number within the store, from 1.
        lineage: 8 random bytes, the log series.
        boot_generation: Opens of the store so far, in whatever lineage.
        next_lsn: The first LSN that names nothing yet; from 1.
        record_count: Leaves of the tree; the next record's index.
        commit_seq: Transactions so far.
        stamp: HLC of the last item.
        wall_ns: CLOCK_REALTIME at the last record.
        boottime_ns: CLOCK_BOOTTIME at the last record.
        boot_id: 16 bytes, the kernel's boot in which that was.
        tag: 16 bytes, the head of the last leaf.
        hashes: The tree's compact range.
    """

    ordinal: int
    lineage: bytes
    boot_generation: int
    next_lsn: int
    record_count: int
    commit_seq: int
    stamp: Hlc
    wall_ns: int
    boottime_ns: int
    boot_id: bytes
    tag: bytes
    hashes: tuple[bytes, ...]

    @property
    def last_lsn(self) -> int:
        """The LSN of the last durable item; 0 in an empty log."""
        return self.next_lsn - 1

    def token(self) -> str:
        """Return the token of the last record."""
        return encode(self.lineage, self.last_lsn, self.stamp, self.tag)


class SessionRow(NamedTuple):
    """Where a client instance stands.

    Args:
        uid: Whom it is bound to; None where no door could know.
        last_seq: Its highest durable seq.
        first_lsn: What that step became; 0 when it held nothing.
        last_lsn: Inclusive.
        stamp: HLC of its last item.
        tag: Of its last record.
        touched_ns: Wall clock at that step, to forget the oldest first.
    """

    uid: int | None
    last_seq: int
    first_lsn: int
    last_lsn: int
    stamp: Hlc
    tag: bytes
    touched_ns: int


def encode_head(head: Head) -> bytes:
    """Return the head's row, with a checksum: LMDB has none for values."""
    body = _HEAD.pack(
        _VERSION,
        head.ordinal,
        head.lineage,
        head.boot_generation,
        head.next_lsn,
        head.record_count,
        head.commit_seq,
        head.stamp.wall_ns,
        head.stamp.logical,
        head.wall_ns,
        head.boottime_ns,
        head.boot_id,
        head.tag,
    ) + b"".join(head.hashes)
    return body + _CRC.pack(google_crc32c.value(body))


def decode_head(row: bytes) -> Head:
    """Return the head in ``row``.

    Raises:
        DamagedRecord: Its checksum, version or length does not hold. Not retryable.
    """
    body = row[: -_CRC.size]
    if len(body) < _HEAD.size or google_crc32c.value(body) != _CRC.unpack(row[-_CRC.size :])[0]:
        raise DamagedRecord("checksum of the log's head does not match")
    (version, ordinal, lineage, generation, next_lsn, record_count, commit_seq, hlc_wall,
     hlc_logical, wall_ns, boottime_ns, boot_id, tag) = _HEAD.unpack_from(body)  # fmt: skip
    if version != _VERSION:
        raise DamagedRecord(f"version {version} of the log's head is unknown")
    tail = body[_HEAD.size :]
    if len(tail) != merkle.HASH_BYTES * merkle.range_length(record_count):
        raise DamagedRecord("the log's tree does not fit its record count")
    return Head(
        ordinal,
        lineage,
        generation,
        next_lsn,
        record_count,
        commit_seq,
        Hlc(hlc_wall, hlc_logical),
        wall_ns,
        boottime_ns,
        boot_id,
        tag,
        tuple(
            tail[start : start + merkle.HASH_BYTES]
            for start in range(0, len(tail), merkle.HASH_BYTES)
        ),
    )


def encode_session(row: SessionRow) -> bytes:
    """Return a session's row, with a checksum: a wrong seq would be acked without a record."""
    assert len(row.tag) == TAG_BYTES
    body = _ROW.pack(
        row.uid is not None,
        row.uid or 0,
        row.last_seq,
        row.first_lsn,
        row.last_lsn,
        row.stamp.wall_ns,
        row.stamp.logical,
        row.tag,
        row.touched_ns,
    )
    return body + _CRC.pack(google_crc32c.value(body))


def decode_session(value: bytes) -> SessionRow:
    """Return the row in ``value``.

    Raises:
        DamagedRecord: Its length or checksum does not hold. Not retryable.
    """
    body = value[: -_CRC.size]
    if len(body) != _ROW.size or google_crc32c.value(body) != _CRC.unpack(value[-_CRC.size :])[0]:
        raise DamagedRecord("checksum of a session's row does not match")
    bound, uid, last_seq, first_lsn, last_lsn, wall, logical, tag, touched = _ROW.unpack(body)
    return SessionRow(
        uid if bound else None, last_seq, first_lsn, last_lsn, Hlc(wall, logical), tag, touched
    )
