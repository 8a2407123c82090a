"""Stamping: dense positions, rising clocks, leaves in the tree, drafts that leave no trace."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import hlc, merkle
from sidespand.hlc import LOGICAL_MAX, Hlc
from sidespand.journal import record
from sidespand.journal.keys import parse_record_key
from sidespand.journal.stamper import Draft, control, seal
from sidespand.journal.state import Head
from sidespand.limits import CONTROL_BYTES_MAX, HLC_MERGE_AHEAD_NS_MAX
from sidespand.model import Content, Flag, Kind
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.journal.making import LINEAGE, content, decoded, edge, empty_head


def stamped(head: Head, clock: ManualClock, *contents: Content) -> Draft:
    """Return a draft with ``contents`` stamped onto ``head``."""
    draft = Draft(head, clock)
    for one in contents:
        draft.stamp(seal(one, clock), 0, 0)
    return draft


@given(st.lists(st.lists(st.integers(1, 50), max_size=5), max_size=5), st.data())
def test_positions_are_dense_over_groups(groups: list[list[int]], data: st.DataObject) -> None:
    """LSNs, record indexes and commits run on without a hole, and the clock rises (N3, N5)."""
    clock = ManualClock()
    head = empty_head()
    leaves: list[bytes] = []
    next_lsn = 1
    for number, counts in enumerate(groups, 1):
        draft = Draft(head, clock)
        clock.step_wall(data.draw(st.sampled_from([0, 0.001, -0.5, 3600])))
        for count in counts:
            before = draft.head().stamp
            placed = draft.stamp(seal(content(b"x", count), clock), 7, 9)
            assert placed.last_lsn - placed.first_lsn + 1 == count
            assert hlc.nth(placed.stamp, 1 - count) > before
        for one in decoded(draft.values):
            assert one.header.first_lsn == next_lsn
            next_lsn = one.header.last_lsn + 1
            assert one.header.record_index == len(leaves)
            assert one.header.commit_seq == number
            producer = (0, 0) if one.header.kind is Kind.CLOCK else (7, 9)
            assert (one.header.producer_session, one.header.producer_seq) == producer
            leaves.append(one.leaf)
        head = draft.head()
        assert (head.next_lsn, head.record_count) == (next_lsn, len(leaves))
    hashes: list[bytes] = []
    for size, leaf in enumerate(leaves):
        merkle.append(hashes, size, leaf)
    assert list(head.hashes) == hashes


def test_a_record_carries_its_stamp() -> None:
    """The header says what the clock, the head and the content say."""
    clock = ManualClock()
    head = stamped(empty_head(), clock, content(b"first", 3)).head()
    clock.pass_time(2)
    draft = stamped(head, clock, content(b"second", 2))
    (one,) = decoded(draft.values)
    header = one.header
    assert parse_record_key(draft.values[0][0]) == header.first_lsn == 4
    assert header.lineage == LINEAGE
    assert header.boot_generation == 1
    assert header.item_count == 2
    assert header.stamp == Hlc(clock.wall_ns(), 0)
    assert (header.wall_ns, header.boottime_ns) == (clock.wall_ns(), clock.boottime_ns())
    assert header.clock_error_us is None
    assert header.payload_bytes == len(b"second")
    assert one.payload == b"second"
    assert draft.head().tag == one.leaf[:16]
    assert draft.head().stamp == Hlc(clock.wall_ns(), 1)


def test_the_commitment_in_the_header_binds_the_stored_payload() -> None:
    """Salt and payload as stored give the header's commitment."""
    draft = stamped(empty_head(), ManualClock(), content(b"what was said"))
    value = draft.values[0][1]
    salt_start = record.HEADER.size + 4
    salt = value[salt_start : salt_start + record.SALT_BYTES]
    header = decoded(draft.values)[0].header
    assert header.payload_commitment == record.commit_payload(b"what was said", salt)


def test_equal_records_have_unequal_leaves() -> None:
    """Two copies of a store that go on with the same input never write the same leaf."""
    one = stamped(empty_head(), ManualClock(seed=1), content(b"same"))
    other = stamped(empty_head(), ManualClock(seed=2), content(b"same"))
    assert decoded(one.values)[0].leaf != decoded(other.values)[0].leaf


def test_the_hlc_of_item_i_is_the_first_one_plus_i() -> None:
    """After n items the clock stands at logical + n - 1, and the next record follows it."""
    clock = ManualClock()
    draft = stamped(empty_head(), clock, content(b"a", 5), content(b"b", 1))
    first, second = decoded(draft.values)
    assert first.header.stamp == Hlc(START_WALL_NS, 0)
    assert second.header.stamp == Hlc(START_WALL_NS, 5)


def test_a_wall_that_stepped_back_does_not_take_the_clock_along() -> None:
    """The stamp stays at the highest wall, and the header keeps the raw reading beside it."""
    clock = ManualClock()
    head = stamped(empty_head(), clock, content()).head()
    clock.step_wall(-3600)
    declared, one = decoded(stamped(head, clock, content()).values)
    assert declared.header.kind is Kind.CLOCK
    assert declared.header.stamp == Hlc(START_WALL_NS, 1)
    assert one.header.stamp == Hlc(START_WALL_NS, 2)
    assert one.header.wall_ns == clock.wall_ns() < START_WALL_NS


