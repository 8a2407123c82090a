from hypothesis import given
from hypothesis import strategies as st

from sidespand.query.span import Span
from sidespand.query.spans import decode, items
from sidespand.query.traces import Root, Row, Tree, assemble
from tests.unit.query import samples

# Span numbers with the number of a parent that may be recorded, missing, none or the span itself.
_families = st.lists(
    st.tuples(st.integers(1, 12), st.one_of(st.none(), st.integers(1, 14)), st.integers(0, 5)),
    max_size=40,
)


def decoded(*family: tuple[int, int | None, int]) -> list[Span]:
    """Return spans by number, parent and start, recorded one after the other."""
    spans = [samples.span(number, parent=parent, at_ms=at) for number, parent, at in family]
    if not spans:
        return []
    return [decode(item) for item in items(samples.recorded(samples.request(*spans))[0])]


def names(tree: Tree) -> list[tuple[int, str]]:
    """Return depth and name of each row."""
    return [(row.depth, row.span.name) for row in tree.rows]


@given(_families)
def test_every_span_stands_in_the_tree_exactly_once(
    family: list[tuple[int, int | None, int]],
) -> None:
    """Whatever parents claim, cycles included: each id has one row, its newest recording."""
    spans = decoded(*family)

    tree = assemble(spans)

    newest = {span.span_id: span for span in spans}
    assert {row.span.span_id: row.span for row in tree.rows} == newest
    assert len(tree.rows) == len(newest)
    assert tree.duplicate_count == len(spans) - len(newest)


@given(_families, st.randoms(use_true_random=False))
def test_the_order_of_reading_does_not_matter(
    family: list[tuple[int, int | None, int]], random: object
) -> None:
    """Spans in any order give the same tree."""
    spans = decoded(*family)
    shuffled = list(spans)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert assemble(shuffled) == assemble(spans)


@given(_families)
def test_rows_run_through_the_tree_in_preorder(family: list[tuple[int, int | None, int]]) -> None:
    """A row below the top follows its own parent or that one's descendants, one level deeper."""
    path: list[Row] = []
    for row in assemble(decoded(*family)).rows:
        assert row.depth <= len(path)
        del path[row.depth :]
        if row.depth:
            assert row.root is None
            assert row.span.parent_span_id == path[-1].span.span_id
        else:
            assert row.root is not None
        path.append(row)


@given(_families)
def test_siblings_stand_by_start_and_the_last_is_marked(
    family: list[tuple[int, int | None, int]],
) -> None:
    """Among siblings start times rise, and exactly the last has no other after it."""
    siblings: dict[bytes, list[Row]] = {}
    for row in assemble(decoded(*family)).rows:
        siblings.setdefault(row.span.parent_span_id if row.depth else b"top", []).append(row)

    for rows in siblings.values():
        starts = [row.span.start_ns for row in rows]
        assert starts == sorted(starts)
        assert [row.last for row in rows] == [False] * (len(rows) - 1) + [True]


@given(_families)
def test_roots_say_why_they_are_roots(family: list[tuple[int, int | None, int]]) -> None:
    """No parent, a parent that is not there, or parents that lead back to the span."""
    tree = assemble(decoded(*family))
    parents = {row.span.span_id: row.span.parent_span_id for row in tree.rows}

    for row in tree.rows:
        if row.root is Root.NO_PARENT:
            assert not row.span.parent_span_id
        elif row.root is Root.PARENT_NOT_RECORDED:
            assert row.span.parent_span_id not in parents
        elif row.root is Root.PARENT_CYCLE:
            current = parents[row.span.span_id]
            for _ in parents:
                if current == row.span.span_id:
                    break
                current = parents[current]
            assert current == row.span.span_id


def test_a_tree_of_two_levels() -> None:
    """Children follow their parent by start time; an orphan is a root of its own."""
    tree = assemble(decoded((3, 1, 9), (2, 1, 5), (4, 2, 6), (1, None, 0), (5, 13, 20)))

    assert names(tree) == [
        (0, "span 1"),
        (1, "span 2"),
        (2, "span 4"),
        (1, "span 3"),
        (0, "span 5"),
    ]
    assert tree.rows[-1].root is Root.PARENT_NOT_RECORDED


def test_a_branch_that_hangs_from_a_cycle_stays_below_it() -> None:
    """Two spans that are each other's parents: one of them is the root of all."""
    tree = assemble(decoded((3, 2, 0), (1, 2, 1), (2, 1, 2)))

    assert [row.root for row in tree.rows if row.depth == 0] == [Root.PARENT_CYCLE]
    assert {row.span.name for row in tree.rows} == {"span 1", "span 2", "span 3"}


def test_a_chain_deeper_than_the_stack() -> None:
    """Depth is bounded by nothing but the number of spans."""
    count = 3000

    tree = assemble(decoded(*((n, n - 1 if n > 1 else None, 0) for n in range(1, count + 1))))

    assert [row.depth for row in tree.rows] == list(range(count))


def test_of_two_recordings_the_newest_stands() -> None:
    """A span that was recorded again is shown as it was recorded last."""
    first, second = samples.span(1, name="first"), samples.span(1, name="second")
    spans = [decode(i) for i in items(samples.recorded(samples.request(first, second))[0])]

    tree = assemble(spans)

    assert names(tree) == [(0, "second")]
    assert tree.duplicate_count == 1
