"""Gathers what questions of order are asked of: the records of one or several nodes' stores.

Memory is bounded: payloads are let go of once their spans are read, and of a long log the newest
part is read. What is not there is named as a gap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sidespand.errors import StoreUnreadable
from sidespand.evidence.authority import unpack
from sidespand.evidence.collection import Evidence, SpanFact
from sidespand.evidence.failures import Malformed
from sidespand.limits import EVIDENCE_ITEMS_MAX
from sidespand.model import Gap, Kind, Position, Record
from sidespand.ports import Log
from sidespand.query.redactions import Redactions
from sidespand.query.spans import begun_items, kind_name


@dataclass(frozen=True, slots=True)
class Gathered:
    """A collection and what it lacks.

    Args:
        evidence: The collection.
        gaps: What could not be read, or was not, by log.
        unreadable: Positions whose payload does not parse: their order is known, their spans not.
        redactions: What the records say of redactions.
    """

    evidence: Evidence
    gaps: Sequence[Gap]
    unreadable: Sequence[Position]
    redactions: Redactions


class Gathering:
    """Collects records and what they say of spans.

    Args:
        channels_declared: As of ``Evidence``.
    """

    def __init__(self, *, channels_declared: bool = False) -> None:
        self._channels_declared = channels_declared
        self._records: list[Record] = []
        self._facts: list[SpanFact] = []
        self._gaps: list[Gap] = []
        self._unreadable: list[Position] = []
        self._nodes: dict[bytes, str] = {}
        self._redactions = Redactions()

    def add(self, entries: Iterable[Record | Gap]) -> None:
        """Take records and gaps of any log, in any order."""
        for entry in entries:
            if isinstance(entry, Gap):
                self._gaps.append(entry)
                continue
            if entry.header.kind is Kind.GEN:
                self._name(entry)
            self._redactions.note(entry)
            try:
                self._facts.extend(facts(entry))
            except StoreUnreadable:
                self._unreadable.append(entry.position)
            # Why a log began is told by the body of its first record alone.
            kept = entry if entry.header.kind is Kind.LINEAGE else replace(entry, payload=None)
            self._records.append(kept)

    def gathered(self) -> Gathered:
        """Return the collection."""
        evidence = Evidence(
            self._records,
            self._facts,
            self._gaps,
            nodes=self._nodes,
            channels_declared=self._channels_declared,
        )
        return Gathered(evidence, tuple(self._gaps), tuple(self._unreadable), self._redactions)

    def _name(self, entry: Record) -> None:
        try:
            name = unpack(entry.payload or b"").get("source_node_ref")
        except Malformed:
            self._unreadable.append(entry.position)
            return
        if isinstance(name, str) and name:
            self._nodes[entry.header.lineage] = name


def entries(
    log: Log, ends: Sequence[Position] = (), items_max: int = EVIDENCE_ITEMS_MAX
) -> Iterator[Record | Gap]:
    """Yield a log in order, the newest part of it when it is long.

    Args:
        log: Of one store.
        ends: The last item of each of its lineages, oldest first; none to read all of it.
        items_max: About so many LSNs, counted from the newest.

    Returns:
        Records and gaps; what was left out is a gap whose reason is ``unread``.
    """
    tail = log.tail()
    if tail is None:
        return
    after: Position | None = None
    unread: list[Gap] = []
    for end in reversed(ends):
        if items_max < end.lsn:
            left_out = end._replace(lsn=end.lsn - items_max)
            after = after or left_out
            unread.append(Gap(end.ordinal, end.lineage, 1, left_out.lsn, "unread"))
        items_max = max(items_max - end.lsn, 0)
    yield from reversed(unread)
    while found := log.read(after, tail):
        yield from found
        after = found[-1].position


def facts(record: Record) -> Iterator[SpanFact]:
    """Yield what the items of a record of spans or marks say of their spans.

    Raises:
        StoreUnreadable: The payload does not parse. Not retryable.
    """
    header = record.header
    for item in begun_items(record):
        span = item.span
        yield SpanFact(
            lineage=header.lineage,
            lsn=item.stamp.position.lsn,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=item.parent_span_id,
            start_ns=span.start_time_unix_nano,
            end_ns=0 if header.kind is Kind.MARKS else span.end_time_unix_nano,
            kind=kind_name(span.kind),
            flags=span.flags,
            links=tuple((link.trace_id, link.span_id) for link in span.links),
        )
