"""The next segment, made ahead: whole when it is taken, and gone when nobody needs it."""

from pathlib import Path

import pytest

from sidespand import platform
from sidespand.journal import segment
from sidespand.journal.segment import SegmentReader, SegmentWriter
from sidespand.journal.spare import SpareMaker, write_first
from sidespand.limits import KIB, MIB
from tests.clocks import ManualClock
from tests.daemon import wait_until
from tests.unit.journal.faults import file_size_limit

SEGMENT_BYTES = 2 * MIB
MAP_BYTES = 8 * MIB


class Spares:
    """A spare in the making, whose open segment is as full as the test says."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "spare.mdb"
        self.fill = 0.0
        self.clock = ManualClock()
        self.maker = SpareMaker(self.path, SEGMENT_BYTES, MAP_BYTES, lambda: self.fill, self.clock)

    def written_bytes(self) -> int:
        """Return how far the spare was written, its own pages included."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        return len(raw)


def assert_empty_and_usable(path: Path) -> None:
    """Check that a segment is whole: it takes a commit and gives it back."""
    writer = SegmentWriter(path, MAP_BYTES, sync=True)
    writer.commit([(bytes(8), b"x")], {})
    writer.close()
    reader = SegmentReader(path, locked=False)
    assert reader.values(0, None, 10, MIB) == [(0, b"x")]
    reader.close()


def test_a_spare_is_allocated_and_taken(tmp_path: Path) -> None:
    """It is as long as a segment, moves with its lock file, and the next one follows."""
    spares = Spares(tmp_path)
    spares.maker.start()
    try:
        wait_until(lambda: spares.written_bytes() >= SEGMENT_BYTES, 10, "the first spare")
        spares.fill = 1.0
        destination = tmp_path / "0001-00/00000000000000000007.mdb"
        spares.maker.take(destination)
        assert destination.stat().st_size >= SEGMENT_BYTES
        assert segment.lock_path(destination).exists()
        assert_empty_and_usable(destination)
        wait_until(lambda: spares.written_bytes() >= SEGMENT_BYTES, 10, "the second spare")
    finally:
        spares.maker.close()
    assert not spares.path.exists()
    assert not segment.lock_path(spares.path).exists()


def test_without_a_spare_a_segment_is_made_at_once(tmp_path: Path) -> None:
    """Taking does not wait for the thread that works ahead; the room in it is the segment's own."""
    spares = Spares(tmp_path)
    destination = tmp_path / "1.mdb"
    spares.maker.take(destination)
    assert platform.occupied_bytes(destination.stat()) >= SEGMENT_BYTES
    assert_empty_and_usable(destination)
    spares.maker.close()


def test_what_stands_in_the_place_is_replaced(tmp_path: Path) -> None:
    """A segment whose first commit failed gives its place to the new one."""
    spares = Spares(tmp_path)
    destination = tmp_path / "1.mdb"
    segment.create(destination, MAP_BYTES)
    assert_empty_and_usable(destination)
    spares.maker.take(destination)
    assert_empty_and_usable(destination)
    spares.maker.close()


def test_many_rolls_in_a_row_take_whole_segments(tmp_path: Path) -> None:
    """Whatever the making thread is at, what is taken is empty and whole, and stays so."""
    spares = Spares(tmp_path)
    spares.fill = 1.0
    spares.maker.start()
    writers = []
    try:
        for number in range(1, 31):
            destination = tmp_path / f"{number}.mdb"
            spares.maker.take(destination)
            writers.append(SegmentWriter(destination, MAP_BYTES, sync=False))
            writers[-1].commit([(bytes(8), bytes([number]) * 300_000)], {})
    finally:
        spares.maker.close()
    for number, writer in enumerate(writers, 1):
        writer.close()
        reader = SegmentReader(tmp_path / f"{number}.mdb", locked=False)
        assert reader.values(0, None, 10, MIB) == [(0, bytes([number]) * 300_000)]
        reader.close()


def test_a_disk_without_room_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """Taking fails while there is no room, leaves nothing at the destination, and works later."""
    spares = Spares(tmp_path)
    destination = tmp_path / "1.mdb"
    with file_size_limit(1 * KIB), pytest.raises(OSError, match=r"."):
        spares.maker.take(destination)
    assert not destination.exists()
    spares.maker.take(destination)
    assert_empty_and_usable(destination)
    spares.maker.close()


def test_a_spare_that_cannot_be_made_ahead_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No room for the next segment is no reason to stop: it is a warning until the roll."""
    spares = Spares(tmp_path)
    with file_size_limit(100 * KIB):
        spares.maker.start()
        wait_until(lambda: "cannot make the next segment" in caplog.text, 10, "the warning")
    spares.maker.close()


def test_the_first_segment_is_written_ahead_in_part(tmp_path: Path) -> None:
    """It is allocated whole, its own pages are kept, and the rest reads as zeros."""
    path = tmp_path / "1.mdb"
    segment.create(path, MAP_BYTES)
    own = path.read_bytes()
    write_first(path, MIB + 100, SEGMENT_BYTES)
    raw = path.read_bytes()
    assert len(raw) >= SEGMENT_BYTES
    assert raw.startswith(own)
    assert not any(raw[len(own) :])
    assert_empty_and_usable(path)
