"""Gives records their position: inside the transaction, in the order in which they become durable.

A Draft is the log's head while a group is being stamped. It becomes the head when the group is
durable, and is dropped when it is not: an aborted group leaves no hole.
"""

from hashlib import sha256
from typing import NamedTuple

import msgpack

from sidespand import hlc, merkle
from sidespand.clock import Clock
from sidespand.hlc import Hlc
from sidespand.journal import clock_step, record
from sidespand.journal.clock_step import Reading
from sidespand.journal.keys import record_key
from sidespand.journal.state import Head
from sidespand.limits import CONTROL_BYTES_MAX, HLC_MERGE_AHEAD_NS_MAX
from sidespand.model import Content, ControlBody, Flag, Kind
from sidespand.token import TAG_BYTES


class Sealed(NamedTuple):
    """A content whose bytes are bound: the transaction need not read them again.

    Args:
        content: What was admitted.
        salt: 16 random bytes, beside the payload.
        nonce: 8 random bytes, in the header: two copies of a store never write equal records.
        commitment: 32 bytes that bind salt and payload.
        checksum: CRC-32C of salt and payload.
    """

    content: Content
    salt: bytes
    nonce: bytes
    commitment: bytes
    checksum: int


class Stamped(NamedTuple):
    """Where a record lies.

    Args:
        first_lsn: Of its first item.
        last_lsn: Of its last item, inclusive.
        stamp: HLC of its last item.
        tag: 16 bytes of its leaf.
    """

    first_lsn: int
    last_lsn: int
    stamp: Hlc
    tag: bytes


def seal(content: Content, clock: Clock) -> Sealed:
    """Bind a content's bytes; everything that reads the payload happens here, before the queue."""
    random = clock.random_bytes(record.SALT_BYTES + record.NONCE_BYTES)
    salt = random[: record.SALT_BYTES]
    return Sealed(
        content,
        salt,
        random[record.SALT_BYTES :],
        record.commit_payload(content.payload, salt, content.digest),
        record.payload_checksum(content.payload, salt),
    )


def control(kind: Kind, body: ControlBody) -> Content:
    """Return the content of a control record; it takes one LSN, like an item."""
    assert kind.is_control
    payload = msgpack.packb(dict(body))
    assert len(payload) <= CONTROL_BYTES_MAX
    return Content(kind, payload, 1)


class Draft:
    """The head as a group's records are stamped onto it.

    Args:
        head: The last durable head, which is kept as ``base``.
        clock: Read once, before the first record: what becomes durable together shares a reading.
        clock_error_us: What the clock's time daemon claims; None when it is unknown.
    """

    def __init__(self, head: Head, clock: Clock, clock_error_us: int | None = None) -> None:
        self.base = head
        self._clock = clock
        self._clock_error_us = clock_error_us
        self._is_read = False
        self._hashes = list(head.hashes)
        self._next_lsn = head.next_lsn
        self._record_count = head.record_count
        self._commit_seq = head.commit_seq + 1
        self._stamp = head.stamp
        self._tag = head.tag
        self._reading = Reading(head.wall_ns, head.boottime_ns)
        self._head: Head | None = None
        self.values: list[tuple[bytes, bytes]] = []

    @property
    def lineage(self) -> bytes:
        """The log series that is being written."""
        return self.base.lineage

    @property
    def next_lsn(self) -> int:
        """The LSN that the next item gets."""
        return self._next_lsn

    @property
    def wall_ns(self) -> int:
        """CLOCK_REALTIME of the records stamped here."""
        return self._reading.wall_ns

    def stamp(self, sealed: Sealed, session: int, seq: int) -> Stamped:
        """Stamp one record and add it to ``values``.

        A step that the clock's reading shows becomes a CLOCK record before the first one.

        Args:
            sealed: The record.
            session: LSN of its producer's SESSION record; 0 for the recorder's own.
            seq: Its step in the producer's sequence; 0 for none.
        """
        if not self._is_read:
            self._is_read = True
            self._read()
        return self._place(sealed, session, seq)

    def _read(self) -> None:
        before = self._reading
        self._reading, step_ns = clock_step.read(self._clock, before)
        if step_ns:
            body = clock_step.control_body(before, self._reading, self._clock_error_us)
            self._place(seal(control(Kind.CLOCK, body), self._clock), 0, 0)

    def _place(self, sealed: Sealed, session: int, seq: int) -> Stamped:
        content = sealed.content
        wall_ns, boottime_ns = self._reading
        first_stamp, flags = self._tick(content, wall_ns)
        clock_error_us = self._clock_error_us
        if clock_error_us is None:
            clock_error_us = record.CLOCK_ERROR_UNKNOWN
        else:
            flags |= Flag.CLOCK_SYNCED
        if content.edges_truncated:
            flags |= Flag.EDGES_TRUNCATED
        header = record.HEADER.pack(
            record.FORMAT,
            record.HEADER.size,
            content.kind,
            flags,
            self.base.lineage,
            self._record_count,
            self._next_lsn,
            content.item_count,
            self.base.boot_generation,
            self._commit_seq,
            first_stamp.wall_ns,
            first_stamp.logical,
            clock_error_us,
            wall_ns,
            boottime_ns,
            sealed.nonce,
            session,
            seq,
            len(content.edges),
            len(content.payload),
            sealed.commitment,
        )
        proved = header + record.encode_edges(content.edges) if content.edges else header
        leaf = sha256(b"\x00" + proved).digest()
        merkle.append(self._hashes, self._record_count, leaf)
        value = record.assemble(proved, sealed.salt, sealed.checksum, content.payload)
        self.values.append((record_key(self._next_lsn), value))
        first_lsn = self._next_lsn
        self._record_count += 1
        self._next_lsn += content.item_count
        self._stamp = hlc.nth(first_stamp, content.item_count - 1)
        self._tag = leaf[:TAG_BYTES]
        self._head = None
        return Stamped(first_lsn, self._next_lsn - 1, self._stamp, self._tag)

    def head(self) -> Head:
        """Return the head as it will be once the group is durable."""
        if self._head is None:
            self._head = self._make_head()
        return self._head

    def _make_head(self) -> Head:
        return Head(
            ordinal=self.base.ordinal,
            lineage=self.base.lineage,
            boot_generation=self.base.boot_generation,
            next_lsn=self._next_lsn,
            record_count=self._record_count,
            commit_seq=self._commit_seq,
            stamp=self._stamp,
            wall_ns=self._reading.wall_ns,
            boottime_ns=self._reading.boottime_ns,
            boot_id=self.base.boot_id,
            tag=self._tag,
            hashes=tuple(self._hashes),
        )

    def _tick(self, content: Content, wall_ns: int) -> tuple[Hlc, int]:
        stamp = hlc.tick(self._stamp, wall_ns)
        if not content.edges:
            return hlc.with_room(stamp, content.item_count), 0
        flags = 0
        for edge in content.edges:
            if edge.stamp < stamp:
                # It would not advance the clock: nothing to check, nothing to merge.
                flags |= Flag.MERGED
            elif hlc.too_far_ahead(edge.stamp, wall_ns, HLC_MERGE_AHEAD_NS_MAX):
                flags |= Flag.MERGE_REJECTED
            else:
                stamp = hlc.merge(stamp, edge.stamp, wall_ns)
                flags |= Flag.MERGED
        return hlc.with_room(stamp, content.item_count), flags
