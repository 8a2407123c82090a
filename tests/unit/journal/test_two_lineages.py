"""Two lineages in one store are one log to whoever reads it."""

import shutil
from pathlib import Path

import pytest

from sidespand.journal.reader import JournalReader
from sidespand.model import Gap, Position, Record
from tests.clocks import ManualClock
from tests.unit.journal.copies import backup
from tests.unit.journal.lives import living, read_all, records, segment_files
from tests.unit.journal.making import content


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Return a store whose second lineage began when it was moved; two segments each."""
    store = tmp_path / "store"
    clock = ManualClock()
    for accept_move in (False, True):
        with living(store, clock, accept_move=accept_move) as life:
            life.append(content(b"a"))
            clock.pass_time(3601)
            life.append(content(b"b"))
        copy = backup(store)
        shutil.rmtree(store)
        copy.rename(store)
    return store


def test_they_are_read_one_after_the_other(two: Path) -> None:
    """Positions rise over both, from wherever one begins to read, and backwards too."""
    found = records(two)
    assert [one.payload for one in found if not one.header.kind.is_control] == [
        b"a", b"b", b"a", b"b",
    ]  # fmt: skip
    assert len({one.header.lineage for one in found}) == 2
    for at, one in enumerate(found):
        assert read_all(two, one.position) == found[at + 1 :]
    reader = JournalReader(two)
    try:
        assert list(reader.newest_first()) == found[::-1]
        assert reader.tail() == found[-1].position
        assert reader.ends() == [
            max(one.position for one in found if one.ordinal == ordinal) for ordinal in (1, 2)
        ]
    finally:
        reader.close()


def test_each_lineage_has_a_directory(two: Path) -> None:
    """Its name has the number by which the log runs, and the lineage."""
    names = [path.parent.name for path in segment_files(two)]
    assert [name.partition("-")[0] for name in names] == ["0001", "0001", "0002", "0002"]
    assert {name.partition("-")[2] for name in names} == {
        one.header.lineage.hex() for one in records(two)
    }


def test_a_damaged_end_of_the_old_lineage_is_a_gap(two: Path) -> None:
    """Where it ends, the new lineage's first record says."""
    whole = records(two)
    old = [one for one in whole if one.position.ordinal == 1]
    path = segment_files(two)[1]
    path.write_bytes(b"\xa5" * path.stat().st_size)

    found = read_all(two)

    (gap,) = [one for one in found if isinstance(one, Gap)]
    assert (gap.lineage, gap.last, gap.reason) == (
        old[-1].header.lineage, old[-1].position.lsn, "damaged",
    )  # fmt: skip
    new = [one for one in whole if one.position.ordinal == 2]
    assert [one for one in found if isinstance(one, Record)][-len(new) :] == new


def test_a_cursor_of_a_lost_lineage_of_the_same_number_is_not_believed(two: Path) -> None:
    """It names another lineage: this one is read from its beginning."""
    new = [one for one in records(two) if one.position.ordinal == 2]
    assert read_all(two, Position(2, b"another!", new[-1].position.lsn)) == new
