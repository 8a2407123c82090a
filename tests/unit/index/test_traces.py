import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.errors import InvalidRequest, NotFound
from sidespand.index import wanted
from sidespand.index.reader import IndexReader
from sidespand.index.rows import TraceRow
from sidespand.model import Content, Kind
from sidespand.search import parse, sort_by
from tests import emitted, indexes, journals

TRACE = bytes(range(16))
START_NS = 1_790_000_000_000_000_000


def span_id(number: int) -> bytes:
    """Return the id of a span by its number, which may be 255."""
    return bytes([number]) * 8


def spans(*given: dict[str, Any], kind: Kind = Kind.SPANS) -> Content:
    """Return a record of spans; of each its fields, ``said`` for attributes."""
    message = TracesData()
    resource = message.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = "shop"
    for fields in given:
        said = fields.pop("said", {})
        number = fields.pop("number")
        span = resource.scope_spans.add().spans.add(
            **{
                "trace_id": TRACE,
                "span_id": span_id(number),
                "name": f"step {number}",
                "kind": 1,
                "start_time_unix_nano": START_NS + number,
                "end_time_unix_nano": 0 if kind is Kind.MARKS else START_NS + number + 1_000_000,
                **{key: value for key, value in fields.items() if key != "failed"},
            }
        )
        if fields.get("failed"):
            span.status.code = 2
        for key, value in said.items():
            one = span.attributes.add(key=key).value
            if isinstance(value, str):
                one.string_value = value
            else:
                one.int_value = value
    return Content(kind, message.SerializeToString(), len(given))


def _only(reader: IndexReader) -> TraceRow:
    (row,) = reader.traces(parse("")).rows
    return row


CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4}  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_a_trace_is_the_same_in_whatever_order_its_spans_come(
    tmp_path: Path, seed: int, *, together: bool
) -> None:
    """Parents after children, in one transaction or in many: name, span of time and sums agree."""
    parts: list[dict[str, Any]] = [
        {"number": 1, "said": {"gen_ai.operation.name": "invoke_agent",
                               "gen_ai.agent.name": "planner"}},
        {"number": 2, "parent_span_id": span_id(1), "said": CALL},
        {"number": 3, "parent_span_id": span_id(1), "failed": True},
        {"number": 255, "parent_span_id": span_id(3), "said": CALL},
    ]  # fmt: skip
    random.Random(seed).shuffle(parts)
    reader = indexes.index_of(
        tmp_path / "index.sqlite", [spans(one) for one in parts], together=together
    )
    row = _only(reader)
    assert (row.name, row.root_recorded, row.agent, row.service) == (
        "step 1", True, "planner", "shop",
    )  # fmt: skip
    assert (row.span_count, row.error_count, row.llm_count) == (4, 1, 2)
    assert (row.tokens_in, row.tokens_out, row.cost_usd) == (20, 8, None)
    assert (row.start_ns, row.end_ns) == (START_NS + 1, START_NS + 255 + 1_000_000)
    assert row.status == "error"
    reader.close()


@pytest.mark.parametrize("together", [True, False])
def test_a_span_that_was_sent_twice_counts_once(tmp_path: Path, *, together: bool) -> None:
    """The newest recording stands, and sums hold it alone."""
    first, again = dict(CALL), CALL | {"gen_ai.usage.input_tokens": 30}
    reader = indexes.index_of(
        tmp_path / "index.sqlite",
        [spans({"number": 1, "said": first, "failed": True}), spans({"number": 1, "said": again})],
        together=together,
    )
    row = _only(reader)
    assert (row.span_count, row.error_count, row.tokens_in, row.tokens_out) == (1, 0, 30, 4)
    (place,) = reader.span_places(TRACE)
    assert place.ended is not None
    assert place.ended.lsn == 2
    reader.close()


