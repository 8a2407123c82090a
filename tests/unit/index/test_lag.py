"""How far the index is behind, as the metric and every answer of the API tell."""

from pathlib import Path

from tests import indexes, journals
from tests.unit.index.test_indexer import said


def test_the_lag_is_counted_in_items_and_in_time(tmp_path: Path) -> None:
    """From when something is durable until it is indexed; nothing is live that is being built."""

    async def run() -> None:
        await journals.write(tmp_path, [said(number) for number in range(1, 4)])
        indexer, journal = indexes.indexer_of(tmp_path)
        tail = journal.tail()
        assert tail is not None
        assert indexer.lag() == ("live", 0, 0.0)

        indexer.advance(tail)
        indexer._open()
        assert indexer.lag().items == tail.lsn
        await journals.eventually(lambda: indexer.lag().seconds > 0, "time to pass")
        while indexer.position != tail:
            indexer._index(tail)
        assert indexer.lag() == ("live", 0, 0.0)

        indexer._close()
        indexer._begin_anew()
        assert (indexer.lag().state, indexer.lag().items) == ("building", tail.lsn)
        indexer._open()
        while indexer.position != tail:
            indexer._index(tail)
        assert indexer.lag() == ("live", 0, 0.0)
        indexer._close()
        journal.close()

    journals.run(run())
