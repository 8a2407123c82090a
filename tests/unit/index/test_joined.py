"""What belongs to a span is joined to it: events, links, cited tokens, snapshots, logs, texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from sidespand import hlc
from sidespand.index.reader import IndexReader
from sidespand.index.rows import Skeleton
from sidespand.model import Content, Edge, EdgeType, Kind
from sidespand.search import parse
from tests import indexes, journals

TRACE = bytes(range(16))
OTHER = bytes(range(16, 32))
START_NS = 1_790_000_000_000_000_000
FIRST, SECOND, THIRD = (bytes([number]) * 8 for number in (1, 2, 255))


def _said(given: dict[str, Any]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(string_value=value)
            if isinstance(value, str)
            else AnyValue(double_value=value),
        )
        for key, value in given.items()
    ]


def _spans() -> Content:
    message = TracesData()
    scope = message.resource_spans.add().scope_spans.add()
    for number, span_id in enumerate((FIRST, SECOND, THIRD)):
        scope.spans.add(
            trace_id=TRACE,
            span_id=span_id,
            name=f"named{number}",
            start_time_unix_nano=START_NS + number,
            end_time_unix_nano=START_NS + number + 1_000_000,
        )
    first, second, third = scope.spans
    first.attributes.extend(_said({"sidespan.state.memory.before": "{}", "app.key": "cobalt"}))
    event = first.events.add(name="bell", time_unix_nano=START_NS + 5)
    event.attributes.extend(_said({"colour": "magenta"}))
    event = first.events.add(name="exception", time_unix_nano=START_NS + 6)
    event.attributes.extend(_said({"exception.type": "TeapotError"}))
    first.status.code = Status.STATUS_CODE_ERROR
    first.status.message = "kettle broke"
    second.attributes.extend(
        _said({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
            "gen_ai.input.messages": "walnut", "gen_ai.response.time_to_first_chunk": 0.25,
        })
    )  # fmt: skip
    event = second.events.add(name="gen_ai.user.message", time_unix_nano=START_NS + 7)
    event.attributes.extend(_said({"content": "hazelnut"}))
    for trace_id, span_id, said in (
        (TRACE, FIRST, {"link.kind": "retry_of"}),
        (TRACE, THIRD, {"sidespan.link.kind": "handoff"}),
        (TRACE, FIRST, {}),
        (OTHER, FIRST, {}),
    ):
        second.links.add(trace_id=trace_id, span_id=span_id, attributes=_said(said))
    third.attributes.extend(
        _said({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.cost": 0.5})
    )
    # The third one cites what the first one was recorded as.
    edge = Edge(EdgeType.CITED, 2, journals.LINEAGE, 1, hlc.ZERO, bytes(16))
    return Content(Kind.SPANS, message.SerializeToString(), 3, (edge,))


def _logs() -> Content:
    message = LogsData()
    scope = message.resource_logs.add().scope_logs.add()
    scope.log_records.add(
        trace_id=TRACE, span_id=SECOND, time_unix_nano=START_NS, severity_number=9,
        event_name="spoken", body=AnyValue(string_value='{"said": "pecan\\nnut"}'),
    )  # fmt: skip
    scope.log_records.add(
        trace_id=TRACE, observed_time_unix_nano=START_NS + 1, body=AnyValue(string_value="loose")
    )
    scope.log_records.add(body=AnyValue(string_value="of nothing"))
    return Content(Kind.LOGS, message.SerializeToString(), 3)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    """An index of three spans with all that can belong to them."""
    path = tmp_path_factory.mktemp("joined") / "index.sqlite"
    found = indexes.index_of(path, [_spans(), _logs()])
    yield found
    found.close()


@pytest.fixture(scope="module")
def skeleton(reader: IndexReader) -> Skeleton:
    """The same in columns."""
    found = reader.skeleton(TRACE)
    assert found is not None
    return found


def test_events_and_links_are_listed_with_their_names(reader: IndexReader) -> None:
    """Each in its place among those of its span, whichever trace a link leads to."""
    asked = "SELECT span_id, number, name FROM events ORDER BY span_id, number"
    assert reader.sql(asked).rows == (
        (FIRST.hex(), 0, "bell"), (FIRST.hex(), 1, "exception"),
        (SECOND.hex(), 0, "gen_ai.user.message"),
    )  # fmt: skip
    asked = "SELECT number, linked_trace_id, linked_span_id, kind FROM links ORDER BY number"
    assert reader.sql(asked).rows == (
        (0, TRACE.hex(), FIRST.hex(), "retry_of"), (1, TRACE.hex(), THIRD.hex(), "handoff"),
        (2, TRACE.hex(), FIRST.hex(), None), (3, OTHER.hex(), FIRST.hex(), None),
    )  # fmt: skip


def test_snapshots_are_listed_by_what_they_are_of(reader: IndexReader) -> None:
    """Which part of a program's state, and at which end of the span."""
    assert reader.sql("SELECT * FROM states").rows == (
        (TRACE.hex(), FIRST.hex(), "memory", "before"),
    )


