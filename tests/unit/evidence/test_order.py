"""The order of a trace, its bounds in time, and the texts of verdicts."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sidespand.evidence import explain
from sidespand.evidence.bracket import not_after, not_before
from sidespand.evidence.collection import Evidence
from sidespand.evidence.order import commit_order, order
from sidespand.evidence.relations import Moment, Strength
from sidespand.evidence.verdict import About, Comparer
from sidespand.model import Flag, Record
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.evidence.nodes import TRACE, Node, edge, fact, item

S = 1_000_000_000


def test_a_trace_is_shown_in_its_recorded_order() -> None:
    """Evidence goes first, each step says how strong it is, and the rest runs by HLC."""
    ahead, node = Node(1, ManualClock(START_WALL_NS + 10 * S, seed=1)), Node(2)
    stranger = Node(3)
    a = ahead.write(items=2)
    b = node.write(edge(a))
    c = node.write()
    d = stranger.write()
    facts = [fact(item(a, 1), 2), fact(item(a), 1), fact(b, 3), fact(c, 4), fact(d, 5)]
    comparer = Comparer(Evidence([d, c, b, a], facts))

    shown = order(comparer, TRACE)

    assert [(str(one.item), one.strength) for one in shown.placed] == [
        (f"{d.header.lineage.hex()}:1", Strength.NONE),
        (f"{a.header.lineage.hex()}:1", Strength.NONE),
        (f"{a.header.lineage.hex()}:2", Strength.NONE),
        (f"{b.header.lineage.hex()}:1", Strength.CRYPTOGRAPHIC),
        (f"{c.header.lineage.hex()}:2", Strength.NODE_ATTESTED),
    ]
    assert (shown.by_hlc, shown.circular) == (False, False)
    assert order(comparer, bytes(16)).placed == ()


def test_equal_stamps_run_by_node_and_number() -> None:
    """Where nothing else decides, the name of the node does, then the LSN as a number."""
    one, other = Node(1), Node(2)
    a, b = one.write(), other.write()
    facts = [fact(a, 1), fact(b, 2)]
    nodes = {one.lineage: "node://z", other.lineage: "node://a"}

    shown = order(Comparer(Evidence([a, b], facts, nodes=nodes)), TRACE)

    assert [one.item.record for one in shown.placed] == [b, a]
    assert (shown.by_hlc, shown.circular) == (True, False)


def test_a_circle_is_shown_and_named() -> None:
    """Records that stand in a circle come last, by HLC, and the order says so."""
    y, b = Node(1, next_lsn=2).write(), Node(2, next_lsn=2).write()
    a, x = Node(1).write(edge(b)), Node(2).write(edge(y))
    free = Node(3).write()
    facts = [fact(r, number) for number, r in enumerate((a, b, x, y, free))]

    shown = order(Comparer(Evidence([a, b, x, y, free], facts)), TRACE)

    assert shown.placed[0].item.record == free
    assert len(shown.placed) == 5
    assert shown.circular


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(-2, 2)), max_size=30))
def test_an_order_extends_the_evidence(events: list[tuple[int, int, int]]) -> None:
    """Every record follows its log's earlier ones and those it cites, and runs by HLC otherwise."""
    nodes = [Node(number, ManualClock(seed=number)) for number in range(1, 5)]
    written: list[Record] = []
    for number, cited, step_s in events:
        nodes[number].clock.step_wall(step_s)
        edges = [edge(written[cited])] if cited < len(written) else []
        written.append(nodes[number].write(*edges))
    recorded = [record for node in nodes for record in node.records]
    evidence = Evidence(reversed(recorded))

    sequence, circular = commit_order(evidence)

    assert circular == []
    place = {record.leaf: number for number, record in enumerate(sequence)}
    assert len(place) == len(recorded)
    for record in recorded:
        for citation in evidence.cited_by(record):
            assert citation.target is not None
            assert place[citation.target.leaf] < place[record.leaf]
    for node in nodes:
        assert [place[r.leaf] for r in node.records] == sorted(place[r.leaf] for r in node.records)
    if not any(record.header.flags & Flag.MERGE_REJECTED for record in written):
        stamps = [record.header.stamp for record in sequence]
        assert stamps == sorted(stamps)


