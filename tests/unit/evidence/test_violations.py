"""Violations: each code is found where its rule is broken, and nowhere else."""

from dataclasses import replace

import pytest

from sidespand.evidence.collection import Evidence, SpanFact
from sidespand.evidence.violations import Code, Range, Violation, violations
from sidespand.hlc import Hlc
from sidespand.limits import LATE_NS
from sidespand.model import Flag, Gap, Kind, Record
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.evidence.nodes import Node, edge, fact, vouched

S = 1_000_000_000


def codes(records: list[Record], *facts: SpanFact, gaps: tuple[Gap, ...] = ()) -> list[Code]:
    """Return the codes that are found."""
    return [one.code for one in violations(Evidence(records, facts, gaps))]


def test_a_sound_history_has_none() -> None:
    """Declared logs, true tokens, spans inside their parents: nothing to report."""
    one, other = Node(1, declared=True), Node(2, declared=True)
    parent = one.write()
    child = other.write(edge(parent))
    after = other.write(edge(one.write()))
    facts = fact(parent, 1), fact(child, 2, parent=1)

    assert codes([*one.records, *other.records], *facts) == []
    assert after in other.records


def test_forged_and_unknown_tokens() -> None:
    """A token of another record is a mismatch; one beyond the known log is an unknown dot."""
    one, other = Node(1, declared=True), Node(2, declared=True)
    true = edge(one.write())
    other.write(replace(true, tag=bytes(16)))
    other.write(replace(true, lsn=9))
    other.write(replace(true, lineage=bytes(8)))

    found = violations(Evidence([*one.records, *other.records]))

    assert [(v.code, v.lsn) for v in found] == [(Code.TAG_MISMATCH, 2), (Code.UNKNOWN_DOT, 3)]
    assert found[0].message == f"the token of {one.lineage.hex()}:2 is not that record's"


def test_an_edge_against_the_hlc() -> None:
    """A record must be stamped above the tokens in it, unless their merge was refused."""
    ahead = Node(1, ManualClock(START_WALL_NS + 10 * S, seed=1), declared=True)
    node = Node(2, declared=True)
    refused = node.write(edge(ahead.write()))
    assert refused.header.flags & Flag.MERGE_REJECTED
    records = [*ahead.records, node.records[0]]
    claimed = replace(refused.header, flags=Flag.MERGED)

    assert codes([*records, refused]) == []
    assert codes([*records, replace(refused, header=claimed)]) == [Code.EDGE_HLC_INVERSION]


def test_two_histories_of_one_lineage() -> None:
    """A clone opened beside its original is a fork, at the first place that both wrote."""
    node = Node(1, declared=True)
    node.write()
    clone = Node(1, ManualClock(seed=9), next_lsn=2)
    clone.write()

    found = violations(Evidence([*node.records, *clone.records]))

    assert found == [Violation(Code.FORK, node.lineage, 2, "two records claim LSN 2")]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("trimmed", []), ("damaged", [Code.GAP]), ("missing", [Code.GAP]), (None, [Code.GAP])],
)
def test_holes(reason: str | None, expected: list[Code]) -> None:
    """A hole is a gap unless a trim declared it."""
    node = Node(1, declared=True)
    node.write()
    last = node.write()
    gaps = () if reason is None else (Gap(1, node.lineage, 1, 2, reason),)

    assert codes([last], gaps=gaps) == expected


def test_generations_that_run_backwards() -> None:
    """A later record of an earlier generation was not written by this log."""
    node = Node(1, declared=True, generation=5)
    stale = Node(1, next_lsn=2, generation=4)
    stale.write()

    assert codes([*node.records, *stale.records]) == [Code.GENERATION_REGRESS]


def test_a_log_that_does_not_say_why_it_began() -> None:
    """The first record of a lineage declares it."""
    node = Node(1)
    node.write()

    assert codes(node.records) == [Code.UNDECLARED_LINEAGE]


def test_circles() -> None:
    """Records each of which the evidence puts before the next are named."""
    y = Node(1, next_lsn=2).write()
    b = Node(2, next_lsn=2).write()
    one, other = Node(1), Node(2)
    a, x = one.write(edge(b)), other.write(edge(y))

    found = [v for v in violations(Evidence([a, b, x, y])) if v.code is Code.CYCLE]

    assert len(found) == 1
    for position in (f"{one.lineage.hex()}:1", f"{other.lineage.hex()}:2"):
        assert position in found[0].message


