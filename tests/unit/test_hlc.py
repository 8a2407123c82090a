"""The clock's rules: strictly rising, past all it has seen, near physical time (N5 to N7, N10)."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidespand import hlc
from sidespand.hlc import LOGICAL_MAX, WALL_NS_MAX, Hlc
from sidespand.limits import HLC_MERGE_AHEAD_NS_MAX

WALL_NS = 1_790_000_000_000_000_000
# Close together, so that equal and neighbouring walls meet often; far enough from the end to carry.
walls = st.integers(0, 4) | st.integers(0, WALL_NS_MAX - 8)
logicals = st.sampled_from([0, 1, LOGICAL_MAX - 1, LOGICAL_MAX]) | st.integers(0, LOGICAL_MAX)
stamps = st.builds(Hlc, walls, logicals)


@given(stamps, walls)
@example(Hlc(7, LOGICAL_MAX), 7)
def test_a_tick_is_greater_than_what_came_before(last: Hlc, wall_ns: int) -> None:
    """A local event's stamp is above the last one, whatever the physical clock says."""
    assert hlc.tick(last, wall_ns) > last


@given(stamps, stamps, walls)
@example(Hlc(7, LOGICAL_MAX), Hlc(7, LOGICAL_MAX), 7)
def test_a_merge_dominates_both_sides(last: Hlc, remote: Hlc, wall_ns: int) -> None:
    """The stamp of a receive event is above the node's own and above the remote one."""
    merged = hlc.merge(last, remote, wall_ns)
    assert merged > last
    assert merged > remote


@given(stamps, stamps, walls)
def test_no_wall_is_invented(last: Hlc, remote: Hlc, wall_ns: int) -> None:
    """A stamp's wall is one that was read or seen; only a full logical part carries one further."""
    full = LOGICAL_MAX in (last.logical, remote.logical)
    assert hlc.tick(last, wall_ns).wall_ns <= max(last.wall_ns, wall_ns) + full
    merged = hlc.merge(last, remote, wall_ns)
    assert merged.wall_ns <= max(last.wall_ns, remote.wall_ns, wall_ns) + full


@given(stamps, walls)
def test_a_stamp_is_never_behind_the_physical_clock(last: Hlc, wall_ns: int) -> None:
    """A stamp's wall is at least the node's own reading."""
    assert hlc.tick(last, wall_ns).wall_ns >= wall_ns


def test_physical_time_restarts_the_logical_part() -> None:
    """A reading above the last stamp is taken as it is."""
    assert hlc.tick(Hlc(5, 9), 6) == Hlc(6, 0)
    assert hlc.merge(Hlc(5, 9), Hlc(4, 12), 6) == Hlc(6, 0)


def test_the_paper_s_receive_rule() -> None:
    """Of equal walls the greater logical part is counted on from."""
    assert hlc.merge(Hlc(5, 2), Hlc(5, 7), 5) == Hlc(5, 8)
    assert hlc.merge(Hlc(5, 2), Hlc(9, 0), 5) == Hlc(9, 1)
    assert hlc.merge(Hlc(9, 2), Hlc(5, 7), 5) == Hlc(9, 3)


def test_a_full_logical_part_carries_into_the_wall() -> None:
    """After the last logical value comes the next nanosecond."""
    assert hlc.tick(Hlc(5, LOGICAL_MAX), 5) == Hlc(6, 0)
    assert hlc.merge(Hlc(5, 0), Hlc(5, LOGICAL_MAX), 2) == Hlc(6, 0)


@given(st.lists(st.tuples(walls, st.none() | stamps), min_size=2, max_size=40))
def test_a_history_only_rises(events: list[tuple[int, Hlc | None]]) -> None:
    """Any mix of local and receive events, with a wall clock that jumps about, rises strictly."""
    last = hlc.ZERO
    for wall_ns, remote in events:
        following = hlc.tick(last, wall_ns) if remote is None else hlc.merge(last, remote, wall_ns)
        assert following > last
        last = following


@pytest.mark.parametrize(
    ("lead_ns", "refused"),
    [(-1, False), (0, False), (500_000_000, False), (500_000_001, True), (WALL_NS, True)],
)
def test_the_guard_is_exact(lead_ns: int, *, refused: bool) -> None:
    """A remote clock that leads by exactly 500 ms is merged, one nanosecond more is not."""
    remote = Hlc(WALL_NS + lead_ns, LOGICAL_MAX)
    assert hlc.too_far_ahead(remote, WALL_NS, HLC_MERGE_AHEAD_NS_MAX) is refused


@given(stamps, st.integers(1, 1_000_000))
@example(Hlc(5, LOGICAL_MAX), 1)
@example(Hlc(5, LOGICAL_MAX), 2)
@example(Hlc(5, LOGICAL_MAX - 1), 2)
def test_with_room_gives_every_item_a_stamp(first: Hlc, count: int) -> None:
    """All stamps of a record are in range; the first moves only when they would not be."""
    roomy = hlc.with_room(first, count)
    assert roomy >= first
    assert hlc.nth(roomy, count - 1).logical <= LOGICAL_MAX
    assert (roomy == first) == (first.logical + count - 1 <= LOGICAL_MAX)


def test_with_room_carries_once() -> None:
    """A record that does not fit starts at the next nanosecond."""
    assert hlc.with_room(Hlc(5, LOGICAL_MAX), 2) == Hlc(6, 0)
    assert hlc.with_room(Hlc(5, LOGICAL_MAX), 1) == Hlc(5, LOGICAL_MAX)


@given(st.builds(Hlc, st.integers(0, WALL_NS_MAX), logicals))
def test_text_round_trips(stamp: Hlc) -> None:
    """What ``text`` writes ``parse`` reads back."""
    assert hlc.parse(hlc.text(stamp)) == stamp


@given(
    st.builds(Hlc, st.integers(10**18, 10**19 - 1), logicals),
    st.builds(Hlc, st.integers(10**18, 10**19 - 1), logicals),
)
def test_bytes_texts_and_values_sort_alike(one: Hlc, other: Hlc) -> None:
    """From 2001 to 2286 the order of texts, of encoded bytes and of values is one order."""
    assert (hlc.text(one) < hlc.text(other)) == (one < other)
    assert (struct.pack(">QI", *one) < struct.pack(">QI", *other)) == (one < other)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        ".",
        "1",
        "1.",
        ".1",
        "1.2.3",
        "-1.0000000000",
        "+1.0000000000",
        "1.-000000001",
        " 1.0000000000",
        "1_0.0000000000",
        "٣.0000000000",
        "1e3.0000000000",
        "18446744073709551616.0000000000",
        "1.4294967296",
        "1.00000000001",
        "9" * 5000 + ".0",
    ],
)
def test_parse_refuses_what_is_no_stamp(junk: str) -> None:
    """Text of another form, or out of range, is a ValueError whose message is short."""
    with pytest.raises(ValueError, match=r"^(not an HLC|out of range)") as caught:
        hlc.parse(junk)
    assert len(str(caught.value)) < 100


@given(st.text(max_size=40))
def test_parse_raises_nothing_but_value_error(junk: str) -> None:
    """Whatever the text, the answer is a stamp in range or a ValueError."""
    try:
        stamp = hlc.parse(junk)
    except ValueError:
        return
    assert hlc.ZERO <= stamp <= Hlc(WALL_NS_MAX, LOGICAL_MAX)
