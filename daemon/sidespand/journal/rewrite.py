"""Writes a closed segment anew without the payloads that are to go.

A deleted page of LMDB keeps its bytes, so the segment is copied, record by record, into a new file,
which takes the old one's place. Header, edges and state stay: every leaf and every proof is what it
was. A reader that holds the old file reads on in it, and sees by its inode that it was replaced.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from sidespand.journal import keys, record, segment
from sidespand.journal.segment import SegmentReader, SegmentWriter
from sidespand.journal.segment_file import inspect
from sidespand.limits import READ_BATCH_RECORDS, REWRITE_BATCH_BYTES

# Tells from its key and value whether a row of the state goes.
GoneRow = Callable[[bytes, bytes], bool]


def holds_copies(path: Path, before_lsn: int | None, is_gone: GoneRow) -> bool:
    """Tell whether a closed segment may hold copies of what lies in other segments.

    Records from ``before_lsn`` on, where the next segment begins, are what a failed commit left
    behind. Rows of the state are carried from segment to segment.

    Raises:
        FileNotFoundError: There is no such segment.
        SegmentDamaged: It cannot be read.
    """
    reader = SegmentReader(path, locked=False)
    try:
        if before_lsn is not None and any(
            lsn >= before_lsn for lsn, _ in reader.last_values(None, 1, 1)
        ):
            return True
        return any(is_gone(key, row) for key, row in reader.rows().items())
    finally:
        reader.close()


def rewrite(
    path: Path,
    scratch: Path,
    gone: Collection[int],
    before_lsn: int | None,
    is_gone: GoneRow,
) -> None:
    """Take payload and salt out of records of a closed segment; done when it is durable.

    Args:
        path: The segment.
        scratch: Where the new file is made, on the same file system; what lies there is replaced.
        gone: First LSNs of the records.
        before_lsn: Records that start here or later are left out; None for no bound.
        is_gone: Picks the rows that are left out.

    Raises:
        OSError: The disk has no room for a second copy. The segment is what it was.
        CommitFailed: The same.
        SegmentDamaged: It cannot be read. The same.
    """
    segment.create(scratch, inspect(path).map_bytes)
    try:
        _copy(path, scratch, gone, before_lsn, is_gone)
    except BaseException:
        segment.remove(scratch)
        raise
    segment.move(scratch, path)


def _copy(
    path: Path,
    scratch: Path,
    gone: Collection[int],
    before_lsn: int | None,
    is_gone: GoneRow,
) -> None:
    reader = SegmentReader(path, locked=False)
    try:
        writer = SegmentWriter(scratch, inspect(path).map_bytes, sync=True)
        try:
            at: int | None = 0
            while at is not None:
                values = reader.values(at, before_lsn, READ_BATCH_RECORDS, REWRITE_BATCH_BYTES)
                writer.commit(
                    (
                        (keys.record_key(lsn), record.redacted(value) if lsn in gone else value)
                        for lsn, value in values
                    ),
                    {},
                )
                at = reader.next_lsn(values[-1][0]) if values else None
            # At the end, so that a copy with state is a whole one.
            rows = reader.rows().items()
            writer.commit((), {key: row for key, row in rows if not is_gone(key, row)})
        finally:
            writer.close()
    finally:
        reader.close()
