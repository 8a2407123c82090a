"""Verdicts against the truth: ten nodes with skewed clocks, some of whose messages go unrecorded.

The world knows what really came before what, the record knows less. A verdict must say what follows
from the record, all of it, and never more than is true.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from sidespand.evidence.collection import Evidence
from sidespand.evidence.relations import Strength
from sidespand.evidence.verdict import About, Answer, Comparer, Verdict
from sidespand.model import EdgeType, Flag, Record
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.evidence.nodes import Node, edge, item, vouched

NODES = 10
RECORDS = 210
PAIRS_MIN = 20_000
STEP_NS = 1_000_000
MIRRORED = {Answer.BEFORE: Answer.AFTER, Answer.AFTER: Answer.BEFORE}
Vector = dict[int, int]
Judge = Callable[[Record, Record], Verdict]


@dataclass
class World:
    """What happened, and what was written down.

    Args:
        records: In the order in which they really were committed.
        recorded: By leaf: how far into each node's log the record's own past reaches, as it
            follows from logs and tokens.
        true: The same by everything that happened, unrecorded messages included.
        contents: By leaf: the leaves that it holds the tokens of, and those that they hold.
    """

    records: list[Record] = field(default_factory=list)
    recorded: dict[bytes, Vector] = field(default_factory=dict)
    true: dict[bytes, Vector] = field(default_factory=dict)
    contents: dict[bytes, set[bytes]] = field(default_factory=dict)


def joined(one: Vector, other: Vector) -> Vector:
    """Return the least vector that covers both."""
    return {node: max(one.get(node, 0), other.get(node, 0)) for node in one.keys() | other.keys()}


def simulated(seed: int) -> World:
    """Return a world of RECORDS records by NODES nodes.

    Half of the nodes keep good time and vouch for it; the rest are off by up to two seconds.
    """
    chance = random.Random(seed)
    skews = [chance.randrange(-400_000, 400_000) for _ in range(5)]
    skews += [chance.randrange(-2_000_000_000, 2_000_000_000) for _ in range(5)]
    clocks = [ManualClock(START_WALL_NS + skew, seed=number) for number, skew in enumerate(skews)]
    nodes = [Node(number, clock) for number, clock in enumerate(clocks)]
    world = World()
    recorded: list[Vector] = [{} for _ in nodes]
    true: list[Vector] = [{} for _ in nodes]
    for _ in range(RECORDS):
        for clock in clocks:
            clock.pass_time(STEP_NS / 1e9)
        number = chance.randrange(NODES)
        seen = chance.sample(range(NODES), chance.choice((0, 0, 0, 1, 1, 2)))
        cited = [one for one in (_a_token_of(nodes[n], chance) for n in seen if n != number) if one]
        kinds = (EdgeType.RECEIVED, EdgeType.CITED)
        record = nodes[number].write(
            *(edge(one, chance.choice(kinds)) for one in cited), items=chance.choice((1, 1, 3))
        )
        if chance.random() < 0.1:
            # A message that no token went along with.
            true[number] = joined(true[number], true[chance.randrange(NODES)])
        for one in cited:
            recorded[number] = joined(recorded[number], world.recorded[one.leaf])
            true[number] = joined(true[number], world.true[one.leaf])
        place = len(nodes[number].records)
        recorded[number] = {**recorded[number], number: place}
        true[number] = {**true[number], number: place}
        if number < 5:
            record = nodes[number].records[-1] = vouched(record, 500)
        world.records.append(record)
        world.recorded[record.leaf] = recorded[number]
        world.true[record.leaf] = true[number]
        world.contents[record.leaf] = {
            held for one in cited for held in (one.leaf, *world.contents[one.leaf])
        }
    return world


def _a_token_of(node: Node, chance: random.Random) -> Record | None:
    # A stale token is as good as the newest.
    return chance.choice(node.records[-3:]) if node.records else None


def covers(vector: Vector, record: Record) -> bool:
    """Tell whether a record is within the past that a vector names."""
    number = record.header.lineage[0]
    return vector.get(number, 0) > record.header.record_index


def mistakes(world: World, judge: Judge) -> list[str]:
    """Return what is wrong with the verdicts on every pair of records."""
    found = []
    # The earlier one of a pair was really committed first.
    for earlier, later in combinations(world.records, 2):
        verdict, reverse = judge(earlier, later), judge(later, earlier)
        mirrored = MIRRORED.get(verdict.verdict, verdict.verdict)
        if (reverse.verdict, reverse.strength) != (mirrored, verdict.strength):
            found.append("not antisymmetric")
        if verdict.verdict is Answer.AFTER:
            found.append("against real time")
        by_edges = verdict.strength <= Strength.NODE_ATTESTED
        follows = covers(world.recorded[later.leaf], earlier)
        if (verdict.verdict is Answer.BEFORE and by_edges) != follows:
            found.append("not the closure of the recorded edges")
        proved = earlier.leaf in world.contents[later.leaf]
        if (verdict.strength is Strength.CRYPTOGRAPHIC) != proved:
            found.append("not the closure of the tokens")
        caused = covers(world.true[later.leaf], earlier)
        if by_edges and verdict.verdict is Answer.BEFORE and not caused:
            found.append("no such cause")
        if follows and any("from a to b" in one for one in verdict.refutations):
            found.append("refutes what happened")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_are_the_closure_and_never_false(seed: int) -> None:
    """Over 20,000 pairs: edge verdicts equal the closure, and none contradicts the truth."""
    world = simulated(seed)
    comparer = Comparer(Evidence(world.records))
    answers: dict[Strength, int] = dict.fromkeys(Strength, 0)

    def judge(a: Record, b: Record) -> Verdict:
        verdict = comparer.compare(item(a), item(b))
        answers[verdict.strength] += 1
        return verdict

    assert mistakes(world, judge) == []
    assert sum(answers.values()) >= 2 * PAIRS_MIN
    for strength in (
        Strength.CRYPTOGRAPHIC, Strength.NODE_ATTESTED, Strength.CLOCK_BOUNDED, Strength.NONE,
    ):  # fmt: skip
        assert answers[strength] > 0, strength
    assert any(record.header.flags & Flag.MERGE_REJECTED for record in world.records)


@pytest.mark.slow
def test_the_checker_sees_a_wrong_rule() -> None:
    """A judge to whom a lower HLC means before is caught, on every count that it can err on."""
    world = simulated(3)

    def judge(a: Record, b: Record) -> Verdict:
        answer = Answer.BEFORE if a.header.stamp < b.header.stamp else Answer.AFTER
        return Verdict(answer, About.COMMIT, Strength.NODE_ATTESTED)

    found = set(mistakes(world, judge))

    assert found >= {
        "against real time",
        "not the closure of the recorded edges",
        "no such cause",
    }
