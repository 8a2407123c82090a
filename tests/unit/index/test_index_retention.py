"""The index may keep less than the journal: by age, and by what its file takes."""

from pathlib import Path

import pytest

from sidespand.index.indexer import Indexer, IndexOptions
from sidespand.journal.reader import JournalReader
from tests.clocks import ManualClock
from tests.unit.index.test_indexer import PATH, found, said
from tests.unit.journal.upkeeping import kept

pytestmark = pytest.mark.slow
DAY_S = 86400
KEPT = IndexOptions(retention_s=4.0 * DAY_S)


def _days(data_dir: Path, days: int) -> ManualClock:
    """Record a span a day, the first in trace 1; return the clock, which stands at the last."""
    clock = ManualClock()
    with kept(data_dir, clock=clock) as store:
        for day in range(1, days + 1):
            store.life.append(said(day))
            if day < days:
                clock.pass_time(DAY_S)
    return clock


def _indexed(data_dir: Path, options: IndexOptions, clock: ManualClock) -> None:
    """Index all of a store, and have what is kept too long removed, as it is now and then."""
    journal = JournalReader(data_dir)
    indexer = Indexer(
        journal, data_dir / PATH, journal.store_id, options, lambda _lineage, _generation: "",
        wall_ns=clock.wall_ns,
    )  # fmt: skip
    tail = journal.tail()
    assert tail is not None
    indexer._open()
    while indexer.position != tail:
        assert indexer._index(tail)
    indexer._keep_retention()
    while indexer._trim_to:
        indexer._trim()
    indexer._close()
    journal.close()


def test_what_is_older_than_the_retention_leaves_the_index(tmp_path: Path) -> None:
    """Also right after it was built from a journal that has more, however little there is."""
    clock = _days(tmp_path, 10)
    _indexed(tmp_path, KEPT, clock)
    assert found(tmp_path, "") == [10, 9, 8, 7, 6]
    assert found(tmp_path, "secret0005") == []
    assert found(tmp_path, "secret0006") == [6]
    clock.pass_time(2 * DAY_S + 60)
    _indexed(tmp_path, KEPT, clock)
    assert found(tmp_path, "") == [10, 9]


def test_an_index_of_which_all_is_too_old_is_empty_and_goes_on(tmp_path: Path) -> None:
    """The newest goes, too; what comes afterwards is found."""
    clock = _days(tmp_path, 3)
    clock.pass_time(30 * DAY_S)
    _indexed(tmp_path, KEPT, clock)
    assert found(tmp_path, "") == []
    with kept(tmp_path, clock=clock) as store:
        store.life.append(said(4))
    _indexed(tmp_path, KEPT, clock)
    assert found(tmp_path, "") == [4]
    assert found(tmp_path, "secret0004") == [4]


def test_the_oldest_part_gives_way_to_the_bound_of_the_file(tmp_path: Path) -> None:
    """One part each time; the newest stays, whatever it takes."""
    clock = _days(tmp_path, 10)
    tight = IndexOptions(retention_s=80.0 * DAY_S, retention_bytes=1)
    _indexed(tmp_path, tight, clock)
    left = found(tmp_path, "")
    assert left == sorted(left, reverse=True)
    assert 1 <= len(left) < 10
    for _ in range(10):
        _indexed(tmp_path, tight, clock)
    assert found(tmp_path, "")[0] == 10
    roomy = IndexOptions(retention_s=80.0 * DAY_S, retention_bytes=2**30)
    before = found(tmp_path, "")
    _indexed(tmp_path, roomy, clock)
    assert found(tmp_path, "") == before
