"""An index whose process ends in the middle: the next one does what the log told of."""

import sqlite3
from pathlib import Path

import pytest

from sidespand.index.indexer import IndexOptions
from sidespand.index.reader import IndexReader
from sidespand.search import parse
from tests import indexes, journals
from tests.unit.index.test_indexer import PATH, WORDS_OF_PADDING, found, index, said
from tests.unit.journal.upkeeping import WEEK_S, holding, kept

pytestmark = pytest.mark.slow


def _read_and_die(data_dir: Path) -> None:
    """Take in all of a journal, and end before what it told of is carried out."""
    indexer, journal = indexes.indexer_of(data_dir)
    tail = journal.tail()
    assert tail is not None
    indexer._open()
    while indexer.position != tail:
        assert indexer._index(tail)
    indexer._close()
    journal.close()


def test_a_redaction_that_was_read_of_is_carried_out_by_the_next_process(tmp_path: Path) -> None:
    """The end came after the batch that told of it, before the erasing."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(said(number)).first_lsn for number in range(1, 5)]
        target = store.target(lsns[2], (3).to_bytes(16, "big"))

    async def run() -> None:
        await index(tmp_path)

    journals.run(run())
    with kept(tmp_path) as store:
        store.life.run(store.upkeep.redact("ann", "asked to", [target]))
    _read_and_die(tmp_path)
    assert holding(tmp_path, b"named0003")
    journals.run(run())
    for word in (b"secret0003", b"named0003", b"model0003"):
        assert holding(tmp_path, word) == []
    assert found(tmp_path, "") == [4, 2, 1]


def test_an_erasure_is_done_only_when_no_file_holds_it(tmp_path: Path) -> None:
    """While somebody reads, SQLite's log still has it: that is refused, and done afterwards."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(said(number)).first_lsn for number in range(1, 4)]
        target = store.target(lsns[1], (2).to_bytes(16, "big"))

    async def run() -> None:
        await index(tmp_path)

    journals.run(run())
    with kept(tmp_path) as store:
        store.life.run(store.upkeep.redact("ann", "asked to", [target]))
    indexer, journal = indexes.indexer_of(tmp_path)
    tail = journal.tail()
    assert tail is not None
    indexer._open()
    assert indexer._writer is not None
    indexer._writer.db.execute("PRAGMA busy_timeout = 0")
    while indexer.position != tail:
        indexer._index(tail)
    other = sqlite3.connect(tmp_path / PATH, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM span").fetchone()
    with pytest.raises(OSError, match="being read"):
        indexer._erase_told()
    other.close()
    indexer._close()
    indexer._open()
    assert indexer._gone == [target.gap]
    indexer._erase_told()
    assert indexer._gone == []
    assert holding(tmp_path, b"named0002") == []
    indexer._close()
    indexer._open()
    assert indexer._gone == []
    indexer._close()
    journal.close()


def test_a_trim_that_was_read_of_is_carried_out_by_the_next_process(tmp_path: Path) -> None:
    """The end came after the batch that told of it: what has no body any more is not listed."""
    with kept(tmp_path) as store:
        for number in range(1, 25):
            store.life.append(said(number, WORDS_OF_PADDING))

    async def run() -> None:
        await index(tmp_path)

    journals.run(run())
    with kept(tmp_path) as store:
        store.clock.pass_time(WEEK_S + 1)
        assert store.trim() > 0
        oldest = store.life.store.segments[0].first_lsn
    _read_and_die(tmp_path)
    assert len(found(tmp_path, "")) == 24
    journals.run(run())
    left = found(tmp_path, "")
    assert 0 < len(left) < 24
    reader = IndexReader(tmp_path / PATH)
    assert all(row.first.lsn >= oldest for row in reader.traces(parse("")).rows)
    reader.close()

    async def again() -> None:
        # Holes and all, it is whole, and nobody takes it for damaged.
        assert await index(tmp_path) == 0

    journals.run(again())


def test_an_index_that_is_removed_while_it_is_written_is_built_again(tmp_path: Path) -> None:
    """Without being told: the file is missed within moments, and answers are whole again."""

    async def run() -> None:
        await journals.write(tmp_path, [said(number) for number in range(1, 6)])
        indexer, journal = indexes.indexer_of(tmp_path, IndexOptions())
        indexer.start()
        try:
            await indexes.caught_up(indexer, journal)
            for path in (tmp_path / PATH).parent.iterdir():
                path.unlink()
            indexer.look()
            await journals.eventually(lambda: indexer.rebuilds == 1, "the file to be missed")
            await indexes.caught_up(indexer, journal)
        finally:
            indexer.stop()
            journal.close()
        assert found(tmp_path, "") == [5, 4, 3, 2, 1]
        assert found(tmp_path, "secret0004") == [4]

    journals.run(run())