def test_a_child_before_its_parent() -> None:
    """On one node any lead counts; between nodes only one beyond what both clocks allow."""
    node, far = Node(1, declared=True), Node(2, declared=True)
    parent, child = node.write(), node.write()
    remote = far.write()
    early = fact(child, 2, parent=1, start_ns=START_WALL_NS - 1)
    far_early = fact(remote, 3, parent=1, start_ns=START_WALL_NS - 2001)
    logs = [*node.records[:1], *far.records[:1]]

    assert codes([*logs, parent, child, remote], fact(parent, 1), early) == [
        Code.CHILD_BEFORE_PARENT
    ]
    assert codes([*logs, parent, child, remote], fact(parent, 1), far_early) == []
    vouching = [vouched(parent, 1), child, vouched(remote, 1)]
    assert codes([*logs, *vouching], fact(parent, 1), far_early) == [Code.CHILD_BEFORE_PARENT]
    within = replace(far_early, start_ns=START_WALL_NS - 2000)
    assert codes([*logs, *vouching], fact(parent, 1), within) == []


def test_ends_that_do_not_fit_the_acceptance() -> None:
    """A span cannot be accepted before it ends, and one held back for long is late."""
    node = Node(1, declared=True)
    record = node.write()
    records = [node.records[0], record]
    ahead = fact(record, 1, end_ns=START_WALL_NS + 1001)

    assert codes(records, fact(record, 1)) == []
    assert codes(records, ahead) == [Code.ENDS_AFTER_ACCEPT]
    assert codes([records[0], vouched(record, 2)], ahead) == []
    late = fact(record, 1, start_ns=START_WALL_NS - LATE_NS - 1)
    assert codes(records, late) == [Code.LATE_RECORD]
    assert violations(Evidence(records, [late]), late_ns=2 * LATE_NS) == []


def test_a_clock_that_the_hlc_left_behind() -> None:
    """After a step back by more than the merge guard, each record says how far the HLC leads."""
    node = Node(1, declared=True)
    node.clock.step_wall(-0.5)
    node.write()
    assert codes(node.records) == []
    node.clock.step_wall(-0.1)
    node.write()

    assert [one.header.kind for one in node.records[-2:]] == [Kind.CLOCK, Kind.SPANS]
    assert codes(node.records) == [Code.HLC_LEAD] * 2


def test_spans_that_nobody_announced() -> None:
    """Where the deployment wants marks, an ended span without one is reported."""
    node = Node(1, declared=True)
    mark, end, silent = node.write(kind=Kind.MARKS), node.write(), node.write()
    facts = [
        fact(mark, 1, end_ns=0, kind="client"),
        fact(end, 1, kind="client"),
        fact(silent, 2, kind="client"),
    ]

    assert codes(node.records, *facts) == []
    found = violations(Evidence(node.records, facts), marked_kinds={"client"})
    assert [(v.code, v.lsn) for v in found] == [(Code.MISSING_BEGIN_MARK, 4)]


@pytest.mark.parametrize(
    ("step_s", "start_s", "end_s", "found"),
    [
        (+60, -1, 60.5, True),
        (+60, 60.1, 60.5, False),
        (+60, -2, -1, False),
        (-60, -1, -59.5, True),
        (-60, -61, 0.5, True),
        (-60, -59.9, -59.5, False),
        (-60, -61, -60.5, False),
    ],
)
def test_spans_over_a_step_of_the_clock(
    step_s: float, start_s: float, end_s: float, *, found: bool
) -> None:
    """A span is reported when its readings cannot lie on one side of the step."""
    node = Node(1, declared=True)
    node.clock.step_wall(step_s)
    node.write()
    node.clock.pass_time(2)
    record = node.write()
    span = fact(
        record,
        1,
        start_ns=START_WALL_NS + int(start_s * S),
        end_ns=START_WALL_NS + int(end_s * S),
    )

    stepped = Code.CLOCK_STEP_IN_SPAN in codes(node.records, span)

    assert stepped is found


def test_a_range_leaves_the_rest_out() -> None:
    """Only what is about a place within the range is returned, by lineage and LSN."""
    node = Node(1)
    node.write()
    cited = replace(edge(node.write()), tag=bytes(16), stamp=Hlc(0, 0))
    node.write(cited)
    node.write(cited)
    evidence = Evidence(node.records)

    assert [v.lsn for v in violations(evidence)] == [1, 3, 4]
    assert [v.lsn for v in violations(evidence, Range(node.lineage, 2, 3))] == [3]
    assert violations(evidence, Range(bytes(8), 1, 9)) == []
