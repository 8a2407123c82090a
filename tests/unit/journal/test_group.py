"""A group: what its members are told, which rows go with it, and nothing before it is durable."""

import msgpack
import pytest

from sidespand.errors import OutOfOrder, PermissionRefused
from sidespand.hlc import ZERO
from sidespand.journal import keys
from sidespand.journal.group import Group, Pending
from sidespand.journal.open_spans import OpenSpans
from sidespand.journal.sessions import Sessions
from sidespand.journal.state import Head, decode_head, decode_session
from sidespand.limits import SESSIONS_MAX
from sidespand.model import Kind, Peer, Receipt
from sidespand.token import decode
from tests.clocks import ManualClock
from tests.unit.journal.making import (
    INSTANCE,
    OTHER_PEER,
    content,
    decoded,
    empty_head,
    pending,
    step,
)
from tests.unit.journal.test_sessions import row


class Journal:
    """A journal without a disk: what a group would commit becomes durable at once."""

    def __init__(self, head: Head | None = None) -> None:
        self.clock = ManualClock()
        self.head = head or empty_head()
        self.sessions = Sessions({})
        self.open_spans = OpenSpans(())
        self.producers: dict[tuple[Peer, bytes], int] = {}

    def group(self, *members: Pending) -> Group:
        """Return a group that holds ``members``."""
        group = Group(
            self.head,
            self.sessions,
            self.producers,
            self.clock,
            open_spans=self.open_spans,
        )
        for member in members:
            group.add(member)
        return group

    def commit(self, *members: Pending) -> Group:
        """Make a group durable."""
        group = self.group(*members)
        self.head = group.draft.head()
        self.sessions.update(group.new_rows, group.forgotten)
        self.producers.update(group.new_producers)
        self.open_spans.update(group.open_spans.changes)
        return group


def receipts(group: Group) -> list[Receipt]:
    """Return what the members are told, which must not be a refusal."""
    found = []
    for _, outcome in group.outcomes:
        assert isinstance(outcome, Receipt)
        found.append(outcome)
    return found


def test_a_session_record_precedes_its_producer_s_first() -> None:
    """The journal knows who wrote before it holds what was written; later records name it."""
    journal = Journal()
    group = journal.commit(
        pending([content(b"a"), content(b"b")], journal.clock),
        pending([content(b"c")], journal.clock),
    )
    session, *others = decoded(group.draft.values)
    assert session.header.kind == Kind.SESSION
    assert session.payload is not None
    assert msgpack.unpackb(session.payload) == {
        "door": "ingest",
        "uid": 1000,
        "pid": 4321,
        "address": "",
        "tenant": "",
        "instance_id": b"",
    }
    assert [one.payload for one in others] == [b"a", b"b", b"c"]
    assert {one.header.producer_session for one in others} == {session.header.first_lsn}
    assert session.header.producer_session == 0


def test_a_session_record_is_shared_by_later_groups() -> None:
    """A producer is introduced once a generation; another one is introduced by itself."""
    journal = Journal()
    journal.commit(pending([content()], journal.clock))
    again = journal.commit(pending([content()], journal.clock))
    assert [one.header.kind for one in decoded(again.draft.values)] == [Kind.SPANS]
    assert decoded(again.draft.values)[0].header.producer_session == 1
    other = journal.commit(
        pending([content()], journal.clock, peer=OTHER_PEER),
        pending([content()], journal.clock, step=step(1)),
    )
    kinds = [one.header.kind for one in decoded(other.draft.values)]
    assert kinds == [Kind.SESSION, Kind.SPANS, Kind.SESSION, Kind.SPANS]


def test_an_aborted_group_leaves_no_hole() -> None:
    """A group that was not made durable gives its LSNs, rows and producers to the next one."""
    journal = Journal()
    journal.commit(pending([content()], journal.clock))
    lost = journal.group(pending([content(b"lost", 5)], journal.clock, step=step(1)))
    kept = journal.commit(pending([content(b"kept", 2)], journal.clock, step=step(1)))
    assert decoded(lost.draft.values)[0].header.first_lsn == 3
    assert [one.header.first_lsn for one in decoded(kept.draft.values)] == [3, 4]
    assert receipts(kept)[0].first_lsn == 4
    assert not receipts(kept)[0].duplicate


def test_a_receipt_says_where_a_request_lies() -> None:
    """First and last LSN span all records of a request; stamp and token are the last item's."""
    journal = Journal()
    (receipt,) = receipts(
        journal.commit(pending([content(b"a", 3), content(b"b", 4)], journal.clock))
    )
    assert (receipt.first_lsn, receipt.last_lsn) == (2, 8)
    assert receipt.stamp == journal.head.stamp
    token = decode(receipt.token)
    assert token is not None
    assert (token.lineage, token.lsn, token.stamp, token.tag) == (
        journal.head.lineage,
        8,
        journal.head.stamp,
        journal.head.tag,
    )


