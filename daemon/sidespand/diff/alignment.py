"""Which element of one list is which of another: the same, changed, moved, added or dropped.

Elements are known by what they hold, else by an id, else by their likeness at the same place: of
two messages the role and some of the words.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice, pairwise

from sidespand.diff.budget import Budget
from sidespand.diff.interning import Json, Numbers
from sidespand.diff.sequences import common, rising

# The first that both elements have.
_IDS = ("id", "tool_call_id", "call_id", "uuid", "key")
# Of a mapping these say what it is, not which.
_SORTS = ("role", "type", "kind")
_WORD = re.compile(r"\w+")
# Texts are alike when so much of the words of the shorter one is in the other.
_LIKENESS_MIN = 0.3
_LOOKED_AT_CHARACTERS = 4096
_LOOKED_AT_PARTS = 256
_ID_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Alignment:
    """How two lists go together.

    Args:
        source: The index in ``before`` of each element of ``after`` that was there, by its index
            in ``after``.
        moved: The indices in ``after`` of those that passed others.
        dropped: The indices in ``before`` of those that are gone.
    """

    source: dict[int, int]
    moved: AbstractSet[int]
    dropped: AbstractSet[int]


def align(before: list[Json], after: list[Json], numbers: Numbers, budget: Budget) -> Alignment:
    """Return how two lists go together; each element has at most one counterpart."""
    a = [numbers.of(value) for value in before]
    b = [numbers.of(value) for value in after]
    source = {y: x for x, y in common(a, b, budget)}
    stayed = dict(source)
    taken = set(source.values())
    for x, y in _elsewhere(before, after, (a, b), taken, source):
        source[y] = x
        taken.add(x)
    for x, y in _alike(before, after, stayed, taken, source):
        source[y] = x
        taken.add(x)
    in_order = {y for _, y in rising([(x, y) for y, x in sorted(source.items(), key=_by_source)])}
    return Alignment(source, source.keys() - in_order, set(range(len(before))) - taken)


def _by_source(pair: tuple[int, int]) -> int:
    return pair[1]


def _elsewhere(
    before: list[Json],
    after: list[Json],
    numbered: tuple[list[int], list[int]],
    taken: set[int],
    source: dict[int, int],
) -> Iterator[tuple[int, int]]:
    # Equal ones in other places first, then those of one id.
    known: dict[tuple[str, int | str], list[int]] = defaultdict(list)
    for x in range(len(before) - 1, -1, -1):
        if x not in taken:
            known["equal", numbered[0][x]].append(x)
            for name in _names(before[x]):
                known[name].append(x)
    used: set[int] = set()
    for by_name in (False, True):
        for y, value in enumerate(after):
            if y in source:
                continue
            names: Iterable[tuple[str, int | str]] = [("equal", numbered[1][y])]
            for name in _names(value) if by_name else names:
                places = known.get(name, [])
                while places and places[-1] in used:
                    places.pop()
                if places:
                    used.add(places[-1])
                    yield places.pop(), y
                    break


def _names(value: Json) -> list[tuple[str, int | str]]:
    if not isinstance(value, dict):
        return []
    return [
        (key, f"{type(given).__name__} {given}")
        for key in _IDS
        if isinstance(given := value.get(key), int)
        or (isinstance(given, str) and len(given) <= _ID_CHARACTERS_MAX)
    ]


def _alike(
    before: list[Json],
    after: list[Json],
    stayed: dict[int, int],
    taken: set[int],
    source: dict[int, int],
) -> Iterator[tuple[int, int]]:
    # Between two that stayed in their places, in order.
    ends = [(-1, -1), *sorted(stayed.items()), (len(after), len(before))]
    for (y, x), (next_y, next_x) in pairwise(ends):
        left = [one for one in range(x + 1, next_x) if one not in taken]
        if not left:
            continue
        at = 0
        for one in range(y + 1, next_y):
            if one in source:
                continue
            # The next few: a list of strangers must not cost their square.
            for ahead in range(at, min(at + 8, len(left))):
                if is_like(before[left[ahead]], after[one]):
                    yield left[ahead], one
                    at = ahead + 1
                    break


def is_like(before: Json, after: Json) -> bool:
    """Tell whether two different elements may be one that was changed."""
    if isinstance(before, dict) and isinstance(after, dict):
        if any(before.get(key) != after.get(key) for key in _SORTS if _is_text(before, after, key)):
            return False
        if any(name in _names(after) for name in _names(before)):
            return True
        ids = {name for name, _ in _names(before)} & {name for name, _ in _names(after)}
        return not ids and _texts_alike(_words(before), _words(after))
    if isinstance(before, str) and isinstance(after, str):
        return _texts_alike(_words(before), _words(after))
    return type(before) is type(after)


def _is_text(before: dict[str, Json], after: dict[str, Json], key: str) -> bool:
    return isinstance(before.get(key), str) or isinstance(after.get(key), str)


def _texts_alike(a: AbstractSet[str], b: AbstractSet[str]) -> bool:
    if not a or not b:
        return a == b
    return len(a & b) >= _LIKENESS_MIN * min(len(a), len(b))


def _words(value: Json) -> AbstractSet[str]:
    # Of all texts in a value, up to a bound.
    words: set[str] = set()
    left = _LOOKED_AT_CHARACTERS
    waiting = [value]
    visits = 0
    while waiting and left > 0 and visits < _LOOKED_AT_PARTS:
        visits += 1
        one = waiting.pop()
        if isinstance(one, dict):
            few = islice(one.items(), _LOOKED_AT_PARTS)
            waiting.extend(member for key, member in few if key not in _SORTS)
        elif isinstance(one, list):
            waiting.extend(one[:_LOOKED_AT_PARTS])
        elif one is not None:
            text = str(one)[:left]
            left -= len(text)
            words.update(_WORD.findall(text))
    return words
