"""The journal as a reader sees it, from any process: records by position, holes by name.

A segment ends where the next one of its lineage begins, whatever it holds: what lies beyond was
    never acknowledged.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgpack

from sidespand.errors import StoreUnreadable
from sidespand.journal import keys, record
from sidespand.journal.layout import Layout, Segment
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.open_segments import OpenSegments
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader
from sidespand.journal.segment_file import SegmentDamaged
from sidespand.journal.state import Head, decode_head
from sidespand.limits import READ_BATCH_BYTES, READ_BATCH_RECORDS
from sidespand.model import ControlBody, Gap, OpenSpan, Position, Record

_T = TypeVar("_T")


class _Extent(NamedTuple):
    segment: Segment
    before_lsn: int | None
    # The next segment, of this lineage or the one after it: with one it is not written any more.
    following: Segment | None


class CompactRange(NamedTuple):
    """A prefix of a lineage's tree.

    Args:
        position: Of its last item; None for the empty prefix.
        record_count: Its leaves.
        hashes: Of its perfect subtrees, largest first.
    """

    position: Position | None
    record_count: int
    hashes: tuple[bytes, ...]


class JournalReader:
    """Reads a store that may be written at the same time. Implements ``ports.Log``.

    It may be used by several threads; a process makes one for a store that it has open.

    Args:
        data_dir: The store's directory.

    Raises:
        StoreUnreadable: There is no store, or its manifest is damaged.
        StoreTooNew: A later version wrote it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._layout = Layout(data_dir)
        manifest = self._layout.read_manifest()
        if manifest is None:
            raise StoreUnreadable(
                f"there is no store in {data_dir}",
                hint="name the daemon's data directory with --data DIR",
            )
        self.store_id = manifest.store_id
        self._segments = OpenSegments()
        self._generations: dict[tuple[bytes, int], ControlBody] = {}

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what follows ``after`` in log order; ``ports.Log`` has the contract."""
        ordinal = 0
        for extent in self._extents():
            segment = extent.segment
            if upto is not None and segment.ordinal > upto.ordinal:
                break
            expected = segment.first_lsn
            # One that names another lineage under this number is of a time that was taken back.
            if after is not None and after[:2] == (segment.ordinal, segment.lineage):
                expected = after.lsn + 1
            elif after is not None and after.ordinal < segment.ordinal != ordinal:
                # A lineage that is entered begins at 1, and may have been trimmed there.
                expected = 1
            ordinal = segment.ordinal
            before = extent.before_lsn
            if upto is not None and upto.ordinal == segment.ordinal:
                before = upto.lsn + 1 if before is None else min(before, upto.lsn + 1)
            if after is not None and after.ordinal > segment.ordinal:
                continue
            if before is not None and before <= expected:
                continue
            found = self._read_segment(extent, expected, before)
            if found:
                return found
        return []

    def newest_first(self) -> Iterator[Record]:
        """Yield the readable records, newest first, with one batch in memory at a time."""
        for extent in reversed(self._extents()):
            before = extent.before_lsn
            while values := self._ask(extent, partial(_last_values, before=before)):
                for lsn, value in values:
                    before = lsn
                    try:
                        yield _decode(extent.segment.ordinal, value)
                    except DamagedRecord:
                        continue

    def tail(self) -> Position | None:
        """Return the position of the last durable item; None in an empty store."""
        head = self.head()
        return None if head is None else Position(head.ordinal, head.lineage, head.last_lsn)

    def ends(self) -> list[Position]:
        """Return the last item of each lineage, oldest first, but for ends that are damaged."""
        found = []
        for extent in self._extents():
            segment, following = extent.segment, extent.following
            if following is not None and following.lineage == segment.lineage:
                continue
            with suppress(SegmentDamaged, DamagedRecord):
                row = self._found(extent, _head_row)
                if row is not None:
                    head = decode_head(row)
                    found.append(Position(head.ordinal, head.lineage, head.last_lsn))
        return found

    def head(self) -> Head | None:
        """Return the log's head; None in an empty store."""
        for extent in reversed(self._extents()):
            row = self._found(extent, _head_row)
            if row is not None:
                return decode_head(row)
        return None

    def open_spans(self) -> list[OpenSpan]:
        """Return the spans that are open as of the newest commit, in the order of their opening."""
        for extent in reversed(self._extents()):
            rows = self._ask(extent, SegmentReader.rows)
            if rows and keys.HEAD in rows:
                decoded = (decode_open_span(key, row) for key, row in rows.items())
                found = [span for span in decoded if span is not None]
                return sorted(found, key=lambda span: (span.opened_ns, span.lsn))
        return []

    def generation(self, lineage: bytes, boot_generation: int) -> ControlBody:
        """Return the body of a generation's GEN record; empty when it was trimmed away."""
        key = (lineage, boot_generation)
        if key not in self._generations:
            for extent in reversed(self._extents()):
                if extent.segment.lineage != lineage:
                    continue
                for row_key, row in (self._ask(extent, SegmentReader.rows) or {}).items():
                    number = keys.parse_generation_key(row_key)
                    if number is not None:
                        self._generations[(lineage, number)] = msgpack.unpackb(row)
                if key in self._generations:
                    break
        return self._generations.get(key, {})

    def position(self, lineage: bytes, lsn: int) -> Position | None:
        """Return the place of an LSN of a lineage; None when the store has no such lineage."""
        for segment in self._layout.segments():
            if segment.lineage == lineage:
                return Position(segment.ordinal, lineage, lsn)
        return None

    def value(self, lineage: bytes, lsn: int) -> bytes | None:
        """Return the stored bytes of the record that holds an item; None when there is none."""
        for extent in reversed(self._extents()):
            segment, before = extent.segment, extent.before_lsn
            if segment.lineage != lineage or segment.first_lsn > lsn:
                continue
            found = self._ask(extent, lambda reader: reader.values(lsn, before, 1, 1))  # noqa: B023 -- it is asked at once.
            for first_lsn, value in found or ():
                if first_lsn <= lsn <= record.decode_header(value)[0].last_lsn:
                    return value
            return None
        return None

    def compact_range(self, lineage: bytes, record_index: int) -> CompactRange:
        """Return the newest kept compact range of a lineage's tree that ends before a leaf.

        Every segment keeps the one before it, so what lies behind it is at most a segment.
        """
        for extent in reversed(self._extents()):
            if extent.segment.lineage != lineage:
                continue
            row = self._ask(extent, lambda reader: reader.row(keys.BASE))
            base = None if row is None else _head(row)
            if base is not None and base.lineage == lineage and base.record_count <= record_index:
                position = Position(base.ordinal, lineage, base.last_lsn)
                return CompactRange(position, base.record_count, base.hashes)
        return CompactRange(None, 0, ())

    def close(self) -> None:
        """Let go of every file."""
        self._segments.close()

    def _extents(self) -> list[_Extent]:
        found = self._layout.segments()
        extents = []
        for number, segment in enumerate(found):
            following = found[number + 1] if number + 1 < len(found) else None
            same = following is not None and following.lineage == segment.lineage
            before_lsn = following.first_lsn if following and same else None
            extents.append(_Extent(segment, before_lsn, following))
        return extents

    def _found(self, extent: _Extent, question: Callable[[SegmentReader], _T]) -> _T | None:
        # None of a segment that is gone.
        path = self._layout.path(extent.segment)
        try:
            with self._segments.using(path, locked=extent.following is None) as reader:
                return question(reader)
        except FileNotFoundError:
            return None

    def _ask(self, extent: _Extent, question: Callable[[SegmentReader], _T]) -> _T | None:
        # None of a segment that is gone or damaged; only the newest one's damage is an error.
        try:
            return self._found(extent, question)
        except SegmentDamaged:
            if extent.following is None:
                raise
            return None

    def _left_at(self, extent: _Extent) -> int | None:
        """Return where the next lineage's records say that this one ended; None without one."""
        if extent.following is None:
            return None
        rows = self._ask(_Extent(extent.following, None, None), SegmentReader.rows) or {}
        for key, row in rows.items():
            if keys.parse_generation_key(key) is not None:
                origin = msgpack.unpackb(row).get("origin", {})
                if origin.get("parent_lineage") == extent.segment.lineage:
                    return int(origin["parent_lsn"]) + 1
        return None

    def _read_segment(
        self, extent: _Extent, expected: int, before: int | None
    ) -> list[Record | Gap]:
        segment = extent.segment
        found: list[Record | Gap] = []
        if expected < segment.first_lsn:
            # Everything before the oldest segment on disk was trimmed; nothing else removes a whole
            # segment.
            found.append(_gap(segment, expected, segment.first_lsn - 1, "trimmed"))
            expected = segment.first_lsn
        try:
            decoded = self._found(extent, partial(_entries, segment, expected, before))
        except SegmentDamaged:
            end = self._left_at(extent) if before is None else before
            if extent.following is None or end is None:
                raise
            if expected < end:
                found.append(_gap(segment, expected, end - 1, "damaged"))
            return found
        if decoded is None:
            return found
        found.extend(decoded)
        if not found:
            # A lineage may have been left further on than where what is left of it ends.
            end = self._left_at(extent) if before is None else before
            if end is not None and expected < end:
                found.append(_gap(segment, expected, end - 1, "missing"))
        return found