def test_a_step_sent_twice_gets_the_original_receipt() -> None:
    """A repeated step writes nothing and is told where it lies, in the same group and later."""
    journal = Journal()
    first = pending([content(b"a", 2)], journal.clock, step=step(1))
    twice = pending([content(b"a", 2)], journal.clock, step=step(1))
    original, repeated = receipts(journal.commit(first, twice))
    assert len(decoded(journal.commit(twice).draft.values)) == 0
    (later,) = receipts(journal.group(twice))
    assert not original.duplicate
    for one in (repeated, later):
        assert one.duplicate
        assert (one.first_lsn, one.last_lsn, one.stamp, one.token) == (
            original.first_lsn,
            original.last_lsn,
            original.stamp,
            original.token,
        )


def test_an_older_step_is_a_duplicate_without_a_place() -> None:
    """Only the last step's place is remembered; an older one is durable all the same."""
    journal = Journal()
    for seq in (1, 2):
        journal.commit(pending([content()], journal.clock, step=step(seq)))
    assert receipts(journal.group(pending([content()], journal.clock, step=step(1)))) == [
        Receipt(0, 0, ZERO, "", duplicate=True)
    ]


def test_a_step_out_of_order_is_refused_and_the_others_stand() -> None:
    """A refusal concerns its member alone, and what follows it in order is taken."""
    journal = Journal()
    one, skipped, two = (pending([content()], journal.clock, step=step(seq)) for seq in (1, 3, 2))
    group = journal.commit(one, skipped, two)
    told = [type(outcome) for _, outcome in group.outcomes]
    assert told == [Receipt, OutOfOrder, Receipt]
    assert [member for member, _ in group.outcomes] == [one, skipped, two]
    assert group.new_rows[INSTANCE].last_seq == 2


@pytest.mark.parametrize("together", [True, False], ids=["one group", "two groups"])
def test_another_uid_may_not_go_on_with_an_instance(*, together: bool) -> None:
    """The binding holds from the first step on, also within the group that makes it."""
    journal = Journal()
    mine = pending([content()], journal.clock, step=step(1))
    theirs = pending([content()], journal.clock, step=step(2, uid=1001))
    if together:
        group = journal.commit(mine, theirs)
    else:
        journal.commit(mine)
        group = journal.commit(theirs)
    assert isinstance(group.outcomes[-1][1], PermissionRefused)


def test_a_door_that_cannot_know_the_uid_does_not_undo_the_binding() -> None:
    """A step without a uid is taken, and the instance stays bound to the one it had."""
    journal = Journal()
    journal.commit(pending([content()], journal.clock, step=step(1)))
    journal.commit(pending([content()], journal.clock, step=step(2, uid=None)))
    group = journal.group(pending([content()], journal.clock, step=step(3, uid=1001)))
    assert isinstance(group.outcomes[0][1], PermissionRefused)


def test_a_step_without_content_uses_its_seq_up() -> None:
    """Nothing is stored but the seq, and the step after it is the next one."""
    journal = Journal()
    group = journal.commit(pending([], journal.clock, step=step(1)))
    assert group.writes
    assert not group.draft.values
    assert receipts(group) == [Receipt(0, 0, ZERO, "")]
    (receipt,) = receipts(journal.commit(pending([content()], journal.clock, step=step(2))))
    assert receipt.last_lsn == 2


def test_a_request_without_content_or_step_writes_nothing() -> None:
    """There is nothing to commit for it."""
    journal = Journal()
    assert not journal.group(pending([], journal.clock)).writes


def test_rows_hold_the_head_and_what_changed() -> None:
    """A commit carries the head after it and the rows of its own steps; a new segment all rows."""
    journal = Journal()
    journal.commit(pending([content()], journal.clock, step=step(1)))
    other = b"instance-0000002"
    journal.sessions.update({other: row(9)}, ())
    group = journal.group(pending([content()], journal.clock, step=step(2)))
    changed = group.rows(everything=False)
    assert set(changed) == {keys.HEAD, keys.session_key(INSTANCE)}
    assert decode_head(changed[keys.HEAD] or b"") == group.draft.head()
    assert decode_session(changed[keys.session_key(INSTANCE)] or b"").last_seq == 2
    everything = group.rows(everything=True)
    assert everything.keys() - changed.keys() == {keys.session_key(other), keys.BASE}
    assert decode_head(everything[keys.BASE] or b"") == group.draft.base
    assert everything[keys.session_key(INSTANCE)] == changed[keys.session_key(INSTANCE)]
    assert decode_session(everything[keys.session_key(other)] or b"") == row(9)


def test_the_row_that_gives_way_goes_in_the_same_commit() -> None:
    """At the bound, a new instance's commit deletes the row of the one untouched for longest."""
    journal = Journal()
    full = {number.to_bytes(16): row(1, touched_ns=number) for number in range(SESSIONS_MAX)}
    journal.sessions.update(full, ())
    group = journal.group(pending([content()], journal.clock, step=step(1)))
    gone = keys.session_key((0).to_bytes(16))
    assert group.rows(everything=False)[gone] is None
    assert group.rows(everything=True)[gone] is None
