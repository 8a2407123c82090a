"""A segment's file is looked at before LMDB maps it: what is cut short must not kill its reader."""

from pathlib import Path

import pytest

from sidespand.journal import segment
from sidespand.journal.keys import record_key
from sidespand.journal.segment import SegmentReader, SegmentWriter
from sidespand.journal.segment_file import SegmentDamaged, inspect
from sidespand.limits import MIB

MAP_BYTES = 8 * MIB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a segment that holds a few hundred KiB."""
    made = tmp_path / "1.mdb"
    segment.create(made, MAP_BYTES)
    writer = SegmentWriter(made, MAP_BYTES, sync=True)
    for lsn in range(1, 40):
        writer.commit([(record_key(lsn), bytes(10_000))], {})
    writer.close()
    return made


def test_the_meta_pages_say_what_the_writer_used(path: Path) -> None:
    """The map size is the writer's, and the file is as long as its last page."""
    meta = inspect(path)
    assert meta.map_bytes == MAP_BYTES
    assert 390_000 < meta.used_bytes <= path.stat().st_size
    assert meta.used_bytes % meta.page_bytes == 0


def test_zeros_beyond_the_last_page_do_no_harm(path: Path) -> None:
    """A prewritten file is longer than what is in use."""
    used = inspect(path).used_bytes
    with path.open("ab") as file:
        file.write(bytes(MIB))
    assert inspect(path).used_bytes == used


@pytest.mark.fault(18)
@pytest.mark.parametrize("kept", [0, 1, 15, 16, 100, 4096, 8192, 100_000])
def test_a_cut_file_is_damaged(path: Path, kept: int) -> None:
    """Any length below the stated one is refused before it is mapped."""
    with path.open("r+b") as file:
        file.truncate(kept)
    with pytest.raises(SegmentDamaged, match=path.name) as caught:
        SegmentReader(path, locked=False)
    assert "sidespan salvage" in caught.value.hint


def test_one_missing_page_is_enough(path: Path) -> None:
    """The last page in use counts, and the length is told."""
    meta = inspect(path)
    with path.open("r+b") as file:
        file.truncate(meta.used_bytes - 1)
    with pytest.raises(SegmentDamaged, match=f"{meta.used_bytes - 1} bytes of {meta.used_bytes}"):
        inspect(path)


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("offset", "written"),
    [
        (0, b"\xff" * 4096),
        (16, b"\0\0\0\0"),
        (20, b"\x63\0\0\0"),
        (40, b"\0\0\0\0"),
        (40, b"\xff\xff\xff\xff"),
    ],
    ids=["garbage", "magic", "version", "page of 0", "page of 4 GiB"],
)
def test_a_first_page_of_something_else_is_damaged(path: Path, offset: int, written: bytes) -> None:
    """Only the meta page of our LMDB format is believed."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(written)
    with pytest.raises(SegmentDamaged, match=path.name):
        inspect(path)


def test_an_absent_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    """What is not there raises what readers turn into a gap."""
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "absent")
