"""A trace in one line: an order of its items that no recorded relation of commits contradicts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

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
            only the display order puts it there, for the first, and where one record holds both.
    """

    item: Item
    strength: Strength


@dataclass(frozen=True, slots=True)
class Ordering:
    """Items in an order.

    Args:
        placed: The items.
        by_hlc: The HLC alone gives the same order. It does not where a merge was refused or a
            clock's rules were broken.
        circular: Some of them stand in or behind a circle of the evidence; those come last.
    """

    placed: Sequence[Placed]
    by_hlc: bool
    circular: bool


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
                strength = _strength(comparer, placed[-1].item, item)
            placed.append(Placed(item, strength))
    keys = [display_key(evidence, record) for record in sequence if record.leaf in wanted]
    in_circle = any(record.leaf in wanted for record in circular)
    return Ordering(tuple(placed), by_hlc=keys == sorted(keys), circular=in_circle)


def _strength(comparer: Comparer, before: Item, item: Item) -> Strength:
    # As the comparer would say, without a search where the log's own order is the answer.
    records = before.record, item.record
    if records[0].leaf == records[1].leaf:
        return Strength.NONE
    if comparer.is_cited(*records):
        return Strength.CRYPTOGRAPHIC
    forked = any(comparer.evidence.is_forked(record) for record in records)
    if not forked and records[0].header.lineage == records[1].header.lineage:
        return Strength.NODE_ATTESTED
    return comparer.compare(before, item, About.COMMIT).strength


def commit_order(evidence: Evidence) -> tuple[list[Record], list[Record]]:
    """Return all records, each after those that its log and its tokens put before it.

    Returns:
        First the records in such an order, by display order where there is a choice; then, in
        display order, those that stand in or behind a circle.
    """
    sorter = TopologicalSorter(_predecessors(evidence))
    # It still yields what does not stand behind a circle.
    with suppress(CycleError):
        sorter.prepare()
    ready: list[tuple[_Key, bytes]] = []
    sequence: list[Record] = []
    left = dict(evidence.records)
    while True:
        for leaf in sorter.get_ready():
            heappush(ready, (display_key(evidence, evidence.records[leaf]), leaf))
        if not ready:
            break
        _, leaf = heappop(ready)
        sequence.append(left.pop(leaf))
        sorter.done(leaf)
    return sequence, sorted(left.values(), key=lambda record: display_key(evidence, record))


def circle(evidence: Evidence) -> list[Record]:
    """Return records that the evidence puts each before the next, the last before the first.

    Returns:
        One such circle; empty when there is none.
    """
    try:
        TopologicalSorter(_predecessors(evidence)).prepare()
    except CycleError as error:
        found: list[bytes] = error.args[1]
        return [evidence.records[leaf] for leaf in found[:-1]]
    return []


def _predecessors(evidence: Evidence) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {leaf: [] for leaf in evidence.records}
    for log in evidence.logs.values():
        trunk: list[bytes] = []
        for record in log:
            found[record.leaf] += trunk
            if not evidence.is_forked(record):
                trunk = [record.leaf]
    for leaf, citations in evidence.citations.items():
        found[leaf] += [one.target.leaf for one in citations if one.target is not None]
    return found


def display_key(evidence: Evidence, record: Record) -> _Key:
    """Return what records are shown by where no evidence orders them: HLC, node, numeric LSN."""
    header = record.header
    node = evidence.nodes.get(header.lineage, header.lineage.hex())
    return header.stamp.wall_ns, header.stamp.logical, node, header.first_lsn
