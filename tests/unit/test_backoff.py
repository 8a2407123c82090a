"""The wait before the next try: doubling, bounded, spread."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.backoff import delay_s


@pytest.mark.parametrize(
    ("failures", "ceiling_s"),
    [(1, 0.1), (2, 0.2), (3, 0.4), (8, 12.8), (9, 25.6), (10, 30.0), (1000, 30.0)],
)
def test_the_ceiling_doubles_up_to_its_bound(failures: int, ceiling_s: float) -> None:
    """Each failure doubles the longest wait, until the last one."""
    assert delay_s(failures, lambda _, most: most) == pytest.approx(ceiling_s)
    assert delay_s(failures, lambda least, _: least) == pytest.approx(ceiling_s / 2)


@pytest.mark.fault(31)
@given(st.integers(1, 10**9), st.integers())
def test_every_wait_is_spread_over_the_upper_half(failures: int, seed: int) -> None:
    """A wait is never zero and never over the bound, however long the row of failures."""
    waited = delay_s(failures, random.Random(seed).uniform, first_s=0.5, last_s=8.0)
    assert 0.25 <= waited <= 8.0


def test_senders_do_not_come_back_together() -> None:
    """Two senders with the same failures wait differently."""
    one, other = random.Random(1), random.Random(2)
    assert delay_s(4, one.uniform) != delay_s(4, other.uniform)