@pytest.mark.parametrize("together", [True, False])
def test_an_open_span_is_open_until_its_end_comes(tmp_path: Path, *, together: bool) -> None:
    """Marks are put together; the end takes their place and has all that counts."""
    path = tmp_path / "index.sqlite"
    marks = [
        spans({"number": 1, "said": {"user.id": "ada"}}, kind=Kind.MARKS),
        spans({"number": 1, "name": "", "said": {"gen_ai.conversation.id": "c"}}, kind=Kind.MARKS),
    ]
    reader = indexes.index_of(path, marks, together=together)
    row = _only(reader)
    assert (row.status, row.open_count, row.duration_ns, row.end_ns) == ("open", 1, None, None)
    assert (row.user_id, row.conversation_id, row.name) == ("ada", "c", "step 1")
    (place,) = reader.span_places(TRACE)
    assert [mark.lsn for mark in place.marks] == [1, 2]
    assert [one.span_id for one in reader.open_spans()] == [span_id(1)]
    reader.close()
    writer = indexes.opened_writer(path)
    indexes.add(writer, journals.records([spans({"number": 1, "said": CALL})], next_lsn=3))
    writer.db.close()
    reader = IndexReader(path)
    row = _only(reader)
    assert (row.status, row.open_count, row.span_count, row.tokens_in) == ("ok", 0, 1, 10)
    (place,) = reader.span_places(TRACE)
    assert (place.marks, place.ended is not None) == ((), True)
    reader.close()


def test_what_two_emitters_tell_of_one_call_is_counted_once(tmp_path: Path) -> None:
    """Of an instrumentation's span and the SDK's below or beside it, one is in the sums."""
    for capture in ("anthropic_genai", "openinference_anthropic", "traceloop_anthropic"):
        reader = indexes.index_of(tmp_path / f"{capture}.sqlite", emitted.contents(capture))
        total = reader.stats(parse(""), "model").total
        assert (total.tokens_in, total.tokens_cached) == (5622, 2560), capture
        assert sum(row.llm_count for row in reader.traces(parse("")).rows) == 6
        reader.close()


@pytest.mark.parametrize(
    ("capture", "tokens"),
    [
        ("pydantic_ai", (507, 59)),
        ("openai_v2", (1734, 80)),
        ("openai_genai", (1734, 80)),
        ("openinference_openai", (1734, 80)),
        ("traceloop_openai", (1734, 80)),
        ("traceloop_openai_legacy", (1717, 75)),
    ],
)
def test_sums_of_tokens_are_those_that_the_models_counted(
    tmp_path: Path, capture: str, tokens: tuple[int, int]
) -> None:
    """Sums over spans and over traces agree with the emitters' captures, added by hand."""
    reader = indexes.index_of(tmp_path / "index.sqlite", emitted.contents(capture))
    total = reader.stats(parse(""), "model").total
    assert (total.tokens_in, total.tokens_out) == tokens
    rows = reader.traces(parse("")).rows
    assert (sum(row.tokens_in for row in rows), sum(row.tokens_out for row in rows)) == tokens
    reader.close()


def test_sums_of_a_parent_are_in_no_sum(tmp_path: Path) -> None:
    """An agent that reports what its calls used, and a prompt that was cached, count once."""
    used = "gen_ai.usage."
    cached = {f"{used}cache_read.input_tokens": 2048, f"{used}cache_creation.input_tokens": 256}
    agent = {"gen_ai.operation.name": "invoke_agent", f"{used}input_tokens": 2328,
             f"{used}output_tokens": 8}  # fmt: skip
    # As Anthropic's API has it: fourteen beside what was cached.
    beside = CALL | cached | {f"{used}input_tokens": 14}
    reader = indexes.index_of(
        tmp_path / "index.sqlite",
        [
            spans({"number": 2, "parent_span_id": span_id(1), "said": CALL}),
            spans({"number": 3, "parent_span_id": span_id(1), "said": beside}),
            spans({"number": 1, "said": agent}),
        ],
    )
    row = _only(reader)
    assert (row.tokens_in, row.tokens_out, row.tokens_cached) == (10 + 14 + 2048 + 256, 8, 2048)
    total = reader.stats(parse(""), "kind").total
    assert (total.tokens_in, total.tokens_out) == (2328, 8)
    reader.close()


