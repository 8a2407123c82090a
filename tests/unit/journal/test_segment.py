"""One segment: what a commit does, what a reader sees, and faults that are told apart."""

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from sidespand.errors import StoreUnreadable
from sidespand.journal import segment
from sidespand.journal.keys import record_key
from sidespand.journal.segment import CommitFailed, SegmentFull, SegmentReader, SegmentWriter
from sidespand.journal.segment_file import SegmentDamaged
from sidespand.limits import KIB, MIB, SEGMENT_LOCK_BYTES
from tests.unit.journal.faults import file_size_limit

MAP_BYTES = 8 * MIB
EVERYTHING = (10_000, 64 * MIB)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where an empty segment lies."""
    made = tmp_path / "00000000000000000001.mdb"
    segment.create(made, MAP_BYTES)
    return made


@pytest.fixture
def writer(path: Path) -> Iterator[SegmentWriter]:
    """Return its writer."""
    opened = SegmentWriter(path, MAP_BYTES, sync=True)
    yield opened
    opened.close()


def test_a_new_segment_is_whole_and_empty(path: Path) -> None:
    """It can be read at once, holds nothing, and its lock file has its room on disk."""
    lock = segment.lock_path(path)
    assert lock.stat().st_blocks * 512 >= SEGMENT_LOCK_BYTES
    assert path.stat().st_mode & 0o777 == lock.stat().st_mode & 0o777 == 0o600
    reader = SegmentReader(path, locked=False)
    assert reader.values(1, None, *EVERYTHING) == []
    assert reader.last_values(None, *EVERYTHING) == []
    assert reader.rows() == {}
    assert reader.row(b"head") is None
    assert reader.next_lsn(0) is None
    reader.close()


def test_creating_replaces_what_a_crash_left(path: Path) -> None:
    """A half-made segment at the same place is not built upon."""
    path.write_bytes(b"junk")
    segment.create(path, MAP_BYTES)
    SegmentReader(path, locked=False).close()


def test_a_commit_holds_records_and_rows_together(path: Path, writer: SegmentWriter) -> None:
    """What one transaction wrote is read back; a row of None is deleted."""
    used = writer.commit(
        [(record_key(1), b"a"), (record_key(3), b"b")], {b"head": b"1", b"x": b"2"}
    )
    more = writer.commit([(record_key(4), b"c")], {b"head": b"3", b"x": None, b"absent": None})
    assert 0 < used <= more <= path.stat().st_size
    writer.close()
    reader = SegmentReader(path, locked=False)
    assert reader.values(1, None, *EVERYTHING) == [(1, b"a"), (3, b"b"), (4, b"c")]
    assert reader.rows() == {b"head": b"3"}
    reader.close()


@pytest.mark.parametrize("lsn", [1, 2, 3])
def test_an_lsn_is_never_written_twice(path: Path, writer: SegmentWriter, lsn: int) -> None:
    """A key that is not above all others aborts the whole transaction."""
    writer.commit([(record_key(3), b"first")], {})
    with pytest.raises(CommitFailed, match=f"already holds LSN {lsn}"):
        writer.commit([(record_key(9), b"new"), (record_key(lsn), b"again")], {b"head": b"1"})
    writer.close()
    reader = SegmentReader(path, locked=False)
    assert reader.values(1, None, *EVERYTHING) == [(3, b"first")]
    assert reader.rows() == {}
    reader.close()


def test_a_full_map_writes_nothing(path: Path, writer: SegmentWriter) -> None:
    """A transaction without room leaves the segment as it was, and a smaller one still fits."""
    writer.commit([(record_key(1), b"a")], {})
    with pytest.raises(SegmentFull):
        writer.commit([(record_key(2), bytes(MAP_BYTES))], {b"head": b"1"})
    writer.commit([(record_key(3), b"c")], {})
    writer.close()
    reader = SegmentReader(path, locked=False)
    assert reader.values(1, None, *EVERYTHING) == [(1, b"a"), (3, b"c")]
    reader.close()


def test_a_disk_that_refuses_is_a_failed_commit(path: Path, writer: SegmentWriter) -> None:
    """A real write error is a failed commit, and what was committed before is still there."""
    writer.commit([(record_key(1), b"a")], {b"head": b"1"})
    with file_size_limit(16 * KIB), pytest.raises(CommitFailed):
        writer.commit([(record_key(2), bytes(MIB))], {b"head": b"2"})
    writer.close()
    reader = SegmentReader(path, locked=False)
    assert reader.values(1, None, *EVERYTHING) == [(1, b"a")]
    assert reader.rows() == {b"head": b"1"}
    reader.close()


def test_a_writer_that_cannot_open_says_so(tmp_path: Path) -> None:
    """LMDB's own errors do not leave the module."""
    with pytest.raises(CommitFailed, match="nowhere"):
        SegmentWriter(tmp_path / "nowhere/1.mdb", MAP_BYTES, sync=True)
    with pytest.raises(OSError, match="nowhere"):
        segment.create(tmp_path / "nowhere/1.mdb", MAP_BYTES)