def _entries(
    segment: Segment, expected: int, before: int | None, reader: SegmentReader
) -> list[Record | Gap]:
    values = reader.values(expected, before, READ_BATCH_RECORDS, READ_BATCH_BYTES)
    return list(_decoded(segment, reader, values, expected, before))


def _decoded(
    segment: Segment,
    reader: SegmentReader,
    values: Sequence[tuple[int, bytes]],
    expected: int,
    before: int | None,
) -> Iterator[Record | Gap]:
    for number, (lsn, value) in enumerate(values):
        if lsn > expected:
            yield _gap(segment, expected, lsn - 1, "missing")
            expected = lsn
        try:
            decoded = _decode(segment.ordinal, value)
        except DamagedRecord:
            # What it says of its own length is not believed: it ends where the next one begins.
            following = values[number + 1][0] if number + 1 < len(values) else reader.next_lsn(lsn)
            ends = [end - 1 for end in (following, before) if end is not None]
            last = min(ends, default=lsn)
            if last >= expected:
                yield _gap(segment, expected, last, "damaged")
                expected = last + 1
            continue
        if decoded.header.last_lsn >= expected:
            yield decoded
            expected = decoded.header.last_lsn + 1


def _gap(segment: Segment, first: int, last: int, reason: str) -> Gap:
    return Gap(segment.ordinal, segment.lineage, first, last, reason)


def _head(row: bytes) -> Head | None:
    try:
        return decode_head(row)
    except DamagedRecord:
        return None


def _head_row(reader: SegmentReader) -> bytes | None:
    return reader.row(keys.HEAD)


def _last_values(reader: SegmentReader, before: int | None) -> list[tuple[int, bytes]]:
    return reader.last_values(before, READ_BATCH_RECORDS, READ_BATCH_BYTES)


def _decode(ordinal: int, value: bytes) -> Record:
    header, edges, leaf, payload = record.decode(value)
    return Record(ordinal, header, edges, leaf, payload)
