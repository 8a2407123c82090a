"""The end of a log: found, and checked by its checksums, before anything is built upon it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgpack

from sidespand.errors import SidespanError, StoreUnreadable
from sidespand.journal import keys, pages, record
from sidespand.journal.layout import Layout, Manifest, Segment
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader
from sidespand.journal.segment_file import HINT, SegmentDamaged
from sidespand.journal.state import Head, SessionRow, decode_head, decode_session
from sidespand.model import ControlBody, OpenSpan
from sidespand.token import TAG_BYTES


@dataclass(frozen=True, slots=True)
class End:
    """What the newest segment says of the log.

    Args:
        segment: Which one it is.
        head: The log as its last commit left it.
        sessions: Where client instances stand.
        open_spans: What marks have opened and nothing has closed.
        generation: The body of the last GEN record; empty when its row is not there.
        clean: Whether that generation ended in order.
        rows: Every state row.
    """

    segment: Segment
    head: Head
    sessions: Mapping[bytes, SessionRow]
    open_spans: Sequence[OpenSpan]
    generation: ControlBody
    clean: bool
    rows: Mapping[bytes, bytes]


def find(layout: Layout, manifest: Manifest) -> End | None:
    """Return the end of the log; None when the store holds nothing yet. Nothing is changed.

    Raises:
        StoreUnreadable: It is missing or damaged.
    """
    registered = manifest.segments[-1] if manifest.segments else None
    if registered is not None and not layout.path(registered).exists():
        raise StoreUnreadable(
            f"{layout.path(registered)} is missing: the newest part of the log is gone",
            hint=HINT,
        )
    # One beyond it was in its place, but not registered before a crash. Nothing in it was
    # acknowledged, but readers may have seen it: it is the end.
    newest = max(layout.segments(), default=None)
    return _inspect(layout, newest) if newest is not None else None


def tag_at(layout: Layout, lineage: bytes, lsn: int) -> bytes | None:
    """Return the tag of the record that holds an item; None when it cannot be read."""
    candidates = [
        segment
        for segment in layout.segments()
        if segment.lineage == lineage and segment.first_lsn <= lsn
    ]
    if not candidates:
        return None
    try:
        reader = SegmentReader(layout.path(candidates[-1]), locked=False)
    except (FileNotFoundError, SegmentDamaged):
        return None
    try:
        for _, value in reader.values(lsn, None, 1, 1):
            header, _, leaf, _ = record.decode(value)
            if header.first_lsn <= lsn <= header.last_lsn:
                return leaf[:TAG_BYTES]
    except (SegmentDamaged, DamagedRecord):
        return None
    finally:
        reader.close()
    return None


def _inspect(layout: Layout, newest: Segment) -> End:
    path = layout.path(newest)
    # LMDB believes what it is about to read, and a damaged page would end this process.
    if not pages.has_sound_end(path):
        raise SegmentDamaged(f"{path}: pages at the end of the log are damaged", hint=HINT)
    # Nobody writes while this process holds the store's lock, and a lock file would be changed.
    reader = SegmentReader(path, locked=False)
    try:
        rows = reader.rows()
        last = reader.last_values(None, 1, 1)
        head = decode_head(rows.get(keys.HEAD, b""))
        sessions = {
            key[1:]: decode_session(row) for key, row in rows.items() if keys.is_session_key(key)
        }
        spans = [decode_open_span(key, row) for key, row in rows.items()]
        if keys.SALVAGED not in rows:
            _check(newest, head, last[0][1] if last else None)
    except SidespanError as error:
        raise StoreUnreadable(
            f"{reader.path}: {error}",
            hint=HINT,
        ) from error
    finally:
        reader.close()
    row = rows.get(keys.generation_key(head.boot_generation))
    generation = msgpack.unpackb(row) if row is not None else {}
    open_spans = [span for span in spans if span is not None]
    return End(newest, head, sessions, open_spans, generation, keys.CLEAN in rows, rows)


def _check(newest: Segment, head: Head, last: bytes | None) -> None:
    if (head.ordinal, head.lineage) != (newest.ordinal, newest.lineage):
        raise DamagedRecord(f"its head is of lineage {head.lineage.hex()}")
    if last is None:
        # Its first commit held only steps of sessions that stored nothing.
        if head.next_lsn != newest.first_lsn:
            raise DamagedRecord(f"it holds no record, its head is at {head.last_lsn}")
        return
    header, _, leaf, _ = record.decode(last)
    if header.last_lsn != head.last_lsn or leaf[:TAG_BYTES] != head.tag:
        raise DamagedRecord(
            f"the last record ends at {header.last_lsn}, its head at {head.last_lsn}"
        )