def test_a_tool_s_run_stands_between_who_asked_and_who_got_the_result(tmp_path: Path) -> None:
    """The edges run with the work: from the call to the run, from the run to the answer."""
    call = '[{"role": "%s", "parts": [{"type": "%s", "id": "call-1"}]}]'
    said = (
        {"gen_ai.operation.name": "chat",
         "gen_ai.output.messages": call % ("assistant", "tool_call")},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call-1"},
        {"gen_ai.operation.name": "chat",
         "gen_ai.input.messages": call % ("tool", "tool_call_response")},
    )  # fmt: skip
    message = TracesData()
    scope = message.resource_spans.add().scope_spans.add()
    for number, given in enumerate(said):
        scope.spans.add(
            trace_id=TRACE, span_id=bytes([number + 1]) * 8, name=f"step {number}",
            start_time_unix_nano=START_NS + number, attributes=_said(given),
        )  # fmt: skip
    content = Content(Kind.SPANS, message.SerializeToString(), 3)
    found = indexes.index_of(tmp_path / "index.sqlite", [content])
    columns = found.skeleton(TRACE)
    found.close()
    assert columns is not None
    assert [(one["from"], one["to"], one["label"]) for one in columns.edges] == [
        (0, 1, "call-1"), (1, 2, "call-1"),
    ]  # fmt: skip


def test_edges_run_from_what_came_before(skeleton: Skeleton) -> None:
    """A link and a cited token lead from the span that they name; other traces have no row."""
    edges = {(one["from"], one["to"], one["kind"]) for one in skeleton.edges}
    assert edges == {
        (0, 1, "retry_of"), (2, 1, "handoff"), (0, 1, "link"), (0, 2, "token"),
    }  # fmt: skip


def test_flags_say_what_a_span_has(skeleton: Skeleton) -> None:
    """A snapshot of state, content, and sums that repeat others'; times are in microseconds."""
    assert skeleton.columns["flags"] == [2, 1, 8]
    assert skeleton.columns["ttft_us"] == [-1, 250_000.0, -1]
    assert skeleton.columns["duration_us"] == [1000.0] * 3
    assert skeleton.columns["events"] == [2, 1, 0]
    assert skeleton.columns["links"] == [0, 4, 0]


def test_siblings_stand_by_their_start(tmp_path: Path) -> None:
    """What came late into the log but began early stands first; its rank says when it came."""
    message = TracesData()
    scope = message.resource_spans.add().scope_spans.add()
    for number in (3, 1, 2):
        scope.spans.add(
            trace_id=TRACE, span_id=bytes([number]) * 8, name=f"at {number}",
            start_time_unix_nano=START_NS + number,
        )  # fmt: skip
    content = Content(Kind.SPANS, message.SerializeToString(), 3)
    found = indexes.index_of(tmp_path / "index.sqlite", [content])
    columns = found.skeleton(TRACE)
    found.close()
    assert columns is not None
    assert [columns.strings[place] for place in columns.columns["name"]] == ["at 1", "at 2", "at 3"]
    assert columns.columns["order"] == [1, 2, 0]


def test_logs_are_joined_to_their_span_or_to_their_trace(reader: IndexReader) -> None:
    """One without a span belongs to the trace, one without a trace to nothing."""
    assert [(one.event_name, one.span_id) for one in reader.logs_of(TRACE)] == [
        ("spoken", SECOND), ("", b""),
    ]  # fmt: skip
    assert [one.position.lsn for one in reader.logs_of(TRACE, SECOND)] == [4]
    assert len(reader.sql("SELECT * FROM logs").rows) == 2


@pytest.mark.parametrize(
    ("line", "span_ids"),
    [
        ("named1", [SECOND]),
        ("cobalt", [FIRST]),
        ("attr.app.key:cobalt", [FIRST]),
        ("bell", [FIRST]),
        ("magenta", [FIRST]),
        ('"kettle broke"', [FIRST]),
        ("error:TeapotError", [FIRST]),
        ("walnut", [SECOND]),
        ("hazelnut", [SECOND]),
        ("has:state", [FIRST]),
        ("has:ttft", [SECOND]),
        ("has:content", [SECOND]),
        ("has:links", [SECOND]),
        ("has:events", [SECOND, FIRST]),
        ("has:logs", [SECOND]),
        ("has:error", [FIRST]),
        ("has:cost", [THIRD]),
        ("of nothing", []),
    ],
)
def test_a_span_is_found_by_what_belongs_to_it(
    reader: IndexReader, line: str, span_ids: list[bytes]
) -> None:
    """Names, attributes, content, events, errors and what it has at all, the newest first."""
    assert [row.span_id for row in reader.spans(parse(line)).rows] == span_ids


@pytest.mark.parametrize("line", ["pecan", '"pecan nut"', "loose"])
def test_a_trace_is_found_by_what_its_logs_say(reader: IndexReader, line: str) -> None:
    """JSON in a body is words without escapes."""
    assert [row.trace_id for row in reader.traces(parse(line)).rows] == [TRACE]


def test_the_cost_of_an_agent_is_in_no_sum(reader: IndexReader) -> None:
    """It repeats that of its calls, whether they reported any or not."""
    assert reader.stats(parse(""), "kind").total.cost_usd is None
    (row,) = reader.traces(parse("")).rows
    assert row.cost_usd is None
