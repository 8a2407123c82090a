"""The clock's rules, explored to the end for small bounds: every history, no sample.

Nodes read clocks that tick and are set back, stamp records, hand tokens over, crash around their
commits and start again. The rules are those of the journal's stamper itself. Two wrong rules show
that the invariants would notice: the receive branch of a published TLA+ specification, and a
restart that forgets.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import pytest

from sidespand import hlc
from sidespand.hlc import ZERO, Hlc
from sidespand.journal import stamper
from sidespand.journal.state import Head
from sidespand.model import Content, Edge, EdgeType, Flag, Kind
from tests.clocks import ManualClock

T = TypeVar("T")
NODES = 2
GUARD_NS = 1
CLOCK = ManualClock()
HEAD = Head(1, bytes(8), 1, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())


class Bounds(NamedTuple):
    """How far the histories go.

    Args:
        wall_max: Of any clock.
        writes_max: Records in all.
        steps_max: Times that a clock is set back to zero.
        restarts_max: Times that a daemon starts again.
    """

    wall_max: int = 3
    writes_max: int = 4
    steps_max: int = 1
    restarts_max: int = 1


class State(NamedTuple):
    """One moment of the world.

    Args:
        walls: Of the nodes.
        heads: The last stamp that each node's store holds, as its rules go on from it.
        highest: The highest stamp that each node ever committed.
        tokens: Stamps that were released.
        wall_seen: The highest wall that any node ever had.
        writes: Left.
        steps: Left.
        restarts: Left.
    """

    walls: tuple[int, ...]
    heads: tuple[Hlc, ...]
    highest: tuple[Hlc, ...]
    tokens: frozenset[Hlc]
    wall_seen: int
    writes: int
    steps: int
    restarts: int


class Stamped(NamedTuple):
    """What a rule made of a record.

    Args:
        first: Stamp of its first item.
        merged: Whether the token in it was merged.
    """

    first: Hlc
    merged: bool


@dataclass(frozen=True)
class Rules:
    """What is explored.

    Args:
        stamp: The stamp of a record of some items that holds a token or none.
        restart: Where the clock goes on after a start.
    """

    stamp: Callable[[Hlc, int, Hlc | None, int], Stamped]
    restart: Callable[[Hlc], Hlc]


def ours(last: Hlc, wall: int, token: Hlc | None, items: int) -> Stamped:
    """Return what the journal's stamper does."""
    edges = () if token is None else (Edge(EdgeType.RECEIVED, 0, bytes(8), 1, token, bytes(16)),)
    draft = stamper.Draft(replace(HEAD, stamp=last), CLOCK)
    first, flags = draft._tick(Content(Kind.SPANS, b"", items, edges), wall)
    return Stamped(first, bool(flags & Flag.MERGED))


def published(last: Hlc, wall: int, token: Hlc | None, items: int) -> Stamped:
    """Return what hlc.tla does: its receive branch asks for ``l > pt`` where the paper has ``=``."""
    del items
    if token is None:
        later = last.wall_ns >= wall
        return Stamped(Hlc(last.wall_ns, last.logical + 1) if later else Hlc(wall, 0), merged=False)
    highest = max(wall, last.wall_ns, token.wall_ns)
    if last.wall_ns > wall and last.wall_ns == token.wall_ns:
        return Stamped(Hlc(highest, max(last.logical, token.logical) + 1), merged=True)
    if last.wall_ns > wall:
        return Stamped(Hlc(highest, last.logical + 1), merged=True)
    if last.wall_ns < token.wall_ns:
        return Stamped(Hlc(highest, token.logical + 1), merged=True)
    return Stamped(Hlc(highest, 0), merged=True)


OURS = Rules(ours, lambda last: last)
PUBLISHED = Rules(published, lambda last: last)
FORGETFUL = Rules(ours, lambda _: ZERO)


def explore(rules: Rules, bounds: Bounds) -> tuple[int, set[str]]:
    """Return how many states there are, and the names of the invariants that some step breaks."""
    start = State(
        (0,) * NODES, (ZERO,) * NODES, (ZERO,) * NODES, frozenset(), 0,
        bounds.writes_max, bounds.steps_max, bounds.restarts_max,
    )  # fmt: skip
    known = {start}
    waiting = deque([start])
    broken: set[str] = set()
    while waiting:
        state = waiting.popleft()
        for following in successors(state, rules, bounds, broken):
            if following not in known:
                known.add(following)
                waiting.append(following)
    return len(known), broken


