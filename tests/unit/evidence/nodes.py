"""Nodes whose logs are stamped by the journal's own rules."""

from collections.abc import Sequence
from dataclasses import replace

from sidespand import token
from sidespand.evidence.collection import Item, SpanFact
from sidespand.hlc import ZERO, Hlc
from sidespand.journal import record
from sidespand.journal.stamper import Draft, seal
from sidespand.journal.state import Head
from sidespand.model import Content, Edge, EdgeType, Flag, Kind, Record
from tests.clocks import START_WALL_NS, ManualClock

TRACE = bytes(15) + b"\x01"


class Node:
    """One log.

    Args:
        number: Names its lineage and seeds its randomness.
        clock: Its own; one of its number by default.
        next_lsn: Where the log goes on.
        declared: Whether it begins with a LINEAGE record.
        generation: Of the daemon.
    """

    def __init__(
        self,
        number: int,
        clock: ManualClock | None = None,
        *,
        next_lsn: int = 1,
        declared: bool = False,
        generation: int = 1,
    ) -> None:
        self.lineage = bytes([number]) * 8
        self.clock = clock or ManualClock(seed=number)
        count = next_lsn - 1
        hashes = (bytes(32),) * count.bit_count()
        head = Head(
            1,
            self.lineage,
            generation,
            next_lsn,
            count,
            0,
            ZERO,
            0,
            0,
            bytes(16),
            bytes(16),
            hashes,
        )
        self._head = head
        self.records: list[Record] = []
        if declared:
            self.write(kind=Kind.LINEAGE)

    def write(
        self, *edges: Edge, items: int = 1, kind: Kind = Kind.SPANS, truncated: bool = False
    ) -> Record:
        """Return a fresh record that holds ``edges``."""
        content = Content(kind, self.clock.random_bytes(8), items, edges, truncated)
        draft = Draft(self._head, self.clock)
        draft.stamp(seal(content, self.clock), 0, 0)
        self._head = draft.head()
        # After a step of the clock, its CLOCK record comes first.
        for _, value in draft.values:
            header, read, leaf, payload = record.decode(value)
            self.records.append(Record(1, header, read, leaf, payload))
        return self.records[-1]


def last_stamp(one: Record) -> Hlc:
    """Return the HLC of a record's last item."""
    return Item(one, one.header.item_count - 1).stamp


def edge(cited: Record, kind: EdgeType = EdgeType.RECEIVED, item_index: int = 0) -> Edge:
    """Return the edge that a record's own token makes."""
    header = cited.header
    found = token.decode(
        token.encode(header.lineage, header.last_lsn, last_stamp(cited), cited.leaf[:16])
    )
    assert found is not None
    return Edge(kind, item_index, *found)


def item(one: Record, item_index: int = 0) -> Item:
    """Return an item of a record."""
    return Item(one, item_index)


def fact(
    where: Record | Item,
    span: int,
    parent: int | None = None,
    start_ns: int = START_WALL_NS,
    end_ns: int | None = None,
    *,
    kind: str = "internal",
    links: Sequence[int] = (),
    trace_id: bytes = TRACE,
) -> SpanFact:
    """Return what an item says of span number ``span``; it ends at once by default."""
    where = where if isinstance(where, Item) else Item(where, 0)
    return SpanFact(
        where.record.header.lineage,
        where.lsn,
        trace_id,
        span.to_bytes(8, "big"),
        b"" if parent is None else parent.to_bytes(8, "big"),
        start_ns,
        start_ns if end_ns is None else end_ns,
        kind,
        0,
        tuple((trace_id, link.to_bytes(8, "big")) for link in links),
    )


def vouched(one: Record, error_us: int) -> Record:
    """Return the record as a node with a synchronised clock would have written it."""
    header = replace(
        one.header, flags=one.header.flags | Flag.CLOCK_SYNCED, clock_error_us=error_us
    )
    return replace(one, header=header)
