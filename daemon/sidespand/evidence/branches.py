"""Where one log left another, and whether the other went on all the same. Pure.

A store that was put back or moved begins a new lineage, which names where it left the old one. That
a log has one future is then no matter of single LSNs: the old one may go on elsewhere too, or be
left twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sidespand.evidence.authority import unpack
from sidespand.evidence.collection import Evidence
from sidespand.evidence.failures import Malformed
from sidespand.model import Kind, Record


@dataclass(frozen=True, slots=True)
class Branch:
    """That a lineage began where another one was left.

    Args:
        lineage: 8 bytes, the one that began.
        parent: 8 bytes, the one that was left.
        parent_lsn: The last that it shares with the parent.
        reason: Why, in the words of its LINEAGE record.
    """

    lineage: bytes
    parent: bytes
    parent_lsn: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fork:
    """That a log has two futures.

    Args:
        lineage: 8 bytes, the log.
        lsn: The first that is not shared.
        futures: In words, each of them.
    """

    lineage: bytes
    lsn: int
    futures: tuple[str, ...]


def branches(evidence: Evidence) -> list[Branch]:
    """Return where the lineages of a collection come from, as far as it holds their beginnings."""
    firsts = [log[0] for log in evidence.logs.values()]
    found = [_branch(first) for first in firsts if first.header.kind is Kind.LINEAGE]
    return [branch for branch in found if branch is not None]


def forks(evidence: Evidence) -> Iterator[Fork]:
    """Yield the logs that go on in more than one way, whatever their LSNs say."""
    by_parent: dict[bytes, list[Branch]] = {}
    for branch in branches(evidence):
        by_parent.setdefault(branch.parent, []).append(branch)
    for parent, left in by_parent.items():
        shared = min(branch.parent_lsn for branch in left)
        futures = [
            f"lineage {branch.lineage.hex()} goes on after LSN {branch.parent_lsn}"
            f" ({branch.reason})"
            for branch in left
        ]
        log = evidence.logs.get(parent, ())
        end = max((record.header.last_lsn for record in log), default=0)
        if end > shared:
            futures.append(f"the log itself goes on to LSN {end}")
        if len(futures) > 1:
            yield Fork(parent, shared + 1, tuple(futures))


def _branch(first: Record) -> Branch | None:
    try:
        body = unpack(first.payload or b"")
    except Malformed:
        return None
    parent, parent_lsn = body.get("parent_lineage"), body.get("parent_lsn")
    if not isinstance(parent, bytes) or not isinstance(parent_lsn, int):
        return None
    reason = body.get("reason")
    known = isinstance(reason, str) and reason.isascii() and reason.replace("_", "").isalnum()
    return Branch(
        first.header.lineage, parent, parent_lsn, str(reason) if known else "no known reason"
    )
