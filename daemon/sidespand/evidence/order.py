"""A trace in one line: an order of its items that no recorded relation of commits contradicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.relations import Strength
from sidespand.evidence.verdict import About, Comparer
from sidespand.model import Record

_Key = tuple[int, int, str, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """One item of an order.

    Args:
        item: The item.
        strength: Of the evidence that its commit follows that of the item before it; ``none`` when
            only the display order puts it there, and for the first.
    """

    item: Item
    strength: Strength


@dataclass(frozen=True, slots=True)
class Ordering:
    """Items in an order.

    Args:
        placed: The items.
        violations: Codes of what kept them from the order of their HLC: ``edge-hlc-inversion``,
            ``cycle``.
    """

    placed: Sequence[Placed]
    violations: Sequence[str]


def order(comparer: Comparer, trace_id: bytes) -> Ordering:
    """Return the items of a trace, each after everything that the record puts before it.

    Where the record is silent they run by HLC, then node, then LSN: the same everywhere, and no
    evidence.

    Args:
        comparer: Over the collection.
        trace_id: 16 bytes.
    """
    evidence = comparer.evidence
    wanted: dict[bytes, list[Item]] = {}
    for fact in evidence.facts:
        if fact.trace_id == trace_id:
            for item in evidence.find(fact.lineage, fact.lsn):
                wanted.setdefault(item.record.leaf, []).append(item)
    sequence, circular = commit_order(evidence)
    placed: list[Placed] = []
    for record in (*sequence, *circular):
        for item in sorted(wanted.get(record.leaf, ()), key=lambda one: one.item_index):
            strength = Strength.NONE
            if placed:
                strength = comparer.compare(placed[-1].item, item, About.COMMIT).strength
            placed.append(Placed(item, strength))
    keys = [display_key(evidence, record) for record in sequence if record.leaf in wanted]
    violations = []
    if keys != sorted(keys):
        violations.append("edge-hlc-inversion")
    if any(record.leaf in wanted for record in circular):
        violations.append("cycle")
    return Ordering(tuple(placed), tuple(violations))


def commit_order(evidence: Evidence) -> tuple[list[Record], list[Record]]:
    """Return all records, each after those that its log and its tokens put before it.

    Returns:
        First the records in such an order, by display order where there is a choice; then, in
        display order, those that stand in or behind a circle.
    """
    waiting_for = {leaf: 0 for leaf in evidence.records}
    followers: dict[bytes, set[bytes]] = {leaf: set() for leaf in evidence.records}

    def follows(earlier: Record, later: Record) -> None:
        if later.leaf not in followers[earlier.leaf]:
            followers[earlier.leaf].add(later.leaf)
            waiting_for[later.leaf] += 1

    for log in evidence.logs.values():
        trunk: Record | None = None
        for record in log:
            if trunk is not None:
                follows(trunk, record)
            if not evidence.is_forked(record):
                trunk = record
    for citations in evidence.citations.values():
        for citation in citations:
            if citation.target is not None:
                follows(citation.target, citation.source)
    ready = [
        (display_key(evidence, evidence.records[leaf]), leaf)
        for leaf, count in waiting_for.items()
        if count == 0
    ]
    heapify(ready)
    sequence = []
    while ready:
        _, leaf = heappop(ready)
        sequence.append(evidence.records[leaf])
        for follower in followers[leaf]:
            waiting_for[follower] -= 1
            if not waiting_for[follower]:
                heappush(ready, (display_key(evidence, evidence.records[follower]), follower))
    stuck = [evidence.records[leaf] for leaf, count in waiting_for.items() if count]
    return sequence, sorted(stuck, key=lambda record: display_key(evidence, record))


def display_key(evidence: Evidence, record: Record) -> _Key:
    """Return what records are shown by where no evidence orders them: HLC, node, numeric LSN."""
    header = record.header
    node = evidence.nodes.get(header.lineage, header.lineage.hex())
    return header.stamp.wall_ns, header.stamp.logical, node, header.first_lsn
