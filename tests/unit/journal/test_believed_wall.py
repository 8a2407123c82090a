"""The age of records runs on with time, whatever somebody does to the wall clock."""

import pytest

from sidespand.journal.believed_wall import BelievedWall
from sidespand.limits import CLOCK_STEP_BELIEVED_S
from tests.clocks import NS_PER_S, START_WALL_NS, ManualClock

YEAR_S = 365 * 86_400


@pytest.mark.fault(41)
def test_a_leap_ahead_is_believed_when_it_has_lasted() -> None:
    """Ten years at once are no time at all; a day later they are what the clock says."""
    clock = ManualClock()
    wall = BelievedWall(clock)
    clock.step_wall(10 * YEAR_S)
    assert wall.now_ns() == START_WALL_NS
    clock.pass_time(CLOCK_STEP_BELIEVED_S - 1)
    assert wall.now_ns() == START_WALL_NS + int(CLOCK_STEP_BELIEVED_S - 1) * NS_PER_S
    clock.pass_time(1)
    assert wall.now_ns() == clock.wall_ns()


@pytest.mark.fault(41)
def test_a_leap_that_is_undone_leaves_nothing_behind() -> None:
    """The next one must last anew."""
    clock = ManualClock()
    wall = BelievedWall(clock)
    for _ in range(3):
        clock.step_wall(YEAR_S)
        assert wall.now_ns() == clock.wall_ns() - YEAR_S * NS_PER_S
        clock.pass_time(CLOCK_STEP_BELIEVED_S / 2)
        clock.step_wall(-YEAR_S)
        assert wall.now_ns() == clock.wall_ns()


def test_a_step_back_and_a_slew_are_followed_at_once() -> None:
    """A clock that is behind makes nothing older than it is."""
    clock = ManualClock()
    wall = BelievedWall(clock)
    for step_s in (-3600.0, 0.009, 0.009, -YEAR_S):
        clock.step_wall(step_s)
        assert wall.now_ns() == clock.wall_ns()
