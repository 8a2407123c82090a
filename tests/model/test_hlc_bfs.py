"""The clock's rules, explored to the end for small bounds: every history, no sample.

Nodes read clocks that tick and are set back, stamp records, hand tokens over, crash around their
commits and start again. The rules are those of the journal's stamper itself. Two wrong rules show
that the invariants would notice: the receive branch of a published TLA+ specification, and a
restart that forgets.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
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
STATES_MIN = 10_000
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
    writes_max: int = 3
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
    """Return what hlc.tla does: receipt asks for ``l > pt`` where the paper has ``l' = l``."""
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


class Exploration:
    """Every history within bounds.

    Args:
        rules: What the nodes go by.
        bounds: How far.
    """

    def __init__(self, rules: Rules, bounds: Bounds) -> None:
        self.broken: set[str] = set()
        self._bounds = bounds
        self._restart = rules.restart
        self._stamp = cache(rules.stamp)
        start = State(
            (0,) * NODES, (ZERO,) * NODES, (ZERO,) * NODES, frozenset(), 0,
            bounds.writes_max, bounds.steps_max, bounds.restarts_max,
        )  # fmt: skip
        known = {start}
        waiting = deque([start])
        while waiting:
            for following in self._successors(waiting.popleft()):
                if following not in known:
                    known.add(following)
                    waiting.append(following)
        self.states = len(known)

    def _successors(self, state: State) -> Iterator[State]:
        for node, wall in enumerate(state.walls):
            if wall < self._bounds.wall_max:
                seen = max(state.wall_seen, wall + 1)
                yield state._replace(walls=put(state.walls, node, wall + 1), wall_seen=seen)
            if state.steps and wall:
                yield state._replace(walls=put(state.walls, node, 0), steps=state.steps - 1)
            if state.restarts:
                heads = put(state.heads, node, self._restart(state.heads[node]))
                yield state._replace(heads=heads, restarts=state.restarts - 1)
            if state.writes:
                for token in (None, *state.tokens):
                    for items in (1, 2):
                        yield from self._written(state, node, token, items)

    def _written(self, state: State, node: int, token: Hlc | None, items: int) -> Iterator[State]:
        # A crash before the commit leaves nothing, not even a state of its own.
        wall, head, highest = state.walls[node], state.heads[node], state.highest[node]
        first, merged = self._stamp(head, wall, token, items)
        last = hlc.nth(first, items - 1)
        if first <= highest:
            self.broken.add("not above its own log")
        if token is not None and merged and first <= token:
            self.broken.add("not above what it received")
        if token is not None and not merged and first != self._stamp(head, wall, None, items)[0]:
            self.broken.add("moved by a refused token")
        if first.wall_ns < wall:
            self.broken.add("behind its own clock")
        # Where the logical part overflows within these bounds, each record may carry once.
        overflows = 2 * self._bounds.writes_max >= hlc.LOGICAL_MAX
        carries = self._bounds.writes_max - state.writes + 1 if overflows else 0
        if first.wall_ns > state.wall_seen + carries:
            self.broken.add("a wall that nobody had")
        if first.wall_ns > max(head.wall_ns, wall + GUARD_NS) + carries:
            self.broken.add("moved past the guard")
        if last.logical > hlc.LOGICAL_MAX:
            self.broken.add("out of range")
        committed = state._replace(
            heads=put(state.heads, node, last),
            highest=put(state.highest, node, max(last, highest)),
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
@pytest.mark.parametrize(
    "bounds", [Bounds(), Bounds(wall_max=2, writes_max=4, restarts_max=0)], ids=["walls", "writes"]
)
def test_no_history_breaks_the_rules(bounds: Bounds) -> None:
    """Over steps back, crashes, restarts and refused merges every invariant holds."""
    explored = Exploration(OURS, bounds)

    assert explored.broken == set()
    assert explored.states > STATES_MIN


@pytest.mark.slow
@pytest.mark.parametrize("logical_max", [2, 3])
def test_no_history_breaks_the_carry(monkeypatch: pytest.MonkeyPatch, logical_max: int) -> None:
    """With a logical part of three or four values, so that it overflows often, they still hold."""
    monkeypatch.setattr(hlc, "LOGICAL_MAX", logical_max)

    explored = Exploration(OURS, Bounds(wall_max=1, writes_max=4))

    assert explored.broken == set()
    assert explored.states > STATES_MIN


@pytest.mark.slow
def test_the_published_receive_branch_is_wrong() -> None:
    """With equal walls it starts the logical part anew: neither monotone nor above the message."""
    explored = Exploration(PUBLISHED, Bounds(wall_max=2))

    assert explored.broken >= {"not above its own log", "not above what it received"}


@pytest.mark.slow
def test_a_restart_that_forgets_is_noticed() -> None:
    """A daemon that starts from the wall clock alone falls behind what it had committed."""
    explored = Exploration(FORGETFUL, Bounds(wall_max=1))

    assert explored.broken == {"not above its own log"}
