"""Which segments may go, and why: the policy of retention. Pure.

    age        its newest record is older than ``age_s``
    size       the store occupies more than ``bytes_max``
    disk_free  less than ``disk_free_min`` of the disk is free: the journal grows no further, but
               does not shrink for what others wrote
    no_room    there is no room for the next segment
    asked      an operator asked for it

Whole segments go, the oldest first, never the open one. One that a required sink has not passed
stays, unless the store is full and the operator chose to lose the oldest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sidespand.journal.layout import Segment
from sidespand.model import Position

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """What the operator wants kept.

    Args:
        age_s: Records younger than this stay unless room is needed, in seconds.
        bytes_max: What the segments may occupy on disk.
        disk_free_min: Fraction of the disk that is to stay free, 0.0 to below 1.0.
        drop_oldest: When the store is full and a required sink is behind, lose the oldest records
            rather than refuse new ones.
        required: The sinks that must have passed a segment before it goes.
    """

    age_s: float
    bytes_max: int
    disk_free_min: float
    drop_oldest: bool = False
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment that is not written any more.

    Args:
        segment: Which one.
        last_lsn: Of its last item, inclusive.
        size_bytes: What it occupies on disk.
        newest_wall_ns: The node's clock at its last record.
    """

    segment: Segment
    last_lsn: int
    size_bytes: int
    newest_wall_ns: int

    @property
    def end(self) -> Position:
        """The place of its last item."""
        return Position(self.segment.ordinal, self.segment.lineage, self.last_lsn)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the disk says.

    Args:
        store_bytes: What all files of the segments occupy.
        disk_bytes: Size of the file system.
        free_bytes: What is free on it.
        wanted_bytes: What the next segment lacks; 0 when it was made.
    """

    store_bytes: int
    disk_bytes: int
    free_bytes: int
    wanted_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Removal:
    """A segment that is to go.

    Args:
        closed: Which one.
        reason: ``age``, ``size``, ``disk_free``, ``no_room`` or ``asked``.
        lost_to: Required sinks that never got it; none in an ordinary trim.
    """

    closed: Closed
    reason: str
    lost_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants removed: whole segments that lie before a place, or before a moment.

    Args:
        actor: Who wants it, in their own words.
        before: Everything in a segment lies before this; None where a moment is given.
        before_ns: Everything in a segment is older than this, by the node's clock; None where a
            place is given.
        force: Remove what required sinks have not passed, too.
    """

    actor: str
    before: Position | None
    before_ns: int | None
    force: bool = False

    def holds(self, one: Closed) -> bool:
        """Tell whether a segment lies before it."""
        if self.before is not None:
            return one.end < self.before
        return self.before_ns is not None and one.newest_wall_ns < self.before_ns


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now.

    Args:
        removals: The oldest first.
        full: Why new requests must be refused meanwhile; empty when they need not be.
    """

    removals: tuple[Removal, ...]
    full: str = ""


class Keeper:
    """Decides again and again; between two decisions it remembers when the disk ran short.

    Args:
        retention: What the operator wants.
    """

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        # What the store occupied when the disk ran short: it stops growing there.
        self._ceiling_bytes: int | None = None

    def require(self, sinks: frozenset[str]) -> None:
        """Have other sinks required from the next decision on."""
        self._retention = replace(self._retention, required=sinks)

    def decide(
        self,
        closed: Iterable[Closed],
        usage: Usage,
        cursors: Mapping[str, Position],
        now_ns: int,
    ) -> Decision:
        """Return what is to be removed.

        Args:
            closed: The oldest first; it is read as far as there may be something to remove.
            usage: Of this moment.
            cursors: The durable cursor of each sink that has told one.
            now_ns: The node's clock.
        """
        over_bytes, reason = self._over(usage)
        wanted_bytes = usage.wanted_bytes
        removals: list[Removal] = []
        for one in closed:
            crowded = over_bytes > 0 or wanted_bytes > 0
            if not crowded and now_ns - one.newest_wall_ns <= self._retention.age_s * _NS:
                break
            behind = self._behind(one, cursors)
            if behind and not (crowded and self._retention.drop_oldest):
                full = over_bytes > 0
                return Decision(tuple(removals), _full(reason, behind) if full else "")
            why = reason if over_bytes > 0 else "no_room" if wanted_bytes > 0 else "age"
            removals.append(Removal(one, why, behind))
            over_bytes -= one.size_bytes
            wanted_bytes -= one.size_bytes
        return Decision(tuple(removals))

    def obey(
        self, closed: Iterable[Closed], order: Order, cursors: Mapping[str, Position]
    ) -> Decision:
        """Return what is to be removed because somebody asked for it.

        Args:
            closed: The oldest first; it is read as far as the order goes.
            order: What was asked for.
            cursors: The durable cursor of each sink that has told one.

        Returns:
            The removals, and in ``full`` the sinks that keep the rest.
        """
        removals: list[Removal] = []
        for one in closed:
            if not order.holds(one):
                break
            behind = self._behind(one, cursors)
            if behind and not order.force:
                return Decision(tuple(removals), f"sinks that are required: {', '.join(behind)}")
            removals.append(Removal(one, "asked", behind))
        return Decision(tuple(removals))

    def _over(self, usage: Usage) -> tuple[int, str]:
        retention = self._retention
        if usage.free_bytes >= retention.disk_free_min * usage.disk_bytes:
            self._ceiling_bytes = None
        elif self._ceiling_bytes is None:
            self._ceiling_bytes = usage.store_bytes
        over_size = usage.store_bytes - retention.bytes_max
        if self._ceiling_bytes is None or self._ceiling_bytes >= retention.bytes_max:
            return over_size, "size"
        return usage.store_bytes - self._ceiling_bytes, "disk_free"

    def _behind(self, one: Closed, cursors: Mapping[str, Position]) -> tuple[str, ...]:
        return tuple(
            name
            for name in sorted(self._retention.required)
            if not has_passed(cursors.get(name), one.end)
        )


def has_passed(cursor: Position | None, place: Position) -> bool:
    """Tell whether a sink at ``cursor`` is done with ``place``.

    A cursor of another lineage under the same number is not of this log and tells nothing.
    """
    if cursor is None:
        return False
    if cursor.ordinal == place.ordinal:
        return cursor.lineage == place.lineage and cursor.lsn >= place.lsn
    return cursor.ordinal > place.ordinal


def _full(reason: str, behind: tuple[str, ...]) -> str:
    what = "the journal is full" if reason == "size" else "the disk is nearly full"
    return f"{what}, and sinks that are required are behind: {', '.join(behind)}"
