"""So many bytes a second: the rate holds over time, and who is over it learns for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import Unavailable
from sidespand.limits import RATE_PEERS_MAX
from sidespand.receiver.quota import Quota


class Seconds:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_who_is_over_the_rate_waits_as_long_as_told() -> None:
    """A second's worth passes at once, one request may overdraw, then the debt is waited off."""
    clock = Seconds()
    quota = Quota(1000, clock)
    quota.spend(7, 900)
    quota.spend(7, 1100)

    with pytest.raises(Unavailable, match="quota of 1000 bytes") as refused:
        quota.spend(7, 1)
    assert refused.value.retry_after_ms == 1001
    clock.now += 1.001
    quota.spend(7, 1)


def test_one_user_does_not_spend_another_s() -> None:
    """Each has a bucket."""
    quota = Quota(10, Seconds())
    quota.spend(7, 100)

    quota.spend(8, 100)
    with pytest.raises(Unavailable) as refused:
        quota.spend(7, 1)
    assert refused.value.retry_after_ms == 9100


def test_a_long_debt_is_told_within_bounds() -> None:
    """No sender is told to stay away for more than a minute."""
    quota = Quota(1, Seconds())
    quota.spend(7, 10_000)

    with pytest.raises(Unavailable) as refused:
        quota.spend(7, 1)
    assert refused.value.retry_after_ms == 60_000


def test_buckets_are_bounded() -> None:
    """The one that was unused for longest goes first."""
    quota = Quota(10, Seconds())
    for sender in range(RATE_PEERS_MAX + 5):
        quota.spend(sender, 1)

    assert next(iter(quota._buckets)) == 5
    assert len(quota._buckets) == RATE_PEERS_MAX


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 500)), max_size=60))
def test_the_rate_holds(spent: list[tuple[float, int]]) -> None:
    """Over any time no more passes than rate times time, a second's worth and one request."""
    clock = Seconds()
    quota = Quota(100, clock)
    passed = 0
    for pause, size in spent:
        clock.now += pause
        try:
            quota.spend(7, size)
        except Unavailable:
            continue
        passed += size
        assert passed <= 100 * clock.now + 100 + 500 + 1e-6
