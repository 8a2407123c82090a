"""Between which moments a record was made: bounds from its own node and from others.

A token bounds from below: what it names was committed before. A commit bounds from above, and so
does every record elsewhere that cites this one. Each bound is a reading of some node's clock, so it
is worth what that clock is worth.
"""

from dataclasses import dataclass

from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.relations import Moment, Strength
from sidespand.model import Flag, Record


@dataclass(frozen=True, slots=True)
class Bound:
    """A reading that bounds a moment.

    Args:
        wall_ns: Nanoseconds since the Unix epoch, by the clock of the record at ``position``.
        error_us: What that node claims of its clock; None when it claims nothing.
        position: ``lineage:lsn`` of the last item of the record that was read there.
        moment: What is bounded: that the content was fixed, or the commit.
        rule: Of the relation that it rests on.
        strength: Whose word that relation is.
    """

    wall_ns: int
    error_us: int | None
    position: str
    moment: Moment
    rule: str
    strength: Strength


def not_before(evidence: Evidence, item: Item) -> list[Bound]:
    """Return the bounds from below, the latest first."""
    bounds = [
        _bound(citation.target, Moment.CONTENT, "token")
        for citation in evidence.cited_by(item.record)
        if citation.target is not None
    ]
    if not evidence.is_forked(item.record):
        preceding = evidence.find(item.record.header.lineage, item.record.header.first_lsn - 1)
        bounds.extend(_bound(one.record, Moment.COMMIT, "log") for one in preceding)
    return sorted(bounds, key=lambda bound: (bound.moment, bound.wall_ns), reverse=True)


def not_after(evidence: Evidence, item: Item) -> list[Bound]:
    """Return the bounds from above, the earliest first."""
    own = _bound(item.record, Moment.CONTENT, "commit")
    cited = (
        _bound(source, Moment.CONTENT, "token")
        for source in evidence.citing.get(item.record.leaf, ())
    )
    return sorted([own, *cited], key=lambda bound: bound.wall_ns)


def _bound(record: Record, moment: Moment, rule: str) -> Bound:
    header = record.header
    error = header.clock_error_us if header.flags & Flag.CLOCK_SYNCED else None
    position = f"{header.lineage.hex()}:{header.last_lsn}"
    return Bound(header.wall_ns, error, position, moment, rule, Strength.NODE_ATTESTED)
