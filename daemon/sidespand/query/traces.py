"""Assembles the spans of one trace into a tree, whatever their parents claim."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from sidespand.query.span import Span


class Root(Enum):
    """Why a span stands at the top."""

    NO_PARENT = "no parent"
    PARENT_NOT_RECORDED = "parent not recorded"
    PARENT_CYCLE = "its parents form a cycle"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a tree.

    Args:
        span: The span.
        depth: 0 for a root.
        last: No sibling follows.
        root: Why it is a root; None below the top.
    """

    span: Span
    depth: int
    last: bool
    root: Root | None


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace in display order.

    Args:
        rows: Every span once, parents before children, siblings by start time, then position.
        duplicate_count: Recordings of a span id beside the newest, which are left out.
    """

    rows: tuple[Row, ...]
    duplicate_count: int


def assemble(spans: Iterable[Span]) -> Tree:
    """Return the tree of one trace's spans, given in any order.

    Time and memory are linear in their number but for sorting; depth is not bounded by the stack.
    """
    newest: dict[bytes, Span] = {}
    count = 0
    for span in spans:
        count += 1
        known = newest.get(span.span_id)
        if known is None or known.stamp.position < span.stamp.position:
            newest[span.span_id] = span
    ordered = sorted(newest.values(), key=_display_order)
    children: dict[bytes, list[Span]] = {}
    roots: list[tuple[Span, Root]] = []
    for span in ordered:
        if not span.parent_span_id:
            roots.append((span, Root.NO_PARENT))
        elif span.parent_span_id in newest:
            children.setdefault(span.parent_span_id, []).append(span)
        else:
            roots.append((span, Root.PARENT_NOT_RECORDED))
    roots.extend((span, Root.PARENT_CYCLE) for span in _cycle_heads(ordered, newest, roots))
    roots.sort(key=lambda root: _display_order(root[0]))
    return Tree(tuple(_rows(roots, children)), count - len(newest))


def _cycle_heads(
    ordered: Sequence[Span], newest: dict[bytes, Span], roots: Sequence[tuple[Span, Root]]
) -> list[Span]:
    # Climb from each span until a known end or a span of the same climb, which lies on a cycle.
    done = {span.span_id for span, _ in roots}
    heads = []
    for span in ordered:
        climbed: set[bytes] = set()
        current = span
        while current.span_id not in done and current.span_id not in climbed:
            climbed.add(current.span_id)
            current = newest[current.parent_span_id]
        if current.span_id in climbed:
            heads.append(current)
        done |= climbed
    return heads


def _rows(roots: Sequence[tuple[Span, Root]], children: dict[bytes, list[Span]]) -> Iterator[Row]:
    heads = {span.span_id for span, _ in roots}
    stack = [
        Row(span, 0, number == len(roots) - 1, root) for number, (span, root) in enumerate(roots)
    ]
    stack.reverse()
    while stack:
        row = stack.pop()
        yield row
        # The head of a cycle is some span's child, too; it stands at the top only.
        below = [s for s in children.get(row.span.span_id, ()) if s.span_id not in heads]
        stack.extend(
            Row(span, row.depth + 1, number == 0, None)
            for number, span in enumerate(reversed(below))
        )


def _display_order(span: Span) -> tuple[int, object]:
    return span.start_ns, span.stamp.position
