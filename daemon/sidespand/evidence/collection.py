"""What a question of order is asked of: records of any number of nodes, with their tokens resolved.

A record is known by its leaf, so that two copies of a store that wrote different records at one
place stand side by side; from there on the log order of that lineage proves nothing.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from sidespand import hlc
from sidespand.hlc import Hlc
from sidespand.model import Edge, Flag, Gap, Record
from sidespand.token import TAG_BYTES


@dataclass(frozen=True, slots=True)
class SpanFact:
    """What one item says of its span, on its program's word.

    Args:
        lineage: 8 bytes, with ``lsn`` the place of the item.
        lsn: The item's own.
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_span_id: 8 bytes; empty for a root.
        start_ns: Nanoseconds since the Unix epoch, by the sender's clock.
        end_ns: The same; 0 when the item has no end, as a mark.
        kind: As ``sidespand.query.spans`` names it.
        flags: Of OTLP's SpanFlags.
        links: Trace and span ids of the spans that it links to.
    """

    lineage: bytes
    lsn: int
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    start_ns: int
    end_ns: int
    kind: str = "internal"
    flags: int = 0
    links: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def span(self) -> bytes:
        """The 24 bytes that name the span, wherever it was recorded."""
        return self.trace_id + self.span_id

    @property
    def parent(self) -> bytes | None:
        """The same of its parent; None for a root."""
        return self.trace_id + self.parent_span_id if self.parent_span_id else None


class Item(NamedTuple):
    """One item of a record.

    Args:
        record: Where it lies.
        item_index: From 0.
    """

    record: Record
    item_index: int

    @property
    def lsn(self) -> int:
        """Its own LSN."""
        return self.record.header.first_lsn + self.item_index

    @property
    def stamp(self) -> Hlc:
        """Its own HLC."""
        return hlc.nth(self.record.header.stamp, self.item_index)

    def __str__(self) -> str:
        return f"{self.record.header.lineage.hex()}:{self.lsn}"


class Resolution(StrEnum):
    """What became of a token that a record holds."""

    VERIFIED = "verified"
    MISMATCHED = "mismatched"
    BEYOND = "beyond"
    ABSENT = "absent"


class Citation(NamedTuple):
    """A token and what it names.

    Args:
        source: The record that holds it.
        edge: The token.
        resolution: ``verified`` when the named record is here and the token is its own;
            ``mismatched`` when another record is at that place; ``beyond`` when that log's known
            part ends before; ``absent`` when the place is not in the collection.
        target: The named record when it is verified.
    """

    source: Record
    edge: Edge
    resolution: Resolution
    target: Record | None


class Evidence:
    """An immutable collection of records, span facts and gaps.

    Args:
        records: Of any lineages in any order; equal ones count once.
        facts: Of their items; those at a place where there is no record, or more than one, are
            passed over.
        gaps: What could not be read.
        nodes: Node reference by lineage, for display order.
        channels_declared: The deployment says that every channel between its programs carries
            tokens. It makes "no path in the record" a statement of its own.
    """

    def __init__(
        self,
        records: Iterable[Record],
        facts: Iterable[SpanFact] = (),
        gaps: Iterable[Gap] = (),
        *,
        nodes: Mapping[bytes, str] | None = None,
        channels_declared: bool = False,
    ) -> None:
        self.records = {record.leaf: record for record in records}
        self.gaps = tuple(gaps)
        self.nodes = dict(nodes or {})
        self.channels_declared = channels_declared
        self._logs: dict[bytes, list[Record]] = {}
        for record in self.records.values():
            self._logs.setdefault(record.header.lineage, []).append(record)
        for log in self._logs.values():
            log.sort(key=lambda record: (record.header.first_lsn, record.leaf))
        self.forks = {
            lineage: found for lineage, log in self._logs.items() if (found := _fork(log))
        }
        self._ends = {
            lineage: max(record.header.last_lsn for record in log)
            for lineage, log in self._logs.items()
        }
        self._facts: dict[tuple[bytes, int], SpanFact] = {}
        self.by_span: dict[bytes, list[SpanFact]] = {}
        for fact in facts:
            place = (fact.lineage, fact.lsn)
            if len(self.find(*place)) == 1 and place not in self._facts:
                self._facts[place] = fact
                self.by_span.setdefault(fact.span, []).append(fact)
        self.citations = {
            leaf: tuple(self._resolve(record, edge) for edge in record.edges)
            for leaf, record in self.records.items()
            if record.edges
        }
        self.citing: dict[bytes, list[Record]] = {}
        for leaf, citations in self.citations.items():
            for cited in {one.target.leaf for one in citations if one.target is not None}:
                self.citing.setdefault(cited, []).append(self.records[leaf])

    @property
    def logs(self) -> Mapping[bytes, Sequence[Record]]:
        """The records of each lineage by LSN."""
        return self._logs

    @property
    def facts(self) -> Iterable[SpanFact]:
        """All span facts, as they were given."""
        return self._facts.values()

    def find(self, lineage: bytes, lsn: int) -> tuple[Item, ...]:
        """Return the items at a place: none, one, or several where the log was forked."""
        log = self._logs.get(lineage, [])
        found = []
        at = bisect_right(log, lsn, key=lambda record: record.header.first_lsn)
        while at > 0:
            at -= 1
            header = log[at].header
            if header.last_lsn >= lsn:
                found.append(Item(log[at], lsn - header.first_lsn))
            elif lineage not in self.forks:
                break
        return tuple(reversed(found))

    def fact(self, item: Item) -> SpanFact | None:
        """Return what an item says of its span; None when nobody handed that in."""
        return self._facts.get((item.record.header.lineage, item.lsn))

    def cited_by(self, record: Record) -> tuple[Citation, ...]:
        """Return the tokens that a record holds, in its order."""
        return self.citations.get(record.leaf, ())

    def is_forked(self, record: Record) -> bool:
        """Tell whether another record claims this one's place or an earlier one of its log."""
        fork = self.forks.get(record.header.lineage)
        return fork is not None and record.header.last_lsn >= fork

    @cached_property
    def is_complete(self) -> bool:
        """Whether every log is here from LSN 1 on, without a hole, a fork or a lost token."""
        return not self.forks and all(map(self._is_dense, self._logs.values()))

    def _is_dense(self, log: Sequence[Record]) -> bool:
        expected = 1
        for record in log:
            header = record.header
            if header.first_lsn != expected or header.flags & Flag.EDGES_TRUNCATED:
                return False
            expected = header.last_lsn + 1
        return all(
            citation.resolution is Resolution.VERIFIED
            for record in log
            for citation in self.cited_by(record)
        )

    def _resolve(self, source: Record, edge: Edge) -> Citation:
        items = self.find(edge.lineage, edge.lsn)
        for record, _ in items:
            header = record.header
            last = hlc.nth(header.stamp, header.item_count - 1)
            if (header.last_lsn, last, record.leaf[:TAG_BYTES]) == (edge.lsn, edge.stamp, edge.tag):
                return Citation(source, edge, Resolution.VERIFIED, record)
        if items:
            return Citation(source, edge, Resolution.MISMATCHED, None)
        beyond = edge.lsn > self._ends.get(edge.lineage, edge.lsn)
        return Citation(source, edge, Resolution.BEYOND if beyond else Resolution.ABSENT, None)


def _fork(log: Sequence[Record]) -> int | None:
    # The first LSN that two records claim.
    reached = 0
    for record in log:
        if record.header.first_lsn <= reached:
            return record.header.first_lsn
        reached = max(reached, record.header.last_lsn)
    return None
