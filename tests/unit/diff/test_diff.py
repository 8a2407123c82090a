"""What changed between two values: complete, in words that fit, and never slow."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.diff.budget import Budget
from sidespand.diff.changes import Change, Json, Op, Path, diff
from sidespand.diff.sequences import common
from sidespand.limits import DIFF_CHANGES_MAX, DIFF_NODES_MAX

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(allow_nan=False) | st.text("ab \n.…"),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["id", "role", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=24,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool"]), "content": st.text("ab ")},
        optional={"id": st.integers(0, 4)},
    ),
    max_size=8,
)


def apply(before: Json, changes: tuple[Change, ...]) -> Json:
    """Return what the changes make of ``before``."""
    return _apply(before, list(changes), (), ())


def _apply(value: Json, changes: list[Change], there: Path, here: Path) -> Json:
    # A dropped element counts in ``before``: its path leads through the indices of that side.
    for one in changes:
        if one.path == here and one.op in (Op.CHANGED, Op.TRUNCATED):
            return one.after
    if isinstance(value, dict):
        return _mapping(value, changes, there, here)
    return _list(value, changes, there, here) if isinstance(value, list) else value


def _children(changes: list[Change], path: Path, op: Op) -> dict[Any, Change]:
    return {
        one.path[-1]: one
        for one in changes
        if one.op is op and len(one.path) == len(path) + 1 and one.path[:-1] == path
    }


def _mapping(value: dict[str, Json], changes: list[Change], there: Path, here: Path) -> Json:
    dropped = _children(changes, here, Op.DROPPED)
    made = {
        key: _apply(member, changes, (*there, key), (*here, key))
        for key, member in value.items()
        if key not in dropped
    }
    made.update({key: one.after for key, one in _children(changes, here, Op.ADDED).items()})
    return made


def _list(value: list[Json], changes: list[Change], there: Path, here: Path) -> Json:
    dropped = _children(changes, here, Op.DROPPED)
    added = _children(changes, here, Op.ADDED)
    moved = {index: one.source for index, one in _children(changes, here, Op.MOVED).items()}
    staying = iter([
        index for index in range(len(value)) if index not in {*dropped, *moved.values()}
    ])  # fmt: skip
    made: list[Json] = []
    for index in range(len(value) - len(dropped) + len(added)):
        if index in added:
            made.append(added[index].after)
            continue
        source = moved[index] if index in moved else next(staying)
        assert source is not None
        made.append(_apply(value[source], changes, (*there, source), (*here, index)))
    return made


@given(VALUES, VALUES)
def test_the_changes_make_the_one_of_the_other(before: Json, after: Json) -> None:
    """Nothing is left out, and nothing is told twice."""
    assert apply(before, diff(before, after).changes) == after


@given(MESSAGES, MESSAGES)
def test_the_changes_of_messages_are_complete_too(before: Json, after: Json) -> None:
    """Messages that moved, changed or came make the other list."""
    assert apply(before, diff(before, after).changes) == after


@given(VALUES)
def test_what_is_equal_has_no_changes(value: Json) -> None:
    """The same value twice is no news."""
    assert diff(value, value).changes == ()


@given(st.lists(st.integers(0, 4), max_size=24), st.lists(st.integers(0, 4), max_size=24))
def test_what_lists_have_in_common_rises_and_is_longest(a: list[int], b: list[int]) -> None:
    """The pairs are equal, in order on both sides, and no other such list is longer."""
    pairs = common(a, b, Budget())
    assert all(a[x] == b[y] for x, y in pairs)
    assert all(x < next_x and y < next_y for (x, y), (next_x, next_y) in pairwise(pairs))
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for x, one in enumerate(a):
        for y, other in enumerate(b):
            longer = max(best[x][y + 1], best[x + 1][y])
            best[x + 1][y + 1] = best[x][y] + 1 if one == other else longer
    assert len(pairs) == best[-1][-1]


@given(st.text("ab .\n", max_size=60), st.text("ab .\n", max_size=60))
def test_hunks_hold_both_texts(before: str, after: str) -> None:
    """Without what was added the pieces are the text before, without what was dropped the other."""
    for change in diff(before, after).changes:
        kept = [one for one in change.hunks if one.op != "added"]
        assert "".join(one.text for one in kept) == before
        assert "".join(one.text for one in change.hunks if one.op != "dropped") == after


def ops(before: Json, after: Json) -> list[tuple[str, str, list[str | int]]]:
    """Return operation, label and path of each change."""
    return [(one.op.value, one.label, list(one.path)) for one in diff(before, after).changes]


def said(role: str, text: str, **more: Json) -> dict[str, Json]:
    """Return a message."""
    return {"role": role, "content": text, **more}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"coats": 0}, {"coats": 2}, [("changed", "coats", ["coats"])]),
        ({"a": {"b": 1}}, {"a": {}}, [("dropped", "a.b", ["a", "b"])]),
        ({}, {"a": [1]}, [("added", "a", ["a"])]),
        ([1, 2, 3], [0, 1, 2, 3], [("added", "[0]", [0])]),
        ([1, 2, 3], [1, 3], [("dropped", "[1]", [1])]),
        ([1, 2, 3], [3, 1, 2], [("moved", "[0]", [0])]),
        (
            [{"id": "x", "n": 1}, {"id": "y", "n": 2}],
            [{"id": "y", "n": 3}],
            [("dropped", "[0]", [0]), ("changed", "[0].n", [0, "n"])],
        ),
        (
            [said("system", "be kind"), said("user", "pack for Oslo")],
            [said("system", "be kind"), said("tool", "12 °C"), said("user", "pack for Oslo")],
            [("added", "tool message 1", [1])],
        ),
        (
            [said("user", "one two three four"), said("assistant", "yes")],
            [said("user", "one two"), said("assistant", "yes")],
            [("truncated", "user message 0.content", [0, "content"])],
        ),
        (
            [said("user", "tell me all about the sea"), said("user", "and be brief")],
            [said("user", "and be brief, please")],
            [
                ("dropped", "user message 0", [0]),
                ("changed", "user message 0.content", [0, "content"]),
            ],
        ),
    ],
)  # fmt: skip
def test_changes_have_the_words_that_fit(
    before: Json, after: Json, expected: list[tuple[str, str, list[str | int]]]
) -> None:
    """An insertion shifts nothing, and a message is the same one when its role and words are."""
    assert ops(before, after) == expected


@pytest.mark.parametrize(
    ("after", "op"),
    [
        ("The quick brown", "truncated"),
        ("The quick…", "truncated"),
        ("The quick brown... [truncated]", "truncated"),
        ("The quick …<cut: 900 characters>", "truncated"),
        ("The quick red fox jumps over the lazy dog", "changed"),
        ("The cut of the cloth is of no consequence here", "changed"),
        ("", "changed"),
    ],
)
def test_a_cut_text_is_told_from_a_changed_one(after: str, op: str) -> None:
    """What begins as before and ends early, with a mark or without, was truncated."""
    before = "The quick brown fox jumps over the lazy dog and then sleeps until the morning comes."
    assert ops(before, after) == [(op, "", [])]


def test_hunks_are_of_whole_words() -> None:
    """Letters that two words share are no reason to tear them."""
    (change,) = diff("nothing yet", "a coat").changes
    assert [(one.op, one.text) for one in change.hunks] == [
        ("dropped", "nothing"), ("added", "a"), ("equal", " "),
        ("dropped", "yet"), ("added", "coat"),
    ]  # fmt: skip


def test_long_equal_text_is_left_out() -> None:
    """Of what did not change there is a little on each side."""
    before = "x " * 5000 + "old" + " y" * 5000
    (change,) = diff(before, before.replace("old", "new")).changes
    assert [one.op for one in change.hunks] == [
        "equal", "skipped", "equal", "dropped", "added", "equal", "skipped", "equal",
    ]  # fmt: skip
    assert sum(one.characters for one in change.hunks if one.op != "added") == len(before)


def _deep(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


_STRANGERS = 20_000
HOSTILE: dict[str, tuple[Json, Json]] = {
    "nothing in common": (list(range(_STRANGERS)), list(range(_STRANGERS, 2 * _STRANGERS))),
    "much in common, many times": (["a", "b"] * 10_000, ["b", "b", "a"] * 7000),
    "turned round": (list(range(_STRANGERS)), list(range(_STRANGERS))[::-1]),
    "one id for all": ([{"id": 1, "n": n} for n in range(9999)], [{"id": 1} for n in range(9999)]),
    "many like messages": (
        [said("user", f"word {n}") for n in range(9999)],
        [said("user", f"word {n}x") for n in range(9999)],
    ),
    "wide elements": ([[n] * 2000 for n in range(40)], [[n] * 2000 for n in range(50, 90)]),
    "too many": ([0] * (DIFF_NODES_MAX + 1), [1]),
    "too deep": (_deep(900), _deep(901)),
    "one long line": ("ab" * 500_000, "ba" * 500_000),
    "many words": ("a b c d " * 60_000, "d c b a " * 60_000),
    "many lines": ("a\nb\n" * 2000, "b\na\nb\n" * 1300),
    "many dots": ("x" + "y" * 500, "x" + "...[cut" * 15),
    "numbers of one hash": ([n * (2**61 - 1) for n in range(5000)], [0]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_it_holds_the_answer_is_bounded(name: str) -> None:
    """A hostile value costs a bounded number of steps, and the answer does not grow with it."""
    before, after = HOSTILE[name]
    found = diff(before, after)
    assert 1 <= len(found.changes) <= DIFF_CHANGES_MAX
    if not found.truncated:
        assert apply(before, found.changes) == after