def test_a_record_that_would_overflow_is_carried_before_it_is_stamped() -> None:
    """All items of a record share one wall, also at the end of the logical part."""
    clock = ManualClock()
    nearly_full = Hlc(START_WALL_NS, LOGICAL_MAX - 4)
    head = Head(1, LINEAGE, 1, 1, 0, 0, nearly_full, 0, 0, bytes(16), bytes(16), ())
    draft = stamped(head, clock, content(b"a", 2), content(b"b", 3))
    first, second = decoded(draft.values)
    assert first.header.stamp == Hlc(START_WALL_NS, LOGICAL_MAX - 3)
    assert second.header.stamp == Hlc(START_WALL_NS + 1, 0)
    assert draft.head().stamp == Hlc(START_WALL_NS + 1, 2)


@pytest.mark.parametrize(
    ("lead_ns", "logical", "flag"),
    [
        (-(10**9), 5, Flag.MERGED),
        (0, 0, Flag.MERGED),
        (0, 9, Flag.MERGED),
        (HLC_MERGE_AHEAD_NS_MAX, LOGICAL_MAX, Flag.MERGED),
        (HLC_MERGE_AHEAD_NS_MAX + 1, 0, Flag.MERGE_REJECTED),
        (2**64 - 1 - START_WALL_NS, LOGICAL_MAX, Flag.MERGE_REJECTED),
    ],
)
def test_a_token_moves_the_clock_within_the_guard(lead_ns: int, logical: int, flag: Flag) -> None:
    """A merge puts the record past the token; beyond 500 ms it is refused and flagged (N6)."""
    seen = edge(Hlc(START_WALL_NS + lead_ns, logical))
    (one,) = decoded(stamped(empty_head(), ManualClock(), content(edges=[seen])).values)
    assert one.header.flags == flag
    assert one.edges == (seen,)
    if flag == Flag.MERGED:
        assert one.header.stamp > seen.stamp
    else:
        assert one.header.stamp == Hlc(START_WALL_NS, 0)


def test_one_far_token_does_not_hide_a_near_one() -> None:
    """Every token of a record is judged by itself."""
    near, far = (
        edge(Hlc(START_WALL_NS + lead_ns, 3)) for lead_ns in (1000, HLC_MERGE_AHEAD_NS_MAX + 1)
    )
    for seen in ([near, far], [far, near]):
        (one,) = decoded(stamped(empty_head(), ManualClock(), content(edges=seen)).values)
        assert one.header.flags == Flag.MERGED | Flag.MERGE_REJECTED
        assert one.header.stamp == Hlc(START_WALL_NS + 1000, 4)


def test_the_guard_is_of_the_physical_clock() -> None:
    """Tokens that chase each other cannot carry the clock further than the guard from the wall."""
    clock = ManualClock()
    head = empty_head()
    for hop in range(1, 6):
        ahead_ns = hop * HLC_MERGE_AHEAD_NS_MAX
        draft = stamped(head, clock, content(edges=[edge(Hlc(START_WALL_NS + ahead_ns, 0))]))
        head = draft.head()
    assert head.stamp.wall_ns == START_WALL_NS + HLC_MERGE_AHEAD_NS_MAX


def test_truncated_edges_are_flagged() -> None:
    """The header says that a record had more edges than are kept."""
    cut = Content(Kind.SPANS, b"x", 1, (), edges_truncated=True)
    (one,) = decoded(stamped(empty_head(), ManualClock(), cut).values)
    assert one.header.flags == Flag.EDGES_TRUNCATED


def test_a_draft_does_not_touch_its_head() -> None:
    """What is dropped leaves no hole: the same head is stamped again from the same LSN."""
    clock = ManualClock()
    head = stamped(empty_head(), clock, content(b"a", 3)).head()
    hashes = head.hashes
    aborted = stamped(head, clock, content(b"b", 7))
    again = stamped(head, clock, content(b"c", 2))
    assert head.hashes is hashes
    assert decoded(aborted.values)[0].header.first_lsn == 4
    assert decoded(again.values)[0].header.first_lsn == 4
    assert decoded(again.values)[0].header.record_index == 1


def test_a_control_record_is_a_msgpack_map_with_one_lsn() -> None:
    """The recorder's own records take their place among the others."""
    made = control(Kind.TRIM, {"first_lsn": 1, "reason": "age"})
    assert (made.kind, made.item_count) == (Kind.TRIM, 1)
    assert msgpack.unpackb(made.payload) == {"first_lsn": 1, "reason": "age"}


def test_a_control_record_is_bounded() -> None:
    """A body over the bound is a programmer's error."""
    with pytest.raises(AssertionError):
        control(Kind.DROP, {"reason": "x" * CONTROL_BYTES_MAX})
