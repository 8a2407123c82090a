"""Verdicts on small worlds of records and spans against a closure written down naively (N13)."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.evidence.collection import Evidence, Item, SpanFact
from sidespand.evidence.relations import Relations, Strength
from sidespand.evidence.verdict import About, Answer, Comparer
from sidespand.model import EdgeType, Record
from tests.unit.evidence.nodes import Node, edge, fact

Name = tuple[str, object]
Relation = tuple[Name, Name, int]


class Draw(NamedTuple):
    """One record to come.

    Args:
        node: 0 to 2.
        cites: Of the records so far, modulo their number; None for none.
        kind: Of that edge.
        at: The item that holds it.
        spans: The span of each item, with its parent, its link, and whether it has ended.
    """

    node: int
    cites: int | None
    kind: EdgeType
    at: int
    spans: list[tuple[int, int | None, int | None, bool]]


spans = st.tuples(
    st.integers(1, 6),
    st.none() | st.integers(1, 6),
    st.none() | st.integers(1, 6),
    st.booleans(),
)
worlds = st.lists(
    st.builds(
        Draw,
        st.integers(0, 2),
        st.none() | st.integers(0, 20),
        st.sampled_from(EdgeType),
        st.integers(0, 1),
        st.lists(spans, min_size=2, max_size=2),
    ),
    min_size=2,
    max_size=7,
)


def built(draws: list[Draw]) -> tuple[list[Record], list[SpanFact]]:
    """Return the records in the order of their making, and what their items say."""
    nodes = [Node(number) for number in range(1, 4)]
    records: list[Record] = []
    facts: list[SpanFact] = []
    for one in draws:
        edges = []
        if one.cites is not None and records:
            edges = [edge(records[one.cites % len(records)], one.kind, one.at)]
        records.append(nodes[one.node].write(*edges, items=2))
        for index, (span, parent, link, ended) in enumerate(one.spans):
            links = [] if link is None else [link]
            end_ns = None if ended else 0
            facts.append(fact(Item(records[-1], index), span, parent, end_ns=end_ns, links=links))
    return records, facts


def relations(records: list[Record], facts: list[SpanFact]) -> list[Relation]:
    """Return every direct relation as the table in docs/evidence.md has it."""
    return [
        *of_logs(records),
        *(one for record in records for one in of_record(record, records, facts)),
        *of_spans(facts),
    ]


def of_logs(records: list[Record]) -> Iterator[Relation]:
    """Yield what the logs say."""
    for r, s in product(records, records):
        yield ("P", r.leaf), ("C", r.leaf), Strength.NODE_ATTESTED
        if r.header.lineage == s.header.lineage and r.header.first_lsn < s.header.first_lsn:
            yield ("C", r.leaf), ("C", s.leaf), Strength.NODE_ATTESTED


def of_record(r: Record, records: list[Record], facts: list[SpanFact]) -> Iterator[Relation]:
    """Yield what the items and tokens of a record say."""
    at = {(one.header.lineage, one.header.last_lsn): one for one in records}
    lsns = range(r.header.first_lsn, r.header.last_lsn + 1)
    mine = [one for one in facts if one.lineage == r.header.lineage and one.lsn in lsns]
    for one in mine:
        yield ("E" if one.end_ns else "S", one.span), ("P", r.leaf), Strength.SDK_ATTESTED
    for token in r.edges:
        cited = at[token.lineage, token.lsn]
        yield ("P", cited.leaf), ("P", r.leaf), Strength.CRYPTOGRAPHIC
        yield ("C", cited.leaf), ("P", r.leaf), Strength.NODE_ATTESTED
        moment = {EdgeType.RECEIVED: "S", EdgeType.RESPONSE: "E"}.get(token.type)
        if moment is not None:
            holder = mine[token.item_index].span
            yield ("C", cited.leaf), (moment, holder), Strength.SDK_ATTESTED


def of_spans(facts: list[SpanFact]) -> Iterator[Relation]:
    """Yield what the spans say of one another."""
    known = {one.span for one in facts}
    for one in facts:
        yield ("S", one.span), ("E", one.span), Strength.SDK_ATTESTED
        if one.parent in known:
            yield ("S", one.parent), ("S", one.span), Strength.APP_ASSERTED
        for trace_id, span_id in one.links:
            if trace_id + span_id in known:
                yield ("S", trace_id + span_id), ("E", one.span), Strength.APP_ASSERTED


def reachable(found: list[Relation], weakest: Strength) -> dict[Name, set[Name]]:
    """Return what follows each event by relations of a strength or stronger."""
    direct: dict[Name, set[Name]] = {}
    for earlier, later, strength in found:
        if strength <= weakest:
            direct.setdefault(earlier, set()).add(later)
    after: dict[Name, set[Name]] = {}
    for start in direct:
        reached: set[Name] = set()
        waiting = [start]
        while waiting:
            for later in direct.get(waiting.pop(), ()):
                if later not in reached:
                    reached.add(later)
                    waiting.append(later)
        after[start] = reached
    return after


def expected(
    closures: dict[Strength, dict[Name, set[Name]]],
    pairs: dict[Strength, tuple[Name, Name]],
) -> tuple[Answer, Strength]:
    """Return the answer that the closures give to pairs of events, the strongest first."""

    def first(*, backwards: bool) -> Strength:
        for strength, pair in pairs.items():
            earlier, later = reversed(pair) if backwards else pair
            if later in closures[strength].get(earlier, ()):
                return strength
        return Strength.NONE

    forward, backward = first(backwards=False), first(backwards=True)
    if Strength.NONE not in (forward, backward):
        return Answer.CONTRADICTORY, max(forward, backward)
    if forward is not Strength.NONE:
        return Answer.BEFORE, forward
    if backward is not Strength.NONE:
        return Answer.AFTER, backward
    return Answer.UNORDERED, Strength.NONE


@pytest.mark.slow
@given(worlds)
def test_verdicts_are_the_closure_of_the_table(draws: list[Draw]) -> None:
    """For every pair of items, about commits and about activity, answer and strength agree."""
    records, facts = built(draws)
    found = relations(records, facts)
    closures = {strength: reachable(found, strength) for strength in Strength}
    comparer = Comparer(Evidence(reversed(records), facts))
    span_of = {(one.lineage, one.lsn): one.span for one in facts}
    items = [Item(record, index) for record in records for index in (0, 1)]
    for a, b in product(items, items):
        commits = ("C", a.record.leaf), ("C", b.record.leaf)
        commit = comparer.compare(a, b, About.COMMIT)
        if a.record is b.record:
            assert (commit.verdict, commit.strength) == (Answer.SAME, Strength.CRYPTOGRAPHIC)
        else:
            contents = ("P", a.record.leaf), ("P", b.record.leaf)
            assert (commit.verdict, commit.strength) == expected(
                closures,
                {
                    Strength.CRYPTOGRAPHIC: contents,
                    Strength.NODE_ATTESTED: commits,
                    Strength.SDK_ATTESTED: commits,
                    Strength.APP_ASSERTED: commits,
                },
            )
        one, other = (span_of[x.record.header.lineage, x.lsn] for x in (a, b))
        starts = ("S", one), ("S", other)
        activity = comparer.compare(a, b, About.ACTIVITY)
        if one == other:
            assert activity.verdict is Answer.SAME
        else:
            assert (activity.verdict, activity.strength) == expected(
                closures, {Strength.SDK_ATTESTED: starts, Strength.APP_ASSERTED: starts}
            )


@pytest.mark.slow
@given(worlds)
def test_every_path_is_made_of_recorded_steps(draws: list[Draw]) -> None:
    """A path joins its ends step by step, each a relation of the collection or of one log."""
    records, facts = built(draws)
    evidence = Evidence(records, facts)
    comparer, recorded = Comparer(evidence), Relations(evidence)
    items = [Item(record, index) for record in records for index in (0, 1)]
    for a, b in product(items, items):
        verdict = comparer.compare(a, b)
        for path in (verdict.path, verdict.opposing):
            for step, following in pairwise(path):
                assert step.later == following.earlier
            for step in path:
                if step.rule == "log":
                    ends = (
                        evidence.records[one.subject].header for one in (step.earlier, step.later)
                    )
                    earlier, later = ends
                    assert earlier.lineage == later.lineage
                    assert earlier.first_lsn < later.first_lsn
                else:
                    assert step in list(recorded.before(step.later))
        if verdict.path:
            assert verdict.strength == max(
                step.strength for step in (*verdict.path, *verdict.opposing)
            )
