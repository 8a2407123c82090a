"""One transaction has a batch and how far it comes; one that fails leaves nothing of itself."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from sidespand.index.files import facts_of, open_or_begin
from tests import emitted, indexes, journals
from tests.unit.index.test_indexer import PATH, found, index, said
from tests.unit.journal.upkeeping import kept

pytestmark = pytest.mark.slow


def test_rows_and_cursor_are_seen_together(tmp_path: Path) -> None:
    """Whenever somebody looks while a batch is written, the cursor is where the rows end."""
    path = tmp_path / "index.sqlite"
    writer = indexes.opened_writer(path)
    other = sqlite3.connect(path, isolation_level=None)
    looks: set[tuple[int, str | None]] = set()

    def look(_statement: str) -> None:
        (row,) = other.execute(
            "SELECT (SELECT coalesce(max(id & 0xffffffff), 0) FROM span),"
            " (SELECT value FROM meta WHERE key = 'position')"
        )
        looks.add(row)

    writer.db.set_trace_callback(look)
    records = journals.records([said(number) for number in range(1, 7)])
    for first in (0, 3):
        indexes.add(writer, records[first : first + 3])
        look("")
    writer.db.close()
    other.close()
    places = [f"1:{journals.LINEAGE.hex()}:{lsn}" for lsn in (3, 6)]
    assert looks == {(0, None), (3, places[0]), (6, places[1])}


@pytest.mark.parametrize("pages_left", [0, 1, 3])
def test_a_batch_that_fails_is_taken_in_again_and_counted_once(
    tmp_path: Path, pages_left: int
) -> None:
    """The file is full in the middle of it: nothing of it stays, and with room all is as ever."""

    async def run() -> None:
        contents = [one for capture in emitted.CAPTURES for one in emitted.contents(capture)]
        await journals.write(tmp_path, contents)

    journals.run(run())
    whole = tmp_path / "whole.sqlite"
    writer = indexes.opened_writer(whole)
    records = journals.records_of(tmp_path)
    indexes.add(writer, records)
    writer.db.close()
    indexer, journal = indexes.indexer_of(tmp_path)
    tail = journal.tail()
    assert tail is not None
    indexer._open()
    assert indexer._writer is not None
    db = indexer._writer.db
    early = records[6].position
    while indexer.position != early:
        assert indexer._index(early)
    before = indexes.everything(tmp_path / PATH)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + pages_left}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        indexer._index(tail)
    assert indexer.position == early
    assert indexes.everything(tmp_path / PATH) == before
    db.execute("PRAGMA max_page_count = 1000000")
    while indexer.position != tail:
        assert indexer._index(tail)
    indexer._close()
    journal.close()
    assert indexes.everything(tmp_path / PATH) == indexes.everything(whole)


def test_an_index_of_another_store_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    """Nor is one that was read by another normaliser: it is begun anew, and empty."""
    path = tmp_path / "index.sqlite"
    facts = facts_of("mine", {})
    for changed in (facts_of("another", {}), {**facts, "normaliser": -1}):
        db = open_or_begin(path, changed)
        db.execute("INSERT INTO lineage VALUES (9, x'00')")
        db.close()
        db = open_or_begin(path, changed)
        assert db.execute("SELECT count(*) FROM lineage").fetchone() == (1,)
        db.close()
        db = open_or_begin(path, facts)
        assert db.execute("SELECT count(*) FROM lineage").fetchone() == (0,)
        db.close()


def test_an_index_that_is_further_than_its_log_is_begun_anew(tmp_path: Path) -> None:
    """A copy of the store from before, put back beside the index: nothing else is found."""

    async def run() -> None:
        await journals.write(tmp_path / "now", [said(number) for number in range(1, 4)])
        shutil.copytree(tmp_path / "now", tmp_path / "before")
        await journals.write(tmp_path / "now", [said(number) for number in range(4, 8)])
        await index(tmp_path / "now")
        shutil.copytree(tmp_path / "now" / "index", tmp_path / "before" / "index")
        assert found(tmp_path / "before", "") == [7, 6, 5, 4, 3, 2, 1]
        await index(tmp_path / "before")
        assert found(tmp_path / "before", "") == [3, 2, 1]

    journals.run(run())


def test_all_that_is_to_be_erased_at_once_is_erased(tmp_path: Path) -> None:
    """Not the first alone, and nothing beside it."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(said(number)).first_lsn for number in range(1, 7)]
        targets = [store.target(lsns[number]) for number in (0, 3, 4)]

    async def run() -> None:
        indexer, journal = indexes.indexer_of(tmp_path)
        indexer.start()
        try:
            await indexes.caught_up(indexer, journal)
            await indexer.erase([target.gap for target in targets])
        finally:
            indexer.stop()
            journal.close()

    journals.run(run())
    assert found(tmp_path, "") == [6, 3, 2]
    for number in (1, 4, 5):
        assert found(tmp_path, f"secret{number:04d}") == []
    files = [path.read_bytes() for path in (tmp_path / PATH).parent.iterdir()]
    for word in (b"named0001", b"named0004", b"named0005"):
        assert not any(word in one for one in files)