def test_the_branches_of_a_fork_run_by_hlc() -> None:
    """Behind a fork the LSN orders nothing, not even for display."""
    original = Node(1)
    trunk, left, left_later = original.write(), original.write(), original.write()
    right = Node(1, ManualClock(START_WALL_NS + S, seed=9), next_lsn=2).write()

    sequence, _ = commit_order(Evidence([right, left_later, left, trunk]))

    assert sequence == [trunk, left, left_later, right]


def test_a_record_stands_in_a_bracket() -> None:
    """It was fixed after what it cites, and before its own commit and whatever cites it."""
    one, node, other = Node(1, ManualClock(START_WALL_NS - 5 * S, seed=1)), Node(2), Node(3)
    a = one.write()
    earlier = node.write()
    r = node.write(edge(a))
    other.clock.step_wall(-2)
    b = other.write(edge(r))
    evidence = Evidence([a, earlier, r, b])

    below, above = not_before(evidence, item(r)), not_after(evidence, item(r))

    assert [(bound.wall_ns, bound.moment, bound.rule) for bound in below] == [
        (START_WALL_NS - 5 * S, Moment.CONTENT, "token"),
        (START_WALL_NS, Moment.COMMIT, "log"),
    ]
    assert [(bound.wall_ns, bound.rule) for bound in above] == [
        (START_WALL_NS - 2 * S, "token"),
        (START_WALL_NS, "commit"),
    ]
    assert above[0].position == f"{b.header.lineage.hex()}:1"
    assert not_before(evidence, item(a)) == []


def test_every_verdict_has_a_text_and_a_document() -> None:
    """Texts are printable, documents are JSON, and both name answer, subject and strength."""
    y, b = Node(1, next_lsn=2).write(), Node(2, next_lsn=2).write()
    a, x = Node(1).write(edge(b)), Node(2).write(edge(y))
    free, alone = Node(3).write(items=2), Node(4).write()
    spans = [fact(a, 1), fact(free, 2, parent=1), fact(item(free, 1), 2)]
    evidence = Evidence([a, b, x, y, free, alone], spans)
    comparer = Comparer(evidence)
    items = [*(item(one) for one in (a, b, x, y, free, alone)), item(free, 1)]
    seen = set()
    for one in items:
        for other in items:
            verdict = comparer.compare(one, other)
            text = explain.text(evidence, one, other, verdict)
            document = json.loads(json.dumps(explain.document(evidence, verdict)))
            seen.add(verdict.verdict.value)
            assert text.replace("\n", "").isprintable()
            words = f"{document['verdict']} ({document['about']}, {document['strength']}): "
            assert text.startswith(words)

    assert seen == {"before", "after", "same", "unordered", "contradictory"}


def test_a_path_names_its_events() -> None:
    """A path names records by their positions and spans by their ids."""
    one, other = Node(1), Node(2)
    a = one.write()
    b = other.write(edge(a))
    evidence = Evidence([a, b], [fact(a, 1), fact(b, 2)])
    comparer = Comparer(evidence)

    strongest = comparer.compare(item(a), item(b))
    activity = comparer.compare(item(a), item(b), About.ACTIVITY)

    token = "content of 0101010101010101:1 < content of 0202020202020202:1   token"
    assert token in explain.text(evidence, item(a), item(b), strongest)
    started = f"commit of 0101010101010101:1 < start of span {TRACE.hex()}/0000000000000002"
    assert started in explain.text(evidence, item(a), item(b), activity)
    assert "and the earlier one was over by then" in explain.text(
        evidence, item(a), item(b), activity
    )
