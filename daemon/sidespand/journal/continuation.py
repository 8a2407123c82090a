"""Where a store's next generation begins: at the end of its log, or in a new lineage after it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sidespand.clock import Clock
from sidespand.journal import keys, lineage
from sidespand.journal import place as places
from sidespand.journal.anchor import Anchor
from sidespand.journal.end import End
from sidespand.journal.layout import Segment
from sidespand.journal.lineage import Beginning, Reason
from sidespand.journal.place import Place
from sidespand.journal.restored import Restored
from sidespand.journal.state import Head, SessionRow, encode_session
from sidespand.model import ControlBody


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where the next generation begins.

    Args:
        segment: That takes its first records.
        head: The log until then; empty where a lineage begins.
        origin: Why that lineage began: the body of its LINEAGE record; empty where nobody said.
        carried: State rows that a new lineage's first commit takes over.
        sessions: Where client instances stand.
    """

    segment: Segment
    head: Head
    origin: ControlBody
    carried: Mapping[bytes, bytes]
    sessions: Mapping[bytes, SessionRow]

    @property
    def is_new_lineage(self) -> bool:
        """Whether its lineage begins with it."""
        return not self.head.record_count


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a store from outside it.

    Args:
        data_dir: Its directory.
        place: Where that is.
        anchors: What was remembered of it.
        tag_at: Returns the tag that the store has at an anchor's place; None when it cannot tell.
        boot_id: 16 bytes, of the running kernel.
        accept_move: Whether the operator says that it may go on here.
        restored: What it was restored from; None when it was not, or has gone on since.
    """

    data_dir: str
    place: Place
    anchors: Sequence[Anchor]
    tag_at: Callable[[Anchor], bytes | None]
    boot_id: bytes
    accept_move: bool
    restored: Restored | None = None


def first(clock: Clock) -> Continuation:
    """Return where a store begins that holds nothing yet."""
    return _of(lineage.create(clock), {}, {})


def after(end: End, around: Surroundings, clock: Clock) -> Continuation:
    """Return where a store goes on.

    Raises:
        StoreMoved: It is not where its last generation was, and nobody said that it may be.
    """
    beginning = _successor(end, around, clock)
    if beginning is None:
        return Continuation(
            end.segment, end.head, end.generation.get("origin", {}), {}, end.sessions
        )
    # What else the recorder remembers holds in the new lineage too.
    carried = {key: row for key, row in end.rows.items() if keys.outlives(key)}
    return _of(beginning, carried, lineage.without_places(end.sessions))


def _of(
    beginning: Beginning, carried: Mapping[bytes, bytes], sessions: Mapping[bytes, SessionRow]
) -> Continuation:
    head = beginning.head
    rows = {keys.session_key(one): encode_session(row) for one, row in sessions.items()}
    return Continuation(
        Segment(head.ordinal, 1, head.lineage),
        head,
        beginning.origin,
        {**carried, **rows},
        sessions,
    )


def _successor(end: End, around: Surroundings, clock: Clock) -> Beginning | None:
    head = end.head
    reason, anchor = lineage.contradiction(head, around.anchors, around.tag_at) or (None, None)
    if around.restored is not None and around.restored.is_of(head):
        # The operator said so: a backup is a copy, and older than what it is of.
        actor = around.restored.actor
        return lineage.leave(head, Reason.RESTORED, clock, actor=actor, anchor=anchor)
    if keys.SALVAGED in end.rows:
        # What was lost behind its end is not known: none of it may get its LSN again.
        reason = Reason.SALVAGED
    difference = places.difference(end.generation.get("place"), around.place)
    # An anchor that knows it here, and further on: it was put back, and no other goes on elsewhere.
    put_back = anchor is not None and anchor.data_dir == around.data_dir
    if difference is not None and not put_back:
        if not around.accept_move:
            raise lineage.moved(difference)
        actor = f"uid:{os.geteuid()}"
        return lineage.leave(head, Reason.MOVED, clock, actor=actor, anchor=anchor)
    if reason is None and lineage.may_have_lost_commits(
        end.generation, clean=end.clean, rebooted=head.boot_id != around.boot_id
    ):
        reason = Reason.UNSYNCED
    return None if reason is None else lineage.leave(head, reason, clock, anchor=anchor)
