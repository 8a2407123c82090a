"""No question looks through all there is: what is slow at ten million spans shows in the plan."""

import re
from collections.abc import Callable, Iterator

import pytest

from sidespand.index.reader import IndexReader
from sidespand.search import parse
from tests.bench import index

SPANS = 3000
# Tables and their names in questions, that have as many rows as there are spans, or nearly.
_BIG = frozenset(
    ("span", "s", "u", "trace", "t", "log", "l", "trace_term", "event", "e", "link", "mark",
     "tool_call", "edge")
)  # fmt: skip
# Indexes that hold but the traces of which that is so.
_SMALL = re.compile(r"USING (COVERING )?INDEX trace_(failed|open|abandoned)\b")
_ROW = re.compile(r"(SCAN|SEARCH) (\w+)")

LINES = (
    "", "sort:start", "sort:-dur", "sort:-tokens", "sort:-cost", "sort:-spans", "sort:-errors",
    "sort:-updated", "sort:-errors kind:llm", "kind:llm model:gpt-4o-mini", "status:error",
    "status:ok", "status:unset", "is:root", "is:open", "status:abandoned", "-status:error",
    "status:error tool:refund scope:span", "scope:root kind:agent", "scope:span dur:>20s",
    "dur:>20s", "dur:<1ms", "tokens.in:>13k", "cost:>1", "conversation:conversation-7",
    "user:user-*", "name:execute_tool* service:service-3", "quicksilver", "refund",
    '"refund order"', "scope:span refund kind:llm", 'attr.app.key3:"value 7"', "has:attr.app.key3",
    "has:error", "has:tool", "request:chatcmpl-5-1", "correlation:x", "span:abcdef", "trace:abcdef",
    "-refund lamp conversation:conversation-7", "scope:conversation conversation:conversation-7",
    "resource.host.name:host-1", "node:node*", "since:2026-09-21T14:14", "until:2026-09-21T14:14",
    "service:service-3 sort:dur", "kind:llm -model:gpt-4o-mini",
)  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    """An index whose tables are full enough to be asked."""
    path = tmp_path_factory.mktemp("plans") / "index.sqlite"
    index.write(path, SPANS)
    found = IndexReader(path)
    yield found
    found.close()


def _faults(reader: IndexReader, question: Callable[[], object]) -> list[str]:
    """Ask, and return what is wrong with the plans of the statements that were run for it."""
    run: list[str] = []
    with reader._connections.asked() as db:
        pass
    db.set_trace_callback(run.append)
    try:
        question()
    finally:
        db.set_trace_callback(None)
    asked = [one for one in run if one.lstrip().startswith("SELECT")]
    assert asked
    found = []
    for statement in asked:
        rows = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        found += [f"{fault}: {statement}" for fault in _of_plan(rows, statement)]
    return found


def _of_plan(rows: list[tuple[int, int, int, str]], statement: str) -> Iterator[str]:
    sorts = {parent for _, parent, _, detail in rows if detail.endswith("FOR ORDER BY")}
    made = {detail.split()[-1] for _, _, _, detail in rows if detail.startswith("CO-ROUTINE")}
    # A question within the question that says how many it takes.
    bounded = re.search(r"LIMIT \d+\)", statement) is not None
    for _, parent, _, detail in rows:
        match = _ROW.match(detail)
        if match is None or match[2] not in _BIG or _SMALL.search(detail):
            continue
        # In the order that was asked for, and no further than the page.
        walks = not parent and "LIMIT" in statement
        if match[1] == "SCAN" and match[2] not in made and not bounded and not walks:
            yield f"looks at all of a table ({detail})"
        if parent == 0 and parent in sorts and "=?" not in detail and match[2] not in made:
            yield f"puts all of a table in order ({detail})"


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_lists_walk_indexes_or_look_up_a_few(reader: IndexReader, line: str) -> None:
    """Every field, scope and order, of traces and of spans, on the first page and the next."""
    first = reader.traces(parse(line), limit=3)
    assert _faults(reader, lambda: reader.traces(parse(line), limit=3, after=first.next)) == []
    assert _faults(reader, lambda: reader.traces(parse(line))) == []
    assert _faults(reader, lambda: reader.spans(parse(line))) == []


@pytest.mark.slow
def test_single_things_are_looked_up(reader: IndexReader) -> None:
    """A trace and all that belongs to it, ids by their digits, values, changes, holes."""
    row = reader.traces(parse("")).rows[3]
    skeleton = reader.skeleton(row.trace_id)
    assert skeleton is not None
    span_id = skeleton.columns["span_id"][1]
    position = reader.position()
    assert position is not None
    earlier = position._replace(lsn=position.lsn - 200)
    questions: tuple[Callable[[], object], ...] = (
        lambda: reader.trace_row(row.trace_id),
        lambda: reader.skeleton(row.trace_id),
        lambda: reader.resolve_trace("last"),
        lambda: reader.resolve_trace(row.trace_id.hex()[:12]),
        lambda: reader.span_place(span_id),
        lambda: reader.span_place(span_id[:8], row.trace_id),
        lambda: reader.span_places(row.trace_id),
        lambda: reader.logs_of(row.trace_id),
        lambda: reader.logs_of(row.trace_id, bytes.fromhex(span_id)),
        reader.open_spans,
        lambda: reader.stats(parse("conversation:conversation-7"), "model"),
        lambda: reader.strip(parse("")),
        lambda: reader.complete("conversation", "conversation-1"),
        lambda: reader.complete("resource.host.name"),
        lambda: reader.changes(earlier),
        lambda: reader.changes(earlier, 10, parse("kind:llm")),
        lambda: reader.gaps(earlier, position),
        reader.redactions,
        lambda: reader.redactions(row.trace_id),
        reader.position,
    )
    assert [fault for question in questions for fault in _faults(reader, question)] == []


@pytest.mark.slow
def test_a_plan_that_looks_at_everything_is_noticed(reader: IndexReader) -> None:
    """The three ways to be slow: a table, a table in another order, a table below another."""
    with reader._connections.asked() as db:
        pass
    bad = (
        "SELECT no FROM trace WHERE agent_start_ns > 5",
        "SELECT no FROM trace t WHERE span_count > 0 ORDER BY root_id LIMIT 50",
        "SELECT no FROM trace t WHERE (SELECT 1 FROM span u WHERE u.kind = 1) ORDER BY no LIMIT 9",
    )
    for statement in bad:
        rows = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert list(_of_plan(rows, statement)), statement
