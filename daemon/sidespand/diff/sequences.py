"""Which elements two sequences have in common, in order; bounded in time whatever they hold.

Source: Myers, "An O(ND) Difference Algorithm and Its Variations", 1986; where that would take too
long, the elements that occur once on both sides, as in Cohen's patience diff.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

from sidespand.diff.budget import Budget
from sidespand.limits import DIFF_EDITS_MAX

Pairs = list[tuple[int, int]]


def common(a: Sequence[Hashable], b: Sequence[Hashable], budget: Budget) -> Pairs:
    """Return index pairs of equal elements, rising on both sides.

    It is a longest such list where the sequences differ by DIFF_EDITS_MAX or less and the budget
    lasts; else a good one.
    """
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    mid_a, mid_b = a[head : len(a) - tail], b[head : len(b) - tail]
    found = [(n, n) for n in range(head)]
    if mid_a and mid_b:
        middle = _shortest(mid_a, mid_b, budget)
        if middle is None:
            middle = _patience(mid_a, mid_b)
        found += [(x + head, y + head) for x, y in middle]
    found += [(len(a) - tail + n, len(b) - tail + n) for n in range(tail)]
    return found


def _shortest(a: Sequence[Hashable], b: Sequence[Hashable], budget: Budget) -> Pairs | None:
    # None when there are too many edits, or too many steps to find the fewest.
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), DIFF_EDITS_MAX) + 1):
        trail.append(furthest)
        furthest = dict(furthest)
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (
                diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
            )
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            start, y = x, x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            if not budget.step(1 + x - start):
                return None
            furthest[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _walked_back(trail, len(a), len(b))
    return None


def _walked_back(trail: list[dict[int, int]], x: int, y: int) -> Pairs:
    pairs: Pairs = []
    for edits in range(len(trail) - 1, -1, -1):
        furthest = trail[edits]
        diagonal = x - y
        down = diagonal == -edits or (
            diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
        )
        before = diagonal + 1 if down else diagonal - 1
        start_x = furthest[before]
        start_y = start_x - before
        while x > start_x and y > start_y and x > 0 and y > 0:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = start_x, start_y
    return pairs[::-1]


def _patience(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    count_a, count_b = Counter(a), Counter(b)
    place = {value: y for y, value in enumerate(b) if count_b[value] == 1}
    pairs = [
        (x, place[value]) for x, value in enumerate(a) if count_a[value] == 1 and value in place
    ]
    return rising(pairs)


def rising(pairs: Pairs) -> Pairs:
    """Return a longest part of ``pairs``, which rise on the left, that rises on the right, too."""
    ends: list[int] = []
    at: list[int] = []
    before: list[int | None] = []
    for number, (_, y) in enumerate(pairs):
        place = bisect_left(ends, y)
        before.append(at[place - 1] if place else None)
        if place == len(ends):
            ends.append(y)
            at.append(number)
        else:
            ends[place], at[place] = y, number
    found: Pairs = []
    last = at[-1] if at else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]
