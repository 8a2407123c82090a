"""Rows of client instances: once in the journal, in order, bound to one uid, and bounded."""

import pytest

from sidespand.errors import OutOfOrder, PermissionRefused
from sidespand.hlc import ZERO
from sidespand.journal.sessions import Sessions, check_owner, decide
from sidespand.journal.state import SessionRow
from sidespand.limits import SESSIONS_MAX
from sidespand.model import SessionStep

ONE = b"1" * 16
OTHER = b"2" * 16


def row(last_seq: int, *, uid: int | None = 1000, touched_ns: int = 0) -> SessionRow:
    """Return where an instance stands."""
    return SessionRow(uid, last_seq, last_seq, last_seq, ZERO, bytes(16), touched_ns)


def step(seq: int, *, acked_seq: int = 0) -> SessionStep:
    """Return one request of an instance."""
    return SessionStep(ONE, seq, acked_seq, 1000)


@pytest.mark.parametrize(("seq", "new"), [(1, False), (6, False), (7, False), (8, True)])
def test_only_the_step_after_the_last_is_new(seq: int, *, new: bool) -> None:
    """What is durable is not new, whatever the client says it holds."""
    assert decide(row(7), step(seq)) is new
    assert decide(row(7), step(seq, acked_seq=90)) is new


def test_a_step_too_far_is_owed_its_predecessor() -> None:
    """A gap is refused for now, naming the seq that is missing."""
    with pytest.raises(OutOfOrder, match="seq 9 came while seq 8 is owed") as caught:
        decide(row(7), step(9))
    assert caught.value.retryable


@pytest.mark.parametrize(("seq", "new"), [(5, False), (6, True)])
def test_an_unknown_instance_goes_on_after_what_it_holds(seq: int, *, new: bool) -> None:
    """After the store forgot it, an instance continues behind its last acknowledgement."""
    assert decide(None, step(seq, acked_seq=5)) is new


def test_an_unknown_instance_may_not_skip() -> None:
    """A new instance begins at 1."""
    with pytest.raises(OutOfOrder, match="seq 1 is owed"):
        decide(None, step(2))


def test_an_instance_belongs_to_its_uid() -> None:
    """Another uid is refused for good; a door that cannot know the uid is not."""
    sessions = Sessions({ONE: row(7)})
    with pytest.raises(PermissionRefused) as caught:
        sessions.row(ONE, 1001)
    assert not caught.value.retryable
    assert sessions.row(ONE, 1000) == sessions.row(ONE, None) == row(7)
    assert sessions.row(OTHER, 1001) is None


def test_an_unbound_instance_is_open_to_all() -> None:
    """Where no door could know the uid, none is refused."""
    check_owner(row(7, uid=None), 1001)
    check_owner(None, 1001)


def test_the_one_untouched_for_longest_gives_way() -> None:
    """At the bound new instances push out as many, the oldest first, never a changed one."""
    sessions = Sessions(
        {number.to_bytes(16): row(1, touched_ns=number) for number in range(SESSIONS_MAX)}
    )
    oldest = (0).to_bytes(16)
    touched = {oldest: row(2, touched_ns=10**9)}
    assert sessions.surplus(touched) == []
    sessions.update(touched, ())
    changed = {ONE: row(1), OTHER: row(1), (1).to_bytes(16): row(2)}
    forgotten = sessions.surplus(changed)
    assert forgotten == [(2).to_bytes(16), (3).to_bytes(16)]
    sessions.update(changed, forgotten)
    kept = dict(sessions.all())
    assert len(kept) == SESSIONS_MAX
    assert changed.items() <= kept.items()
    assert kept[oldest] == touched[oldest]
    assert list(kept)[-3:] == list(changed)


def test_age_survives_a_restart() -> None:
    """Rows that come out of the store in any order are forgotten in the order of their last use."""
    instances = [number.to_bytes(16) for number in range(SESSIONS_MAX)]
    rows = {one: row(1, touched_ns=SESSIONS_MAX - place) for place, one in enumerate(instances)}
    assert Sessions(rows).surplus({ONE: row(1)}) == [instances[-1]]