def test_log_records_are_joined_to_their_spans(tmp_path: Path) -> None:
    """Each names its span's place; what they say is found, and leads to the trace."""
    reader = indexes.index_of(tmp_path / "index.sqlite", emitted.contents("openai_v2"))
    found = reader.traces(parse('"Which port does OTLP"'))
    assert len(found.rows) == 1
    assert found.rows[0].match is not None
    logs = reader.logs_of(found.rows[0].trace_id)
    assert {one.event_name for one in logs} >= {"gen_ai.user.message", "gen_ai.choice"}
    assert all(one.span_id for one in logs)
    assert reader.traces(parse("has:logs")).rows
    reader.close()


def _made(number: int) -> Content:
    trace_id = number.to_bytes(16, "big")
    said = CALL | {
        "gen_ai.request.model": f"model-{number % 3}",
        "gen_ai.conversation.id": f"conversation-{number // 2}",
        "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"content":"lamp\\n{number}"}}]}}]',
        "gen_ai.usage.cost": number,
        "app.key": f"value {number}",
    }
    moment = {"trace_id": trace_id, "start_time_unix_nano": START_NS + number * 10**9}
    return spans(
        {"number": 1, **moment, "end_time_unix_nano": START_NS + number * 10**9 + 10**6 * number},
        {"number": 2, **moment, "parent_span_id": span_id(1), "said": said,
         "failed": number % 5 == 0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An index of thirty traces of two spans."""
    path = tmp_path_factory.mktemp("index") / "index.sqlite"
    found = indexes.index_of(path, [_made(number) for number in range(1, 31)])
    yield found
    found.close()


def _numbers(rows: Sequence[TraceRow]) -> list[int]:
    return [int.from_bytes(row.trace_id, "big") for row in rows]


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("model:model-1 status:error", [25, 10]),
        ("model:model-* -status:error -model:model-0,model-1", [29, 26, 23, 17, 14, 11, 8, 2]),
        ("conversation:conversation-3", [7, 6]),
        ("dur:>=28ms", [30, 29, 28]),
        ("cost:>28", [30, 29]),
        ("lamp 17", [17]),
        ('"lamp 17"', [17]),
        ('"17 lamp"', []),
        ("lam* -model:model-0,model-1 dur:<6ms", [5, 2]),
        ('attr.app.key:"value 12"', [12]),
        ("attr.app.key:12", []),
        ("has:attr.app.key conversation:conversation-1", [3, 2]),
        ("-lamp conversation:conversation-1", []),
        ("trace:000000000000000000000000000000", list(range(30, 0, -1))),
        ("status:ok conversation:conversation-5", [11]),
        ("kind:llm name:step* user:nobody", []),
        ("scope:root kind:llm", []),
        ("scope:root kind:internal dur:<3ms", [2, 1]),
        ("scope:span kind:llm status:error", [30, 25, 20, 15, 10, 5]),
        ('scope:span name:"step 1" status:error', []),
        ("scope:conversation dur:>29ms", [30]),
        ("scope:conversation cost:>=29", [30, 29, 28]),
        ('scope:conversation "lamp 12"', [13, 12]),
        ("service:shop sort:dur dur:<4ms", [1, 2, 3]),
        ("resource.service.name:shop dur:<3ms", [2, 1]),
        ("node:node://test* dur:<2ms", [1]),
        ("has:error dur:<11ms", [10, 5]),
        ("is:root dur:<2ms", [1]),
        ("tokens.in:>=10 dur:<2ms", [1]),
        ("since:2026-09-21T14:13:48Z", [30, 29, 28]),
    ],
)
def test_a_search_finds_what_it_says(reader: IndexReader, line: str, numbers: list[int]) -> None:
    """Every field, scope and text, newest start first."""
    found = reader.traces(parse(line))
    assert found.complete
    assert _numbers(found.rows) == numbers


@pytest.mark.parametrize(
    "line",
    ["model:model-1", "conversation:conversation-3", "user:nobody", "name:step*", "kind:llm",
     "status:error", "scope:span kind:llm status:error", "dur:>28ms", "-model:model-1",
     "-user:nobody", "model:model-1 -status:error", "has:error", "resource.service.name:shop"],
)  # fmt: skip
@pytest.mark.parametrize("order", ["-start", "start", "-dur"])
def test_walking_finds_what_weighing_finds(
    reader: IndexReader, monkeypatch: pytest.MonkeyPatch, line: str, order: str
) -> None:
    """Whether candidates are few or many makes the way, not the answer."""
    weighed = reader.traces(parse(line), sort_by(order), 100)
    monkeypatch.setattr(wanted, "FEW", 0)
    monkeypatch.setattr(wanted, "INDEX_CANDIDATES_MAX", 0)
    assert reader.traces(parse(line), sort_by(order), 100) == weighed


@pytest.mark.parametrize("line", ["", "kind:llm", "lamp", "model:model-1", "-status:error"])
@pytest.mark.parametrize("order", ["-start", "start", "-dur", "tokens", "-updated", "errors"])
def test_pages_follow_one_another_without_a_hole(
    reader: IndexReader, line: str, order: str
) -> None:
    """Page by page comes out what one page has, in the same order."""
    sort = sort_by(order)
    whole = _numbers(reader.traces(parse(line), sort, 100).rows)
    paged: list[int] = []
    after = None
    while True:
        page = reader.traces(parse(line), sort, 7, after)
        paged += _numbers(page.rows)
        after = page.next
        if after is None:
            break
    assert paged == whole
    assert len(whole) == len(set(whole)) > 5


def test_spans_are_searched_by_what_they_are_themselves(reader: IndexReader) -> None:
    """One span has all of it; trace and root can be asked for; the newest is first."""
    found = reader.spans(parse("kind:llm status:error"))
    assert [int.from_bytes(row.trace_id, "big") for row in found.rows] == [30, 25, 20, 15, 10, 5]
    row = found.rows[0]
    assert (row.model, row.provider, row.tokens_in, row.parent_span_id) == (
        "model-0", "openai", 10, span_id(1),
    )  # fmt: skip
    assert len(reader.spans(parse("scope:trace conversation:conversation-3")).rows) == 4
    assert len(reader.spans(parse("scope:root dur:<3ms")).rows) == 2
    assert len(reader.spans(parse("lamp 17 kind:llm")).rows) == 1
    slowest = reader.spans(parse("sort:-dur"), None, 3).rows
    assert [row.duration_ns for row in slowest] == [30 * 10**6, 29 * 10**6, 28 * 10**6]


def test_sums_are_by_what_was_asked(reader: IndexReader) -> None:
    """Spans, traces, errors and tokens of each value, and of all."""
    by = {row.key: row for row in reader.stats(parse("kind:llm"), "model").rows}
    assert {key: (row.spans, row.traces, row.errors, row.tokens_in) for key, row in by.items()} == {
        "model-0": (10, 10, 2, 100), "model-1": (10, 10, 2, 100), "model-2": (10, 10, 2, 100),
    }  # fmt: skip
    assert by["model-0"].cost_usd == sum(range(3, 31, 3))
    kinds = {row.key: row.spans for row in reader.stats(parse(""), "kind").rows}
    assert kinds == {"llm": 30, "": 30}
    with pytest.raises(InvalidRequest):
        reader.stats(parse(""), "colour")


def test_a_strip_has_everything_in_its_buckets(reader: IndexReader) -> None:
    """Sums over the buckets are those of the traces, and percentiles are of the ended ones."""
    strip = reader.strip(parse(""), 6)
    assert sum(one or 0 for one in strip.series["traces"]) == 30
    assert sum(one or 0 for one in strip.series["errors"]) == 6
    assert sum(one or 0 for one in strip.series["tokens_in"]) == 300
    assert [len(series) for series in strip.series.values()] == [6] * 8
    assert strip.series["p95_ms"][-1] == 30.0


def test_values_are_completed_from_what_was_seen(reader: IndexReader) -> None:
    """Most frequent first, of names as of resources; an unknown field is refused."""
    assert [one.value for one in reader.complete("model", "model-")] == [
        "model-0", "model-1", "model-2",
    ]  # fmt: skip
    assert reader.complete("conversation", "conversation-15")[0].count == 1
    assert [one.value for one in reader.complete("resource.service.name")] == ["shop"]
    assert [one.value for one in reader.complete("status", "a")] == ["abandoned"]
    assert reader.complete("model", "*") == ()
    with pytest.raises(InvalidRequest):
        reader.complete("colour")


def test_ids_are_found_by_their_first_digits(reader: IndexReader) -> None:
    """A trace by a prefix, by a span of it, or as the last one; what is ambiguous is refused."""
    assert reader.resolve_trace("last") == (30).to_bytes(16, "big")
    assert reader.resolve_trace("0" * 30 + "1e") == (30).to_bytes(16, "big")
    for text in ("0" * 10, "01" * 8):
        with pytest.raises(InvalidRequest, match="ambiguous"):
            reader.resolve_trace(text)
    with pytest.raises(NotFound):
        reader.resolve_trace("abcdef")
    with pytest.raises(InvalidRequest):
        reader.resolve_trace("xyz")
    (place,) = reader.span_place("020202", (5).to_bytes(16, "big"))
    assert place.ended is not None
    assert place.ended.lsn == 10


@pytest.mark.parametrize(
    "text",
    ["DELETE FROM span", "PRAGMA user_version", "ATTACH 'x' AS y", "SELECT 1; SELECT 2", "",
     "SELECT load_extension('x')", "SELECT zeroblob(1000000)", "UPDATE meta SET value = 1",
     "SELECT * FROM nothing", "CREATE TABLE x (y)", "SELECT writefile('/tmp/x', 'y')"],
)  # fmt: skip
def test_sql_reads_and_does_nothing_else(reader: IndexReader, text: str) -> None:
    """Anything but one SELECT over what there is, is refused."""
    with pytest.raises(InvalidRequest):
        reader.sql(text)


def test_sql_answers_over_the_views(reader: IndexReader) -> None:
    """Names and ids are readable; rows beyond the limit are left out, and that is said."""
    table = reader.sql("SELECT model, count(*) AS n FROM spans WHERE kind = 'llm' GROUP BY 1")
    assert (table.columns, table.rows[0], table.truncated) == (
        ("model", "n"), ("model-0", 10), False,
    )  # fmt: skip
    assert reader.sql("SELECT * FROM traces", 7).truncated
    rows = reader.sql("SELECT trace_id, span_id FROM spans ORDER BY lsn LIMIT 1").rows
    assert rows == (("0" * 31 + "1", "01" * 8),)


def test_changes_are_what_came_after_a_position(reader: IndexReader) -> None:
    """Each trace once, as it is now, with where to go on."""
    position = reader.position()
    assert position is not None
    assert reader.changes(position).traces == ()
    found = reader.changes(position._replace(lsn=52), 3)
    assert _numbers(found.traces) == [27, 28, 29]
    assert found.position is not None
    assert _numbers(reader.changes(found.position).traces) == [30]
    only = reader.changes(position._replace(lsn=40), 100, parse("status:error"))
    assert _numbers(only.traces) == [25, 30]
