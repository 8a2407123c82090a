"""What changed within a text, word by word, and whether it was cut."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sidespand.diff.budget import Budget
from sidespand.diff.sequences import common
from sidespand.limits import DIFF_TOKENS_MAX

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# Of unchanged text so much is shown on each side of a change.
_CONTEXT_CHARACTERS = 120
# What programs put where they cut a text: "…", "... [truncated]", "…<cut: 900 characters>".
_MARK = re.compile(
    r"\s*(?:…|\.{3})\s*"
    r"|\s*(?:…|\.{3})?\s*[\[(<][^\n]{0,40}?\b(?:cut|truncated|omitted)\b[^\n]{0,60}",
    re.IGNORECASE,
)
_MARK_CHARACTERS_MAX = 100
_WORD_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Hunk:
    """A piece of a changed text.

    Args:
        op: ``equal``, ``dropped``, ``added``, or ``skipped`` for equal text that is left out.
        text: The piece; empty for ``skipped``.
        characters: How long the piece is.
    """

    op: str
    text: str
    characters: int


def hunks(before: str, after: str, budget: Budget) -> tuple[Hunk, ...]:
    """Return the pieces of two texts in order.

    Those that are not ``added`` make ``before``, those that are not ``dropped`` make ``after``, but
    for what is ``skipped``. None at all when the budget has no room for them.
    """
    found = tuple(_elided(_merged(_pieces(before, after, budget))))
    return found if budget.characters(sum(len(one.text) for one in found)) else ()


def is_cut(before: str, after: str) -> bool:
    """Tell whether ``after`` is the beginning of ``before``, with or without a mark of the cut."""
    kept = _same_start(before, after)
    mark = after[kept : kept + _MARK_CHARACTERS_MAX + 1]
    if not 0 < kept < len(before) or len(mark) > _MARK_CHARACTERS_MAX:
        return False
    return not mark or (len(before) - kept > len(mark) and _MARK.fullmatch(mark) is not None)


def _pieces(before: str, after: str, budget: Budget) -> Iterator[tuple[str, str]]:
    head = _outside_word(before, _same_start(before, after))
    tail = _outside_word(before[::-1], _same_start(before[head:][::-1], after[head:][::-1]))
    mid_before = before[head : len(before) - tail]
    mid_after = after[head : len(after) - tail]
    yield "equal", before[:head]
    a, b = _tokens(mid_before), _tokens(mid_after)
    if a is None or b is None:
        yield "dropped", mid_before
        yield "added", mid_after
    else:
        ends = [(-1, -1), *common(a, b, budget), (len(a), len(b))]
        for (x, y), (next_x, next_y) in pairwise(ends):
            yield "equal", a[x] if x >= 0 else ""
            yield "dropped", "".join(a[x + 1 : next_x])
            yield "added", "".join(b[y + 1 : next_y])
    yield "equal", before[len(before) - tail :] if tail else ""


def _outside_word(text: str, end: int) -> int:
    # A cut in the middle of a word goes back to where the word begins, if that is not far.
    for back in range(min(end, _WORD_CHARACTERS_MAX)):
        if not text[end - back - 1].isalnum():
            return end - back
    return end if end > _WORD_CHARACTERS_MAX else 0


def _tokens(text: str) -> Sequence[str] | None:
    # Words; of a long text lines; None when those are too many as well.
    if len(text) <= DIFF_TOKENS_MAX * 8:
        words = _WORDS.findall(text)
        if len(words) <= DIFF_TOKENS_MAX:
            return words
    lines = text.splitlines(keepends=True)
    return lines if len(lines) <= DIFF_TOKENS_MAX else None


def _same_start(a: str, b: str) -> int:
    # By halves: slices are compared at the speed of memory.
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _merged(pieces: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    kind, parts = "equal", [""]
    for op, text in pieces:
        if not text:
            continue
        if op != kind:
            yield kind, "".join(parts)
            kind, parts = op, []
        parts.append(text)
    yield kind, "".join(parts)


def _elided(pieces: Iterator[tuple[str, str]]) -> Iterator[Hunk]:
    for op, text in pieces:
        over = len(text) - 2 * _CONTEXT_CHARACTERS
        if op != "equal" or over <= 0:
            if text:
                yield Hunk(op, text, len(text))
            continue
        yield Hunk(op, text[:_CONTEXT_CHARACTERS], _CONTEXT_CHARACTERS)
        yield Hunk("skipped", "", over)
        yield Hunk(op, text[-_CONTEXT_CHARACTERS:], _CONTEXT_CHARACTERS)
