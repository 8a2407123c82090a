"""The clock contract of the AITrace seed: which of its rules ours share, and which they do not.

Shared: the local rule, the merge rule, the order by wall, logical part and node. Different: a
remote clock counts as too far ahead from 500 ms on, not 60 s; one that lags is never refused, since
it cannot move the clock; and a refusal concerns the merge alone, the record is kept and flagged.
"""

import pytest

from sidespand import hlc
from sidespand.hlc import ZERO, Hlc
from sidespand.limits import HLC_MERGE_AHEAD_NS_MAX
from sidespand.model import Flag
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.evidence.nodes import Node, edge

SEED_SKEW_NS = 60_000_000_000


@pytest.mark.parametrize(
    ("current", "now", "expected"),
    [(ZERO, 2000, Hlc(2000, 0)), (Hlc(1999, 9), 2000, Hlc(2000, 0)),
     (Hlc(2000, 3), 2000, Hlc(2000, 4)), (Hlc(2001, 3), 2000, Hlc(2001, 4))],
)  # fmt: skip
def test_local_events(current: Hlc, now: int, expected: Hlc) -> None:
    """A local event takes a later reading, and counts on from the last stamp otherwise."""
    assert hlc.tick(current, now) == expected


@pytest.mark.parametrize(
    ("local", "remote", "now", "expected"),
    [
        (Hlc(2000, 3), Hlc(2000, 7), 2000, Hlc(2000, 8)),
        (Hlc(2001, 3), Hlc(2000, 7), 2000, Hlc(2001, 4)),
        (Hlc(2000, 3), Hlc(2001, 7), 2000, Hlc(2001, 8)),
        (Hlc(2000, 3), Hlc(2000, 7), 2001, Hlc(2001, 0)),
    ],
)
def test_merges(local: Hlc, remote: Hlc, now: int, expected: Hlc) -> None:
    """The seed's golden merge and its three other branches."""
    assert hlc.merge(local, remote, now) == expected


@pytest.mark.parametrize("lead_ns", [HLC_MERGE_AHEAD_NS_MAX + 1, SEED_SKEW_NS, SEED_SKEW_NS + 1])
def test_a_token_too_far_ahead(lead_ns: int) -> None:
    """Beyond 500 ms the record is stored as the seed's local event would be, and says so."""
    ahead = Node(1, ManualClock(START_WALL_NS + lead_ns, seed=1)).write()
    node = Node(2)

    record = node.write(edge(ahead))

    assert record.header.flags & Flag.MERGE_REJECTED
    assert record.header.stamp == Hlc(START_WALL_NS, 0)
    assert record.edges == (edge(ahead),)


@pytest.mark.parametrize("lag_ns", [SEED_SKEW_NS, SEED_SKEW_NS + 1, 10**15])
def test_a_token_that_lags(lag_ns: int) -> None:
    """However old a token is, it changes nothing and nothing is refused."""
    behind = Node(1, ManualClock(START_WALL_NS - lag_ns, seed=1)).write()

    record = Node(2).write(edge(behind))

    assert record.header.flags == Flag.MERGED
    assert record.header.stamp == Hlc(START_WALL_NS, 0)
