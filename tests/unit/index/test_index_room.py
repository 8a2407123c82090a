"""On a disk that fills up the index gives way to the journal; with room again it comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.errors import NotFound, Unavailable
from sidespand.index.indexer import Indexer, IndexOptions
from sidespand.index.reader import IndexReader
from sidespand.index.room import Room
from sidespand.journal.reader import JournalReader
from sidespand.limits import INDEX_GIVE_WAY_S, MIB
from tests import disks, indexes, journals
from tests.otlp import encoded

DISK_BYTES = 32 * MIB


class Time:
    """A monotonic clock that stands until it is told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the index's directory, which is a disk of its own."""
    with disks.mounted(tmp_path / "index", DISK_BYTES) as place:
        yield place


async def _filled(data_dir: Path, disk: Path, time: Time) -> tuple[Indexer, JournalReader]:
    """Return an indexer that has read three spans, and waits before the fourth."""
    contents = [journals.content(encoded(3)), journals.content(encoded())]
    first, second = await journals.write(data_dir, contents)
    indexer, journal = indexes.indexer_of(data_dir, IndexOptions(disk_free_min=0.1), time_s=time)
    indexer.start()
    indexer.advance(first)
    await journals.eventually(lambda: indexer.position == first, "the first three")
    disks.crowd(disk / "filler")
    indexer.advance(second)
    await journals.eventually(lambda: _waits(indexer), "the index to wait")
    return indexer, journal


def _waits(indexer: Indexer) -> bool:
    try:
        indexer.raise_failure()
    except Unavailable as error:
        return "nearly full" in str(error)
    return False


@pytest.mark.slow
def test_it_waits_while_the_disk_is_nearly_full(tmp_path: Path, disk: Path) -> None:
    """It grows no further, answers from what it has, and goes on with room again."""

    async def run() -> None:
        time = Time()
        indexer, journal = await _filled(tmp_path, disk, time)
        before = indexer.position
        time.now_s += INDEX_GIVE_WAY_S - 1
        indexer.look()
        assert len(indexes.everything(indexer.path)["spans"]) == 3
        assert indexer.position == before
        (disk / "filler").unlink()
        await indexes.caught_up(indexer, journal)
        assert len(indexes.everything(indexer.path)["spans"]) == 4
        assert not _waits(indexer)
        assert indexer.rebuilds == 0
        indexer.stop()
        journal.close()

    journals.run(run())


@pytest.mark.slow
def test_it_goes_when_that_lasts(tmp_path: Path, disk: Path) -> None:
    """Its file makes room for the journal; with more room it is built anew and has everything."""

    async def run() -> None:
        time = Time()
        indexer, journal = await _filled(tmp_path, disk, time)
        time.now_s += INDEX_GIVE_WAY_S
        indexer.look()
        await journals.eventually(lambda: not indexer.path.exists(), "the index to give way")
        # Nothing is kept, so that nothing is left to erase.
        await indexer.erase(())
        with pytest.raises(NotFound):
            IndexReader(indexer.path).position()
        (disk / "filler").unlink()
        await indexes.caught_up(indexer, journal)
        assert len(indexes.everything(indexer.path)["spans"]) == 4
        assert indexer.rebuilds == 1
        indexer.stop()
        journal.close()

    journals.run(run())


@pytest.mark.slow
def test_it_stops_before_the_journal_must(disk: Path) -> None:
    """It leaves a quarter more of the disk free than the journal, and something in any case."""
    time = Time()
    with (disk / "filler").open("wb") as filler:
        filler.write(bytes(int(DISK_BYTES * 0.89)))
        filler.flush()
        assert Room(disk, 0.1, time).lacks()
        assert not Room(disk, 0.08, time).lacks()
        assert not Room(disk, 0.0, time).lacks()
        filler.write(bytes(int(DISK_BYTES * 0.09)))
        filler.flush()
        assert Room(disk, 0.0, time).lacks()
