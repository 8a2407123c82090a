"""The changes that lead from one value to another.

Paths run from the top: keys of mappings, indices of lists. Indices count in ``after``, but for what
was dropped, whose indices count in ``before``. So the changes, applied level by level, make
``after`` of ``before``.
Source: RFC 6902 for the operations, with names of our field; RFC 6901 for what a path names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidespand.diff import labels, texts
from sidespand.diff.alignment import Alignment, align
from sidespand.diff.budget import Budget
from sidespand.diff.interning import Json, Numbers, Unfit
from sidespand.diff.texts import Hunk

Path = tuple[str | int, ...]


class Op(StrEnum):
    """What became of a value."""

    ADDED = "added"
    DROPPED = "dropped"
    CHANGED = "changed"
    TRUNCATED = "truncated"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Args:
        op: What became of the value.
        path: Where it is.
        label: What it is, for people.
        before: The value before; None for what was added, and for what only moved.
        after: The value after; None for what was dropped, and for what only moved.
        source: Of what moved the index in ``before``; None otherwise.
        hunks: Of a text that changed; empty otherwise, and where there was no room.
    """

    op: Op
    path: Path
    label: str
    before: Json = None
    after: Json = None
    source: int | None = None
    hunks: tuple[Hunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes.

    Args:
        changes: At most DIFF_CHANGES_MAX; in the order of ``after``, what was dropped where it was.
        truncated: There are more, or a text's hunks were left out.
    """

    changes: tuple[Change, ...]
    truncated: bool


def diff(before: Json, after: Json) -> Diff:
    """Return the changes from one value to another.

    Never slow: work, depth and answer are bounded, whatever the values hold. What is too large or
    too deep to be looked into is one change.
    """
    numbers, budget = Numbers(), Budget()
    try:
        numbers.learn(before)
        numbers.learn(after)
    except Unfit:
        return Diff((Change(Op.CHANGED, (), labels.WHOLE, before, after),), truncated=True)
    found = []
    for change in _Comparison(numbers, budget).changes((), before, after, labels.WHOLE):
        if not budget.change():
            break
        found.append(change)
    return Diff(tuple(found), budget.exceeded)


class _Comparison:
    def __init__(self, numbers: Numbers, budget: Budget) -> None:
        self._numbers = numbers
        self._budget = budget

    def changes(self, path: Path, before: Json, after: Json, label: str) -> Iterator[Change]:
        if self._numbers.of(before) == self._numbers.of(after):
            return
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self._of_mapping(path, before, after, label)
        elif isinstance(before, list) and isinstance(after, list):
            yield from self._of_list(path, before, after, label)
        elif isinstance(before, str) and isinstance(after, str):
            op = Op.TRUNCATED if texts.is_cut(before, after) else Op.CHANGED
            pieces = texts.hunks(before, after, self._budget)
            yield Change(op, path, label, before, after, hunks=pieces)
        else:
            yield Change(Op.CHANGED, path, label, before, after)

    def _of_mapping(
        self, path: Path, before: Mapping[str, Json], after: Mapping[str, Json], label: str
    ) -> Iterator[Change]:
        for key, value in before.items():
            below, name = (*path, key), labels.of_member(label, key)
            if key in after:
                yield from self.changes(below, value, after[key], name)
            else:
                yield Change(Op.DROPPED, below, name, before=value)
        for key, value in after.items():
            if key not in before:
                below = (*path, key)
                yield Change(Op.ADDED, below, labels.of_member(label, key), after=value)

    def _of_list(
        self, path: Path, before: list[Json], after: list[Json], label: str
    ) -> Iterator[Change]:
        found = align(before, after, self._numbers, self._budget)
        dropped = iter(sorted(found.dropped))
        waiting = next(dropped, None)
        # What was dropped is told where it was: before the first that stayed behind it.
        for index, value in enumerate(after):
            source = found.source.get(index)
            if source is not None and index not in found.moved:
                while waiting is not None and waiting < source:
                    yield self._dropped(path, before, waiting, label)
                    waiting = next(dropped, None)
            yield from self._of_element((*path, index), before, value, label, found)
        while waiting is not None:
            yield self._dropped(path, before, waiting, label)
            waiting = next(dropped, None)

    def _dropped(self, path: Path, before: list[Json], index: int, label: str) -> Change:
        name = labels.of_element(label, index, before[index])
        return Change(Op.DROPPED, (*path, index), name, before=before[index])

    def _of_element(
        self,
        path: Path,
        before: list[Json],
        value: Json,
        label: str,
        found: Alignment,
    ) -> Iterator[Change]:
        index = path[-1]
        assert isinstance(index, int)
        name = labels.of_element(label, index, value)
        source = found.source.get(index)
        if source is None:
            yield Change(Op.ADDED, path, name, after=value)
            return
        if index in found.moved:
            yield Change(Op.MOVED, path, name, source=source)
        yield from self.changes(path, before[source], value, name)
