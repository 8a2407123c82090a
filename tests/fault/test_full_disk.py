"""A disk that is really full: senders are told to come back, nothing acked is lost unsaid."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.errors import Unavailable
from sidespand.journal.retention import Retention
from sidespand.limits import COMMIT_FAILURES_MAX, GIB, MIB
from sidespand.model import Gap, Kind, Position, Record
from tests.disks import fill, mounted
from tests.unit.journal.lives import read_all
from tests.unit.journal.upkeeping import Kept, controls, kept, payload

pytestmark = pytest.mark.slow

DISK_BYTES = 16 * MIB
REQUESTS_MAX = 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a small disk of its own."""
    with mounted(tmp_path / "disk", DISK_BYTES) as place:
        yield place


def patient(*, drop_oldest: bool = False) -> Retention:
    """Return a policy that nothing but a full disk makes trim."""
    return Retention(1e9, GIB, 0.0, drop_oldest, frozenset({"archive"}))


def fill_until_refused(store: Kept, first: int = 0) -> dict[int, int]:
    """Append until a sender is told to come back; return the LSN of each request that was acked.

    However often it asks again, that is no failure of the disk, which would end the process.
    """
    acked = {}
    for number in range(first, first + REQUESTS_MAX):
        try:
            (acked[number],) = store.fill(1, number)
        except Unavailable:
            for _ in range(COMMIT_FAILURES_MAX):
                with pytest.raises(Unavailable):
                    store.fill(1, number)
            assert store.life.fatal == []
            return acked
    raise AssertionError("the disk was never full")


def numbers(data_dir: Path, after: Position | None = None) -> dict[int, int]:
    """Return the LSN of each request that can be read; every hole must be one that was trimmed."""
    found = {}
    for one in read_all(data_dir, after):
        if isinstance(one, Gap):
            assert one.reason == "trimmed"
            continue
        assert isinstance(one, Record)
        if one.header.kind is Kind.SPANS and one.payload:
            number = int(one.payload[7:11])
            assert one.payload == payload(number)
            found[number] = one.header.first_lsn
    return found


@pytest.mark.fault(11, 13)
def test_a_full_disk_refuses_until_a_sink_has_caught_up(disk: Path) -> None:
    """No acked record goes before its sink has it; then there is room again, without a restart."""
    data_dir = disk / "store"
    with kept(data_dir, retention=patient()) as store:
        acked = fill_until_refused(store)
        assert store.trim() == 0
        with pytest.raises(Unavailable):
            store.fill(1, len(acked))
        assert store.life.fatal == []

        passed = store.life.store.position
        assert store.trim(archive=passed) >= 1
        more = fill_until_refused(store, len(acked))
        assert more
        dropped = store.upkeep.figures.dropped_items
    assert dropped == 0
    found = numbers(data_dir)
    assert more.items() <= found.items()
    assert all(lsn <= passed.lsn for number, lsn in acked.items() if number not in found)
    assert {body["reason"] for body in controls(data_dir, Kind.TRIM)} == {"no_room"}


@pytest.mark.fault(13)
def test_a_full_disk_drops_the_oldest_by_choice(disk: Path) -> None:
    """New records are taken for ever, and each loss is declared with who never got it."""
    data_dir = disk / "store"
    with kept(data_dir, retention=patient(drop_oldest=True)) as store:
        acked: dict[int, int] = {}
        for _ in range(3):
            acked |= fill_until_refused(store, len(acked))
            assert store.trim() >= 1
        dropped = store.upkeep.figures.dropped_items
    found = numbers(data_dir)
    lost = {lsn for number, lsn in acked.items() if number not in found}
    declared = controls(data_dir, Kind.DROP)
    assert lost
    assert dropped >= len(lost)
    assert all(body["sinks"] == ["archive"] for body in declared)
    # A declaration may be lost with the segment that held it; what is left reaches to the oldest.
    oldest = min(found.values())
    assert max(body["last_lsn"] for body in declared) >= oldest - 4


@pytest.mark.fault(11)
def test_another_program_fills_the_disk(disk: Path) -> None:
    """The journal refuses, lives on, and accepts as soon as there is room; no acked one is lost."""
    data_dir = disk / "store"
    with kept(data_dir, retention=patient()) as store:
        acked = dict(enumerate(store.fill(2)))
        fill(disk / "filler")
        acked |= fill_until_refused(store, len(acked))
        assert store.life.fatal == []
        store.trim()
        (disk / "filler").unlink()
        store.trim()
        (acked[len(acked)],) = store.fill(1, len(acked))
        assert store.life.fatal == []
    assert acked.items() <= numbers(data_dir).items()


@pytest.mark.fault(11, 13)
def test_a_store_over_its_size_is_trimmed_on_a_full_disk(disk: Path) -> None:
    """There is no room for the record of the trim either; the file goes first, and makes it."""
    data_dir = disk / "store"
    with kept(data_dir, retention=Retention(1e9, 4 * MIB, 0.0)) as store:
        acked = fill_until_refused(store)
        assert store.trim() >= 1
        more = fill_until_refused(store, len(acked))
        assert more
        assert store.life.fatal == []
    assert more.items() <= numbers(data_dir).items()