def successors(state: State, rules: Rules, bounds: Bounds, broken: set[str]) -> Iterator[State]:
    """Yield the states that one action leads to; note which invariants it breaks."""
    for node in range(NODES):
        wall = state.walls[node]
        if wall < bounds.wall_max:
            seen = max(state.wall_seen, wall + 1)
            yield state._replace(walls=put(state.walls, node, wall + 1), wall_seen=seen)
        if state.steps and wall:
            yield state._replace(walls=put(state.walls, node, 0), steps=state.steps - 1)
        if state.restarts:
            head = rules.restart(state.heads[node])
            yield state._replace(heads=put(state.heads, node, head), restarts=state.restarts - 1)
        if state.writes:
            for token in (None, *state.tokens):
                for items in (1, 2):
                    yield from written(state, rules, node, token, items, bounds, broken)


def written(
    state: State,
    rules: Rules,
    node: int,
    token: Hlc | None,
    items: int,
    bounds: Bounds,
    broken: set[str],
) -> Iterator[State]:
    """Yield what a record leads to: a crash before its commit leaves nothing of it."""
    wall, head = state.walls[node], state.heads[node]
    stamped = rules.stamp(head, wall, token, items)
    first = stamped.first
    last = hlc.nth(first, items - 1)
    if first <= state.highest[node]:
        broken.add("not above its own log")
    if token is not None and stamped.merged and first <= token:
        broken.add("not above what it received")
    if (
        token is not None
        and not stamped.merged
        and first != rules.stamp(head, wall, None, items)[0]
    ):
        broken.add("moved by a refused token")
    if first.wall_ns < wall:
        broken.add("behind its own clock")
    carries = bounds.writes_max - state.writes + 1 if hlc.LOGICAL_MAX < bounds.writes_max else 0
    if first.wall_ns > state.wall_seen + carries:
        broken.add("a wall that nobody had")
    if first.wall_ns > max(head.wall_ns, wall + GUARD_NS) + carries:
        broken.add("moved past the guard")
    if last.logical > hlc.LOGICAL_MAX:
        broken.add("out of range")
    committed = state._replace(
        heads=put(state.heads, node, last),
        highest=put(state.highest, node, max(last, state.highest[node])),
        writes=state.writes - 1,
    )
    # The daemon may die between its commit and the release of the token.
    yield committed
    yield committed._replace(tokens=state.tokens | {last})


def put(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    """Return ``values`` with one of them replaced."""
    return (*values[:at], value, *values[at + 1 :])


@pytest.fixture(autouse=True)
def small_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a clock that is two ticks ahead be too far ahead."""
    monkeypatch.setattr(stamper, "HLC_MERGE_AHEAD_NS_MAX", GUARD_NS)


@pytest.mark.slow
def test_no_history_breaks_the_rules() -> None:
    """Over steps back, crashes, restarts and refused merges every invariant holds."""
    states, broken = explore(OURS, Bounds())

    assert broken == set()
    assert states > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("logical_max", [1, 2])
def test_no_history_breaks_the_carry(monkeypatch: pytest.MonkeyPatch, logical_max: int) -> None:
    """With a logical part of one or two values, so that it overflows often, they still hold."""
    monkeypatch.setattr(hlc, "LOGICAL_MAX", logical_max)

    states, broken = explore(OURS, Bounds(wall_max=2))

    assert broken == set()
    assert states > 5_000


@pytest.mark.slow
def test_the_published_receive_branch_is_wrong() -> None:
    """With equal walls it starts the logical part anew: neither monotone nor above the message."""
    _, broken = explore(PUBLISHED, Bounds(wall_max=2, writes_max=3))

    assert broken >= {"not above its own log", "not above what it received"}


@pytest.mark.slow
def test_a_restart_that_forgets_is_noticed() -> None:
    """A daemon that starts from the wall clock alone falls behind what it had committed."""
    _, broken = explore(FORGETFUL, Bounds(wall_max=2, writes_max=3))

    assert broken == {"not above its own log"}
