"""Steps of the wall clock: seen between any two records of a kernel boot, and said in the log."""

from pathlib import Path

import msgpack
import pytest

from sidespand import platform
from sidespand.journal import clock_step
from sidespand.journal.clock_step import Reading
from sidespand.journal.stamper import Draft, seal
from sidespand.limits import CLOCK_STEP_NS_MIN
from sidespand.model import Flag, Kind, Record
from tests.clocks import NS_PER_S, START_BOOTTIME_NS, START_WALL_NS, ManualClock
from tests.unit.journal.lives import living, records
from tests.unit.journal.making import content, decoded, empty_head

START = Reading(START_WALL_NS, START_BOOTTIME_NS)


class HeldUp(ManualClock):
    """A clock whose reader is kept waiting after its first reading."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self._wait_s = wait_s

    def wall_ns(self) -> int:
        """Return the wall clock, and let time pass once."""
        now_ns = super().wall_ns()
        self.pass_time(self._wait_s)
        self._wait_s = 0.0
        return now_ns


def bodies(found: list[Record]) -> list[dict[str, int | None]]:
    """Return what the CLOCK records say."""
    return [msgpack.unpackb(one.payload or b"") for one in found if one.header.kind is Kind.CLOCK]


@pytest.mark.parametrize("step_ns", [CLOCK_STEP_NS_MIN, -CLOCK_STEP_NS_MIN, 10**18])
@pytest.mark.parametrize("passed_s", [0, 0.1, 10**6])
def test_a_step_is_measured(step_ns: int, passed_s: float) -> None:
    """However long ago the last reading was, the step is what the wall was set by."""
    clock = ManualClock(START_WALL_NS + step_ns)
    clock.pass_time(passed_s)

    reading, found_ns = clock_step.read(clock, START)

    assert found_ns == step_ns
    assert reading == (clock.wall_ns(), clock.boottime_ns())


@pytest.mark.parametrize("apart_ns", [0, CLOCK_STEP_NS_MIN - 1, 1 - CLOCK_STEP_NS_MIN])
def test_less_is_no_step(apart_ns: int) -> None:
    """Readings that differ by what one thread may have waited between them are one moment."""
    clock = ManualClock(START_WALL_NS + apart_ns)

    assert clock_step.read(clock, START) == ((clock.wall_ns(), clock.boottime_ns()), 0)


def test_without_an_earlier_reading_there_is_no_step() -> None:
    """The first reading of all says nothing of a step."""
    assert clock_step.read(ManualClock(), Reading(0, 0)) == (START, 0)


@pytest.mark.parametrize("last", [START, Reading(0, 0)])
def test_a_thread_that_waited_sees_no_step(last: Reading) -> None:
    """A pause between the two readings is noticed, and both are read again."""
    clock = HeldUp(wait_s=0.2)

    reading, found_ns = clock_step.read(clock, last)

    assert found_ns == 0
    assert reading == (clock.wall_ns(), clock.boottime_ns())


def test_the_step_stands_before_the_record_that_shows_it() -> None:
    """A CLOCK record holds the readings on both sides; the next record shares the later one."""
    clock = ManualClock()
    head = empty_head()
    before = Draft(head, clock)
    before.stamp(seal(content(), clock), 0, 0)
    clock.pass_time(2)
    clock.step_wall(-3600)
    draft = Draft(before.head(), clock)
    placed = draft.stamp(seal(content(), clock), 0, 0)
    draft.stamp(seal(content(), clock), 0, 0)

    found = decoded([*before.values, *draft.values])

    kinds = [one.header.kind for one in found]
    assert kinds == [Kind.SPANS, Kind.CLOCK, Kind.SPANS, Kind.SPANS]
    assert [one.header.first_lsn for one in found] == [1, 2, 3, 4]
    assert placed.first_lsn == 3
    assert bodies(found) == [
        {
            "step_ns": -3600 * NS_PER_S,
            "before_wall_ns": START_WALL_NS,
            "before_boottime_ns": START_BOOTTIME_NS,
            "after_wall_ns": START_WALL_NS - 3598 * NS_PER_S,
            "after_boottime_ns": START_BOOTTIME_NS + 2 * NS_PER_S,
            "clock_error_us": None,
        }
    ]
    readings = [(one.header.wall_ns, one.header.boottime_ns) for one in found]
    assert readings[1] == readings[2]
    stamps = [one.header.stamp for one in found]
    assert stamps == sorted(set(stamps))


@pytest.mark.fault(41)
def test_a_step_never_splits_a_request(tmp_path: Path) -> None:
    """The records of one request keep gapless LSNs; the step is said before them."""
    clock = ManualClock()
    with living(tmp_path, clock) as life:
        life.append(content(b"first"))
        clock.step_wall(60)
        receipt = life.append(content(b"a", 2), content(b"b", 3))

    found = records(tmp_path)

    assert receipt.last_lsn - receipt.first_lsn + 1 == 5
    assert [one.header.kind for one in found[-3:]] == [Kind.CLOCK, Kind.SPANS, Kind.SPANS]
    assert found[-2].header.first_lsn == receipt.first_lsn


@pytest.mark.fault(41)
@pytest.mark.parametrize("same_boot", [True, False])
def test_a_step_across_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, same_boot: bool
) -> None:
    """It is seen while the kernel runs on; after a reboot the clocks have no common past."""
    clock = ManualClock()
    with living(tmp_path, clock) as life:
        life.append(content())
    clock.step_wall(-7)
    if not same_boot:
        monkeypatch.setattr(platform, "boot_id", lambda: b"another boot id!")
    with living(tmp_path, clock) as life:
        life.append(content())

    found = records(tmp_path)

    assert [body["step_ns"] for body in bodies(found)] == [-7 * NS_PER_S] * same_boot
    if same_boot:
        at = next(n for n, one in enumerate(found) if one.header.kind is Kind.CLOCK)
        assert found[at + 1].header.kind is Kind.GEN
        assert found[at].header.boot_generation == 2


def test_a_step_is_said_once(tmp_path: Path) -> None:
    """However many records and lives follow."""
    clock = ManualClock()
    for step_s in (5, 0, -5):
        with living(tmp_path, clock) as life:
            clock.step_wall(step_s)
            for _ in range(3):
                clock.pass_time(1)
                life.append(content())

    steps = [body["step_ns"] for body in bodies(records(tmp_path))]

    assert steps == [5 * NS_PER_S, -5 * NS_PER_S]


def test_a_record_says_how_good_its_clock_was(tmp_path: Path) -> None:
    """What the time daemon claims is asked once a second, between groups, and kept with each."""
    clock = ManualClock()
    clock.claimed_error_us = 420
    with living(tmp_path, clock) as life:
        life.append(content(b"vouched for"))
        clock.claimed_error_us = None
        life.append(content(b"within the second"))
        clock.pass_time(1)
        life.append(content(b"not asked yet"))
        life.append(content(b"unknown"))

    found = {one.payload: one.header for one in records(tmp_path)}

    for payload in (b"vouched for", b"within the second", b"not asked yet"):
        assert found[payload].clock_error_us == 420
        assert found[payload].flags & Flag.CLOCK_SYNCED
    assert found[b"unknown"].clock_error_us is None
    assert not found[b"unknown"].flags & Flag.CLOCK_SYNCED
    (generation,) = [one for one in found.values() if one.kind is Kind.GEN]
    assert generation.clock_error_us == 420
