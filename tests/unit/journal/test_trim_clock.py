"""Retention and a wall clock that is set."""

from pathlib import Path

import pytest

from sidespand.limits import CLOCK_STEP_BELIEVED_S
from tests.unit.journal.upkeeping import WEEK_S, kept


@pytest.mark.slow
@pytest.mark.fault(41)
def test_a_wall_that_leaps_ahead_removes_nothing(tmp_path: Path) -> None:
    """Records of a minute ago are not a week old; when the clock stays there, they grow old."""
    with kept(tmp_path) as store:
        store.fill(7)
        store.clock.pass_time(60)
        store.clock.step_wall(52 * WEEK_S)
        assert store.trim() == 0
        store.clock.pass_time(CLOCK_STEP_BELIEVED_S)
        assert store.trim() > 0
