"""Whether a store goes on in its lineage or begins a new one, and why.

A lineage must not go on where its LSNs may name something else by now: in a store that was put back
to an earlier state, or in a copy whose original may go on too. What was recorded keeps its lineage
and its place; the new one begins at LSN 1 and points to where it left the old one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sidespand import hlc, merkle
from sidespand.clock import Clock
from sidespand.errors import StoreMoved
from sidespand.journal.anchor import Anchor
from sidespand.journal.state import Head, SessionRow
from sidespand.model import ControlBody

_LINEAGE_BYTES = 8
_BY_ITSELF = "sidespand"


class Reason(StrEnum):
    """Why a lineage began. The texts are stored: they are added to, never changed."""

    CREATED = "created"
    ROLLED_BACK = "rolled_back"
    DIVERGED = "diverged"
    MOVED = "moved"
    UNSYNCED = "unsynced"
    SALVAGED = "salvaged"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A lineage that is about to begin.

    Args:
        head: Its empty log.
        origin: The body of its LINEAGE record.
    """

    head: Head
    origin: ControlBody


def create(clock: Clock) -> Beginning:
    """Return the first lineage of a new store."""
    lineage = clock.random_bytes(_LINEAGE_BYTES)
    return Beginning(
        Head(1, lineage, 0, 1, 0, 0, hlc.ZERO, 0, 0, bytes(16), bytes(16), ()),
        _origin(Reason.CREATED, _BY_ITSELF, None, None),
    )


def leave(
    head: Head,
    reason: Reason,
    clock: Clock,
    *,
    actor: str = _BY_ITSELF,
    anchor: Anchor | None = None,
) -> Beginning:
    """Return the lineage that begins where ``head`` is left.

    Its ordinal, its generations and its HLC lie above all that the store and ``anchor`` know of: a
    cursor from the lost time points to nothing in it.

    Args:
        head: The end of the lineage that is left.
        reason: Why it is.
        clock: Draws the new one's id.
        actor: Who decided it.
        anchor: What shows it; None when nothing does.
    """
    begun = replace(
        head,
        ordinal=head.ordinal + 1,
        lineage=clock.random_bytes(_LINEAGE_BYTES),
        next_lsn=1,
        record_count=0,
        commit_seq=0,
        # Its first record is LINEAGE: nothing is said before of clocks.
        wall_ns=0,
        boottime_ns=0,
        tag=bytes(16),
        hashes=(),
    )
    if anchor is not None:
        begun = replace(
            begun,
            ordinal=max(head.ordinal, anchor.ordinal) + 1,
            boot_generation=max(head.boot_generation, anchor.boot_generation),
            stamp=max(head.stamp, anchor.stamp),
        )
    return Beginning(begun, _origin(reason, actor, head, anchor))


def contradiction(
    head: Head, anchors: Iterable[Anchor], tag_at: Callable[[Anchor], bytes | None]
) -> tuple[Reason, Anchor] | None:
    """Return how the store contradicts what was remembered of it; None when it has only gone on.

    Args:
        head: The end of the store's log.
        anchors: What it had reached; the one that had come furthest is answered for.
        tag_at: Returns the tag that the store has at an anchor's place; None when it cannot tell,
            which is no contradiction.
    """
    found = [(reason, one) for one in anchors if (reason := _retreat(head, one, tag_at))]
    return max(
        found,
        key=lambda pair: (pair[1].ordinal, pair[1].boot_generation, pair[1].lsn),
        default=None,
    )


def _retreat(head: Head, anchor: Anchor, tag_at: Callable[[Anchor], bytes | None]) -> Reason | None:
    if anchor.ordinal > head.ordinal:
        return Reason.ROLLED_BACK
    if anchor.ordinal == head.ordinal:
        if anchor.lineage != head.lineage:
            return Reason.DIVERGED
        if anchor.lsn > head.last_lsn:
            return Reason.ROLLED_BACK
        if anchor.lsn == head.last_lsn:
            return None if anchor.tag == head.tag else Reason.DIVERGED
    there = tag_at(anchor)
    return None if there is None or there == anchor.tag else Reason.DIVERGED


def moved(difference: str) -> StoreMoved:
    """Return the refusal of a store that is not where its last generation was."""
    return StoreMoved(
        f"data_dir: this store is a copy, or was moved: {difference}",
        hint="if it is meant to go on here, start it once with `sidespan serve --accept-move`:"
        " it begins a new lineage that points to the old one; nothing was changed",
    )


def may_have_lost_commits(generation: ControlBody, *, clean: bool, rebooted: bool) -> bool:
    """Tell whether acknowledged commits may be gone without a trace: unsynced, and then a crash.

    Args:
        generation: The body of the last GEN record.
        clean: Whether that generation ended in order.
        rebooted: Whether the kernel is another one by now.
    """
    return rebooted and not clean and generation.get("durability") == "none"


def without_places(sessions: Mapping[bytes, SessionRow]) -> dict[bytes, SessionRow]:
    """Return the rows of sessions for another lineage: what their last step became is not in it."""
    return {
        instance_id: row._replace(first_lsn=0, last_lsn=0, stamp=hlc.ZERO, tag=bytes(16))
        for instance_id, row in sessions.items()
    }


def _origin(
    reason: Reason, actor: str, parent: Head | None, anchor: Anchor | None
) -> dict[str, Any]:
    return {
        "reason": reason.value,
        "actor": actor,
        "parent_lineage": parent.lineage if parent is not None else None,
        "parent_lsn": parent.last_lsn if parent is not None else 0,
        "parent_record_count": parent.record_count if parent is not None else 0,
        "parent_root": merkle.root(parent.hashes) if parent is not None else None,
        "anchored_lineage": anchor.lineage if anchor is not None else None,
        "anchored_lsn": anchor.lsn if anchor is not None else 0,
    }
