"""What can still be read of a damaged segment: every whole record, and the end of its log.

What the tree of LMDB's newest transaction reaches is believed first. Where it is broken, leaf pages
that it does not reach fill the holes, but only with records that fit between their neighbours:
such a page may also be a leftover of a transaction that never was.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from sidespand import hlc, merkle
from sidespand.journal import keys, record
from sidespand.journal.layout import Segment
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.pages import Node, PageFile
from sidespand.journal.record import DamagedRecord
from sidespand.journal.state import Head, SessionRow, decode_head, decode_session, encode_head
from sidespand.limits import ROW_BYTES_MAX
from sidespand.model import Header
from sidespand.token import TAG_BYTES

_BOOT_ID_BYTES = 16


class Kept(NamedTuple):
    """A record that can be read.

    Args:
        first_lsn: Of its first item.
        last_lsn: Of its last item, inclusive.
        record_index: Its leaf's.
        rank: Its generation and commit: the higher one of two at one place was acknowledged.
        reached: Whether the tree of LMDB leads to it.
        node: Where its value lies.
    """

    first_lsn: int
    last_lsn: int
    record_index: int
    rank: tuple[int, int]
    reached: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a damaged segment still says.

    Args:
        records: Whole ones, in log order.
        rows: State rows whose checksums hold; the head's is as ``head`` says.
        head: The end of the log, as far as anything tells.
        lost: LSNs that no record is left of, first and last of each stretch, inclusive.
        page_faults: Pages and nodes that could not be used.
        spoilt: Values that are there and are not whole.
    """

    records: Sequence[Kept]
    rows: Mapping[bytes, bytes]
    head: Head
    lost: Sequence[tuple[int, int]]
    page_faults: int
    spoilt: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong with it, but for what an earlier salvage found lost."""
        known = keys.SALVAGED in self.rows
        return not (self.page_faults or self.spoilt or (self.lost and not known))


def recover(file: PageFile | None, segment: Segment, before: int | None, known: Head) -> Recovered:
    """Return what can be read of a segment.

    Args:
        file: Its pages; None where the file is gone.
        segment: Where it lies.
        before: Where the log goes on behind it: the next segment's first LSN, or the one behind the
            last LSN of its lineage; None where it is the newest, whose end nobody else knows.
        known: The end of the log as the segment before it left it; of an empty log where none did.
    """
    rows: dict[bytes, bytes] = {}
    found: list[Kept] = []
    spoilt = 0
    if file is not None:
        found, rows, spoilt = _Gathering(file, segment, before).run()
    records = _fitting(found, _ends(rows))
    end = known
    for row in (rows.get(keys.BASE), rows.get(keys.HEAD)):
        if row is not None:
            end = max(end, decode_head(row), key=lambda one: one.commit_seq)
    head = _extended(end, records, file, rows)
    rows[keys.HEAD] = encode_head(head)
    stop = head.next_lsn if before is None else before
    lost = list(_holes(segment.first_lsn, records, stop))
    return Recovered(records, rows, head, lost, 0 if file is None else file.faults, spoilt)


def read(path: Path, segment: Segment, before: int | None, known: Head) -> Recovered:
    """Return the same of a file that may be gone.

    Raises:
        OSError: It is there and cannot be opened.
    """
    try:
        file = PageFile(path)
    except FileNotFoundError:
        return recover(None, segment, before, known)
    try:
        return recover(file, segment, before, known)
    finally:
        file.close()


class _Gathering:
    """Reads all pages of a file once."""

    def __init__(self, file: PageFile, segment: Segment, before: int | None) -> None:
        self._file = file
        self._segment = segment
        self._before = before
        self._records: dict[int, Kept] = {}
        self._others: list[Kept] = []
        self._rows: dict[bytes, bytes] = {}
        self._spoilt = 0
        # Whether the newest transaction is the one that was found: then nothing behind it counts.
        self._is_newest = False

    def run(self) -> tuple[list[Kept], dict[bytes, bytes], int]:
        """Return records, rows, and how many values of the tree are not whole."""
        meta = self._file.newest_meta()
        self._is_newest = not self._file.faults
        databases = self._file.databases(meta) if meta is not None else {}
        seen: set[int] = set()
        for name in (b"rec", b"state"):
            if name not in databases:
                self._file.faults += 1
            elif (root := databases[name]) is not None:
                for node in self._file.walk(root, seen):
                    self._take(node, reached=True)
        if self._file.faults or self._spoilt:
            if self._is_newest and keys.HEAD in self._rows:
                end = decode_head(self._rows[keys.HEAD]).next_lsn
                self._before = end if self._before is None else min(end, self._before)
            for node in self._file.scan(seen):
                self._take(node, reached=False)
        return [*self._records.values(), *self._others], self._rows, self._spoilt

    def _take(self, node: Node, *, reached: bool) -> None:
        if len(node.key) == len(keys.record_key(0)):
            self._take_record(node, reached=reached)
        elif not node.is_database:
            self._take_row(node, reached=reached)

    def _take_record(self, node: Node, *, reached: bool) -> None:
        lsn = keys.parse_record_key(node.key)
        if lsn in self._records or not self._is_here(lsn):
            return
        value = self._file.value(node)
        try:
            header = record.decode(value or b"")[0]
        except DamagedRecord:
            self._spoilt += reached
            return
        if header.first_lsn != lsn or header.lineage != self._segment.lineage:
            self._spoilt += reached
            return
        kept = _kept(header, node, reached=reached)
        if reached:
            self._records[lsn] = kept
        else:
            self._others.append(kept)

    def _is_here(self, lsn: int) -> bool:
        return lsn >= self._segment.first_lsn and (self._before is None or lsn < self._before)

    def _take_row(self, node: Node, *, reached: bool) -> None:
        known = self._rows.get(node.key)
        # A span that has ended since is open in an older page.
        if not reached and (_is_open_span(node.key) or (self._is_newest and known is not None)):
            return
        row = self._file.value(node) if node.length <= ROW_BYTES_MAX else None
        try:
            if _fits(node.key, row or b"", self._segment, known):
                self._rows[node.key] = row or b""
        except (DamagedRecord, ValueError, KeyError, TypeError, msgpack.UnpackException):
            self._spoilt += reached


def _kept(header: Header, node: Node, *, reached: bool) -> Kept:
    return Kept(
        header.first_lsn,
        header.last_lsn,
        header.record_index,
        (header.boot_generation, header.commit_seq),
        reached,
        node,
    )


def _is_open_span(key: bytes) -> bool:
    return keys.parse_open_span_key(key) is not None


def _fits(key: bytes, row: bytes, segment: Segment, other: bytes | None) -> bool:
    # Whether a row is one of this segment, and newer than the one that was found before.
    if key == keys.SALVAGED:
        return True
    if key in (keys.HEAD, keys.BASE):
        head = decode_head(row)
        here = key == keys.BASE or head.lineage == segment.lineage
        return here and (other is None or decode_head(other).commit_seq < head.commit_seq)
    if keys.is_session_key(key):
        session: SessionRow = decode_session(row)
        return other is None or decode_session(other).last_seq < session.last_seq
    number = keys.parse_generation_key(key)
    if number is not None:
        return bool(msgpack.unpackb(row)["boot_generation"] == number)
    return _is_open_span(key) and decode_open_span(key, row) is not None


def _ends(rows: Mapping[bytes, bytes]) -> dict[int, int]:
    # Where each generation's predecessor ended: what one wrote behind that, never was.
    found = {}
    for key, row in rows.items():
        number = keys.parse_generation_key(key)
        if number is not None:
            with suppress(ValueError, KeyError, TypeError):
                found[number] = int(msgpack.unpackb(row)["previous_last_lsn"])
    return found


def _fitting(found: Sequence[Kept], ends: Mapping[int, int]) -> list[Kept]:
    def never_was(one: Kept) -> bool:
        return any(one.rank[0] < number and one.last_lsn > end for number, end in ends.items())

    chosen = [one for one in found if one.reached or not never_was(one)]
    chosen.sort(key=lambda kept: (kept.first_lsn, not kept.reached, [-part for part in kept.rank]))
    fitting: list[Kept] = []
    for one in chosen:
        while one.reached and fitting and not (fitting[-1].reached or _follows(fitting[-1], one)):
            fitting.pop()
        if one.reached or not fitting or _follows(fitting[-1], one):
            fitting.append(one)
    return fitting


def _follows(earlier: Kept, later: Kept) -> bool:
    apart = later.first_lsn - earlier.last_lsn - 1
    between = later.record_index - earlier.record_index - 1
    # A lost record has one item or more.
    return 0 <= between <= apart and (between > 0) == (apart > 0) and earlier.rank <= later.rank


def _holes(first: int, records: Sequence[Kept], stop: int) -> Iterator[tuple[int, int]]:
    for one in records:
        if one.first_lsn > first:
            yield first, one.first_lsn - 1
        first = max(first, one.last_lsn + 1)
    if first < stop:
        yield first, stop - 1


def _extended(
    end: Head, records: Sequence[Kept], file: PageFile | None, rows: Mapping[bytes, bytes]
) -> Head:
    """Return the head behind the last record; its tree ends where a record is missing."""
    if file is None or not records or records[-1].last_lsn < end.next_lsn:
        return end
    hashes, count = list(end.hashes), end.record_count
    last = records[-1]
    for one in records:
        if one.record_index == count and one.first_lsn >= end.next_lsn:
            leaf = record.decode(file.value(one.node) or b"")[2]
            merkle.append(hashes, count, leaf)
            count += 1
    header, _, leaf, _ = record.decode(file.value(last.node) or b"")
    return replace(
        end,
        boot_generation=header.boot_generation,
        next_lsn=header.last_lsn + 1,
        record_count=count,
        commit_seq=header.commit_seq,
        stamp=hlc.nth(header.stamp, header.item_count - 1),
        wall_ns=header.wall_ns,
        boottime_ns=header.boottime_ns,
        boot_id=_boot_id(rows, header.boot_generation),
        tag=leaf[:TAG_BYTES],
        hashes=tuple(hashes),
    )


def _boot_id(rows: Mapping[bytes, bytes], boot_generation: int) -> bytes:
    row = rows.get(keys.generation_key(boot_generation))
    body: Any = msgpack.unpackb(row) if row is not None else {}
    found = body.get("boot_id")
    known = isinstance(found, bytes) and len(found) == _BOOT_ID_BYTES
    return found if known else bytes(_BOOT_ID_BYTES)
