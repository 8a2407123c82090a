"""What retention lets go: by age, by size, by the disk's room, and never past a required sink."""

from collections.abc import Sequence

import pytest

from sidespand.journal.layout import Segment
from sidespand.journal.retention import Closed, Decision, Keeper, Retention, Usage, has_passed
from sidespand.limits import GIB, MIB
from sidespand.model import Position

LINEAGE = b"lineage1"
DAY_S = 86400
NS = 1_000_000_000
NOW_NS = 1_790_000_000 * NS
ROOMY = Usage(store_bytes=64 * MIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)


def closed(*ages_s: float) -> list[Closed]:
    """Return segments of ten items and 10 MiB, the oldest first."""
    return [
        Closed(Segment(1, 1 + 10 * number, LINEAGE), 10 + 10 * number, 10 * MIB,
               NOW_NS - int(age_s * NS))
        for number, age_s in enumerate(ages_s)
    ]  # fmt: skip


def retention(
    *, drop_oldest: bool = False, required: Sequence[str] = (), bytes_max: int = GIB
) -> Retention:
    """Return a policy of a week, a size and a tenth of the disk."""
    return Retention(7 * DAY_S, bytes_max, 0.1, drop_oldest, frozenset(required))


def removed(decision: Decision) -> list[tuple[int, str]]:
    """Return the last LSN and the reason of each removal."""
    return [(one.closed.last_lsn, one.reason) for one in decision.removals]


def at(lsn: int) -> Position:
    """Return a cursor in the test's lineage."""
    return Position(1, LINEAGE, lsn)


def test_only_what_is_over_age_goes() -> None:
    """A segment goes when its newest record is older than the age, not at the age."""
    week = 7 * DAY_S
    decision = Keeper(retention()).decide(closed(week + 1, week, 1), ROOMY, {}, NOW_NS)

    assert removed(decision) == [(10, "age")]
    assert decision.full == ""


def test_the_oldest_goes_until_the_size_fits() -> None:
    """As many segments go as the store is over its size, and no more."""
    usage = Usage(store_bytes=GIB + 11 * MIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)

    decision = Keeper(retention()).decide(closed(3, 2, 1), usage, {}, NOW_NS)

    assert removed(decision) == [(10, "size"), (20, "size")]


def test_a_store_at_its_size_is_left_alone() -> None:
    """The bound is what may be occupied."""
    usage = Usage(store_bytes=GIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)

    assert removed(Keeper(retention()).decide(closed(2, 1), usage, {}, NOW_NS)) == []


def test_a_nearly_full_disk_stops_growth_and_takes_nothing_back() -> None:
    """What others wrote costs no record; what the journal wrote since then does."""
    keeper = Keeper(retention())
    short = Usage(store_bytes=100 * MIB, disk_bytes=100 * GIB, free_bytes=5 * GIB)
    grown = Usage(store_bytes=105 * MIB, disk_bytes=100 * GIB, free_bytes=5 * GIB)

    assert removed(keeper.decide(closed(2, 1), short, {}, NOW_NS)) == []
    assert removed(keeper.decide(closed(2, 1), grown, {}, NOW_NS)) == [(10, "disk_free")]


def test_the_ceiling_is_forgotten_when_the_disk_has_room() -> None:
    """Room that came back may be used."""
    keeper = Keeper(retention())
    short = Usage(store_bytes=100 * MIB, disk_bytes=100 * GIB, free_bytes=5 * GIB)
    grown = Usage(store_bytes=200 * MIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)
    keeper.decide(closed(2, 1), short, {}, NOW_NS)

    assert removed(keeper.decide(closed(2, 1), grown, {}, NOW_NS)) == []


def test_room_for_the_next_segment_is_made() -> None:
    """On a full disk as much goes as the next segment lacks."""
    usage = Usage(64 * MIB, 100 * GIB, 50 * GIB, wanted_bytes=15 * MIB)

    decision = Keeper(retention()).decide(closed(3, 2, 1), usage, {}, NOW_NS)

    assert removed(decision) == [(10, "no_room"), (20, "no_room")]


@pytest.mark.parametrize("cursor", [None, at(9), Position(1, b"lineage2", 30)])
def test_a_required_sink_holds_what_it_has_not_passed(cursor: Position | None) -> None:
    """Age alone neither removes nor refuses anything then."""
    cursors = {"archive": cursor} if cursor else {}

    decision = Keeper(retention(required=["archive"])).decide(
        closed(8 * DAY_S, 1), ROOMY, cursors, NOW_NS
    )

    assert decision == Decision(())


def test_a_passed_segment_goes_though_the_next_must_wait() -> None:
    """Each segment is judged for itself, the oldest first."""
    decision = Keeper(retention(required=["archive"])).decide(
        closed(9 * DAY_S, 8 * DAY_S), ROOMY, {"archive": at(10)}, NOW_NS
    )

    assert removed(decision) == [(10, "age")]


def test_a_full_store_refuses_and_names_who_is_behind() -> None:
    """By default nothing acknowledged is lost."""
    usage = Usage(store_bytes=2 * GIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)

    decision = Keeper(retention(required=["b", "a"])).decide(
        closed(2, 1), usage, {"a": at(10)}, NOW_NS
    )

    assert decision.removals == ()
    assert "b" in decision.full
    assert "a, b" not in decision.full


def test_a_full_store_drops_the_oldest_where_that_was_chosen() -> None:
    """Each loss names the sinks that had not passed; what all have passed is an ordinary trim."""
    usage = Usage(store_bytes=GIB + 15 * MIB, disk_bytes=100 * GIB, free_bytes=50 * GIB)
    policy = retention(required=["a", "b"], drop_oldest=True)

    decision = Keeper(policy).decide(closed(3, 2, 1), usage, {"a": at(30), "b": at(10)}, NOW_NS)

    assert [one.lost_to for one in decision.removals] == [(), ("b",)]
    assert decision.full == ""


def test_age_drops_nothing_that_a_required_sink_lacks() -> None:
    """To drop the oldest is for a full store alone."""
    policy = retention(required=["a"], drop_oldest=True)

    assert removed(Keeper(policy).decide(closed(8 * DAY_S), ROOMY, {}, NOW_NS)) == []


def test_a_cursor_in_a_later_lineage_has_passed() -> None:
    """A sink delivers one lineage to its end before it begins the next."""
    assert has_passed(Position(2, b"lineage2", 0), at(10))
    assert not has_passed(at(10), Position(2, b"lineage2", 1))