class TestReading:
    """Records 1-2, 3-3, 10-14 and 15-15."""

    @pytest.fixture
    def reader(self, path: Path, writer: SegmentWriter) -> Iterator[SegmentReader]:
        """Return a reader of four records."""
        writer.commit([(record_key(lsn), bytes([lsn]) * 10) for lsn in (1, 3, 10, 15)], {})
        writer.close()
        opened = SegmentReader(path, locked=False)
        yield opened
        opened.close()

    @pytest.mark.parametrize(
        ("first", "before", "expected"),
        [
            (1, None, [1, 3, 10, 15]),
            (2, None, [1, 3, 10, 15]),
            (3, None, [3, 10, 15]),
            (4, None, [3, 10, 15]),
            (12, None, [10, 15]),
            (16, None, [15]),
            (0, None, [1, 3, 10, 15]),
            (1, 10, [1, 3]),
            (1, 11, [1, 3, 10]),
            (1, 1, []),
        ],
    )
    def test_values_begin_with_the_record_that_may_hold_an_lsn(
        self, reader: SegmentReader, first: int, before: int | None, expected: list[int]
    ) -> None:
        """The record at or before the LSN comes first; one that starts at the bound does not."""
        assert [lsn for lsn, _ in reader.values(first, before, *EVERYTHING)] == expected

    def test_a_batch_is_bounded_by_records_and_bytes(self, reader: SegmentReader) -> None:
        """The record that reaches a bound is the last one."""
        assert [lsn for lsn, _ in reader.values(1, None, 2, MIB)] == [1, 3]
        assert [lsn for lsn, _ in reader.values(1, None, 100, 11)] == [1, 3]
        assert [lsn for lsn, _ in reader.last_values(None, 3, MIB)] == [15, 10, 3]
        assert [lsn for lsn, _ in reader.last_values(None, 100, 20)] == [15, 10]

    @pytest.mark.parametrize(
        ("before", "expected"),
        [
            (None, [15, 10, 3, 1]),
            (16, [15, 10, 3, 1]),
            (15, [10, 3, 1]),
            (12, [10, 3, 1]),
            (1, []),
        ],
    )
    def test_last_values_go_backwards(
        self, reader: SegmentReader, before: int | None, expected: list[int]
    ) -> None:
        """What starts before the bound, the newest first."""
        assert [lsn for lsn, _ in reader.last_values(before, *EVERYTHING)] == expected

    def test_the_next_record_is_named(self, reader: SegmentReader) -> None:
        """Where a record's successor starts, whether or not the record itself can be read."""
        assert [reader.next_lsn(lsn) for lsn in (1, 3, 10, 15)] == [3, 10, 15, None]


def test_a_missing_segment_is_not_a_damaged_one(tmp_path: Path) -> None:
    """A reader can tell trimmed from broken."""
    with pytest.raises(FileNotFoundError):
        SegmentReader(tmp_path / "1.mdb", locked=False)


def test_an_environment_without_our_databases_is_damaged(tmp_path: Path) -> None:
    """A file that LMDB can open, but that is no segment, is refused."""
    lmdb.open(str(tmp_path / "1.mdb"), subdir=False, lib_version=0).close()
    with pytest.raises(SegmentDamaged, match="holds no records"):
        SegmentReader(tmp_path / "1.mdb", locked=False)


def test_a_page_of_zeros_is_damage(path: Path, writer: SegmentWriter) -> None:
    """Where LMDB meets a broken page, the error says which file and does not kill the process."""
    writer.commit([(record_key(lsn), bytes(1000)) for lsn in range(1, 50)], {})
    writer.close()
    with path.open("r+b") as file:
        file.seek(2 * 4 * KIB)
        file.write(bytes(path.stat().st_size - 2 * 4 * KIB))
    with pytest.raises(StoreUnreadable, match=path.name):
        _read(path)


def _read(path: Path) -> None:
    reader = SegmentReader(path, locked=False)
    try:
        reader.values(1, None, *EVERYTHING)
    finally:
        reader.close()


def test_a_reader_knows_when_its_file_was_replaced(path: Path, tmp_path: Path) -> None:
    """Another file at the path, or none, is not what the reader has open."""
    reader = SegmentReader(path, locked=False)
    assert not reader.replaced()
    other = tmp_path / "spare.mdb"
    segment.create(other, MAP_BYTES)
    segment.move(other, path)
    assert reader.replaced()
    segment.remove(path)
    assert reader.replaced()
    reader.close()


def test_moving_takes_the_lock_file_along(path: Path, tmp_path: Path) -> None:
    """A segment's place and its lock file's are one, and its directory is made."""
    destination = tmp_path / "0001-00/00000000000000000009.mdb"
    segment.move(path, destination)
    assert not path.exists()
    assert not segment.lock_path(path).exists()
    assert segment.lock_path(destination).stat().st_size >= SEGMENT_LOCK_BYTES
    SegmentReader(destination, locked=True).close()
    segment.remove(destination)
    segment.remove(destination)
    assert list(destination.parent.iterdir()) == []
