"""Trimming a store that is being written: what goes is declared, and nothing else goes."""

from pathlib import Path

import pytest

from sidespand.errors import Unavailable
from sidespand.limits import MIB
from sidespand.model import Gap, Kind, Position, Record
from tests.clocks import ManualClock
from tests.unit.journal.lives import living, read_all, records, segment_files
from tests.unit.journal.making import content
from tests.unit.journal.upkeeping import WEEK_S, controls, keeping, kept


def end_of(data_dir: Path, number: int) -> Position:
    """Return the place of the last item of a closed segment."""
    first, following = (int(path.stem) for path in segment_files(data_dir)[number : number + 2])
    assert following > first
    lineage = bytes.fromhex(segment_files(data_dir)[number].parent.name.split("-")[1])
    return Position(1, lineage, following - 1)


@pytest.mark.slow
def test_old_segments_go_and_the_open_one_stays(tmp_path: Path) -> None:
    """All but the open segment are removed by age, each declared by a TRIM record."""
    with kept(tmp_path) as store:
        store.fill(10)
        files = segment_files(tmp_path)
        ends = [end_of(tmp_path, number).lsn for number in range(len(files) - 1)]
        assert len(files) >= 3

        assert store.trim() == 0
        store.clock.pass_time(WEEK_S + 1)
        assert store.trim() == len(files) - 1

        # The record that declares it is a week younger, and begins a segment.
        assert segment_files(tmp_path)[0] == files[-1]
        assert store.life.store.segments[0].first_lsn == ends[-1] + 1
        assert store.upkeep.figures.trimmed_items == ends[-1]
    bodies = controls(tmp_path, Kind.TRIM)
    assert [(body["last_lsn"], body["reason"]) for body in bodies] == [(e, "age") for e in ends]
    assert controls(tmp_path, Kind.DROP) == []


@pytest.mark.slow
def test_a_reader_behind_the_trim_gets_a_gap(tmp_path: Path) -> None:
    """A cursor in what was removed is answered with one trimmed gap, then the rest, densely."""
    with kept(tmp_path) as store:
        store.fill(7)
        end = end_of(tmp_path, 0)
        store.clock.pass_time(WEEK_S + 1)
        store.trim()
        oldest = store.life.store.segments[0].first_lsn

    first, *rest = read_all(tmp_path, end._replace(lsn=2))

    assert first == Gap(1, end.lineage, 3, oldest - 1, "trimmed")
    expected = oldest
    for one in rest:
        assert isinstance(one, Record)
        assert one.header.first_lsn == expected
        expected = one.header.last_lsn + 1


@pytest.mark.slow
def test_a_trimmed_store_opens_again(tmp_path: Path) -> None:
    """The next life goes on where this one ended, and what was removed stays away."""
    with kept(tmp_path) as store:
        store.fill(7)
        store.clock.pass_time(WEEK_S + 1)
        store.trim()
        last = store.life.store.head.last_lsn

    with living(tmp_path) as life:
        assert life.append(content(b"later")).first_lsn > last
    assert [one.payload for one in records(tmp_path)][-1] == b"later"


@pytest.mark.slow
def test_a_full_store_refuses_until_a_required_sink_has_passed(tmp_path: Path) -> None:
    """Clients are told to come back; the recorder's own records, and then theirs, are stored."""
    policy = keeping(bytes_max=4 * MIB, required=("archive",))
    with kept(tmp_path, retention=policy) as store:
        store.fill(10)

        assert store.trim() == 0
        with pytest.raises(Unavailable, match="archive") as refusal:
            store.fill(1)
        assert refusal.value.retry_after_ms >= 1000
        passed = end_of(tmp_path, 0)
        assert store.trim(archive=passed) == 1
        assert store.upkeep.figures.trimmed_items == passed.lsn
        store.trim(archive=store.life.store.position)

        store.fill(1, first=10)
        assert store.upkeep.figures.dropped_items == 0
    assert {body["reason"] for body in controls(tmp_path, Kind.TRIM)} == {"size"}
    assert controls(tmp_path, Kind.DROP) == []


@pytest.mark.slow
def test_a_full_store_drops_the_oldest_by_choice_and_says_so(tmp_path: Path) -> None:
    """A DROP record names the range, the reason and the sinks that never got it."""
    policy = keeping(bytes_max=4 * MIB, required=("archive",), drop_oldest=True)
    with kept(tmp_path, retention=policy) as store:
        store.fill(10)
        end = end_of(tmp_path, 0)

        gone = store.trim(archive=end._replace(lsn=end.lsn - 1))

        assert gone >= 1
        store.fill(1, first=10)
        dropped = store.upkeep.figures.dropped_items
    drops = controls(tmp_path, Kind.DROP)
    assert len(drops) == gone
    assert (drops[0]["first_lsn"], drops[0]["last_lsn"]) == (1, end.lsn)
    assert drops[0]["sinks"] == ["archive"]
    assert drops[0]["reason"] == "size"
    assert dropped == drops[-1]["last_lsn"]


@pytest.mark.fault(6)
@pytest.mark.slow
def test_a_removed_file_that_came_back_is_removed_again(tmp_path: Path) -> None:
    """A power cut may undo an unlink: the next life keeps to its register."""
    with kept(tmp_path) as store:
        store.fill(7)
        first = segment_files(tmp_path)[0]
        body = first.read_bytes()
        store.clock.pass_time(WEEK_S + 1)
        store.trim()
    first.write_bytes(body)

    with kept(tmp_path):
        assert first not in segment_files(tmp_path)


@pytest.mark.slow
def test_a_registered_segment_that_went_first_is_declared(tmp_path: Path) -> None:
    """On a full disk a file goes before its record: a crash in between is told by the next life."""
    with kept(tmp_path) as store:
        store.fill(7)
        first = segment_files(tmp_path)[0]
    first.unlink()

    with kept(tmp_path) as store:
        assert store.life.store.segments[0].first_lsn == int(segment_files(tmp_path)[0].stem)
    (body,) = controls(tmp_path, Kind.DROP)
    assert (body["first_lsn"], body["reason"]) == (1, "missing")


@pytest.mark.slow
def test_the_trimmed_head_of_a_later_lineage_is_a_gap(tmp_path: Path) -> None:
    """Who comes from an earlier lineage learns what it missed of the next one; others need not."""
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    with kept(earlier, clock=ManualClock(seed=1)) as store:
        store.fill(1)
        end = store.life.store.position
    with kept(later, clock=ManualClock(seed=2)) as store:
        store.fill(7)
        store.clock.pass_time(WEEK_S + 1)
        store.trim()
        where = store.life.store.position
        oldest = store.life.store.segments[0].first_lsn
    (lineage_dir,) = (later / "seg").glob("0001-*")
    lineage_dir.rename(earlier / "seg" / lineage_dir.name.replace("0001", "0002"))

    found = read_all(earlier, end)

    assert found[0] == Gap(2, where.lineage, 1, oldest - 1, "trimmed")
    assert all(isinstance(one, Record) for one in found[1:])
    assert found[1:] == read_all(earlier, found[0].position)
