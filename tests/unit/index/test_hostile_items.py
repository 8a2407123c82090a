"""Whatever a peer puts into an item, the index takes it and goes on."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.errors import InvalidRequest
from sidespand.hlc import ZERO
from sidespand.model import Content, Edge, EdgeType, Kind
from sidespand.search import parse
from tests import indexes, journals
from tests.unit.index.test_traces import CALL, TRACE, spans

UINT64_MAX = 2**64 - 1
LONE = "\\ud83d"
_KEYS = (
    "gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.output.messages",
    "gen_ai.tool.call.id", "gen_ai.usage.input_tokens", "gen_ai.usage.cost", "session.id",
    "gen_ai.response.time_to_first_chunk", "gen_ai.response.finish_reasons", "error.type",
    "gen_ai.prompt.0.tool_calls.0.id", "sidespan.state.before.plan", "app.key", "",
)  # fmt: skip


def _messages(content: str, call_id: str) -> str:
    call = f'{{"type":"tool_call","id":"{call_id}","name":"look"}}'
    return f'[{{"role":"assistant","parts":[{{"type":"text","content":"{content}"}},{call}]}}]'


@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai.output.messages": _messages(f"half {LONE} a pair", "c-1")},
        {"gen_ai.output.messages": _messages("whole", LONE)},
        {"gen_ai.response.time_to_first_chunk": 2**52},
        {"gen_ai.input.messages": "[" * 50_000},
        {"gen_ai.input.messages": "[" + "9" * 5_000 + "]"},
        {"gen_ai.conversation.id": "a\0b", "k\0ey": "\0"},
    ],
    ids=["half a pair", "half a pair as an id", "ages to wait", "deep", "long number", "NUL"],
)
def test_one_odd_span_does_not_keep_the_next_from_being_indexed(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    """Both are there, and what the odd one says besides is found."""
    odd = {"number": 1, "said": {"gen_ai.system": "x", "app.key": "beside", **said}}
    reader = indexes.index_of(tmp_path / "index.sqlite", [spans(odd), spans({"number": 2})])
    assert [row.span_count for row in reader.traces(parse("")).rows] == [2]
    assert len(reader.spans(parse("beside")).rows) == 1
    reader.close()


def test_sums_beyond_what_the_database_holds_stay_at_its_most(tmp_path: Path) -> None:
    """A trace whose spans claim more tokens than there are is shown, and its spans go on adding."""
    many = CALL | {"gen_ai.usage.input_tokens": 2**53}
    claims = [{"number": 1, "span_id": n.to_bytes(8, "big"), "said": many} for n in range(1, 1100)]
    writer = indexes.opened_writer(tmp_path / "index.sqlite")
    indexes.add(writer, journals.records([spans(*claims)]))
    indexes.add(writer, journals.records([spans({"number": 255, "said": many})], next_lsn=1100))
    tokens = writer.db.execute("SELECT tokens_in, span_count FROM trace").fetchall()
    assert tokens == [(2**63 - 1, 1100)]
    writer.db.close()


def test_a_token_that_names_no_item_makes_no_edge(tmp_path: Path) -> None:
    """Its LSN is any 64 bits that a peer chose."""
    (record,) = journals.records([spans({"number": 1})])
    forged = Edge(EdgeType.CITED, 0, journals.LINEAGE, UINT64_MAX, ZERO, bytes(16))
    writer = indexes.opened_writer(tmp_path / "index.sqlite")
    indexes.add(writer, [replace(record, edges=(forged,))])
    assert writer.db.execute("SELECT count(*) FROM edge").fetchone() == (0,)
    assert writer.db.execute("SELECT count(*) FROM span").fetchone() == (1,)
    writer.db.close()


@pytest.mark.parametrize("after", [f"[{10**30}, 1]", f"[1, {10**30}]", "[" * 5000, "[true]", "{}"])
def test_a_place_that_no_page_ended_at_is_refused(tmp_path: Path, after: str) -> None:
    """Whoever made it up learns that, whatever it is."""
    reader = indexes.index_of(tmp_path / "index.sqlite", [spans({"number": 1})])
    with pytest.raises(InvalidRequest, match="after"):
        reader.traces(parse(""), after=after)
    reader.close()


def test_changes_behind_a_position_beyond_all_are_none(tmp_path: Path) -> None:
    """A position is believed only as far as there are items."""
    reader = indexes.index_of(tmp_path / "index.sqlite", [spans({"number": 1})])
    position = reader.position()
    assert position is not None
    assert reader.changes(position._replace(lsn=UINT64_MAX)).traces == ()
    reader.close()


def _value(given: Any) -> AnyValue:
    if isinstance(given, bool):
        return AnyValue(bool_value=given)
    if isinstance(given, int):
        return AnyValue(int_value=given)
    if isinstance(given, float):
        return AnyValue(double_value=given)
    if isinstance(given, bytes):
        return AnyValue(bytes_value=given)
    if isinstance(given, list):
        value = AnyValue()
        value.array_value.values.extend(_value(one) for one in given)
        return value
    return AnyValue(string_value=given)


_TEXTS = st.text(max_size=20).filter(lambda text: text.isprintable() or "\0" in text)
_SCALARS = st.one_of(
    _TEXTS, st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.binary(max_size=9),
    st.recursive(st.none() | st.integers() | st.text(max_size=9),
                 lambda inner: st.lists(inner, max_size=3)
                 | st.dictionaries(st.sampled_from(("id", "parts", "type", "content")), inner,
                                   max_size=3), max_leaves=8).map(json.dumps),
)  # fmt: skip
_SAID = st.dictionaries(
    st.sampled_from(_KEYS), _SCALARS | st.lists(_SCALARS, max_size=3), max_size=6
)
_UINT64 = st.sampled_from((0, 1, 2**63 - 1, 2**63, UINT64_MAX))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(said=_SAID, start=_UINT64, end=_UINT64, opens=st.booleans())
def test_any_attributes_and_times_are_indexed(
    said: dict[str, Any], start: int, end: int, *, opens: bool
) -> None:
    """A span, its event and a log record of any values are rows, and can be asked for."""
    traces, logs = TracesData(), LogsData()
    span = traces.resource_spans.add().scope_spans.add().spans.add(
        trace_id=TRACE, span_id=bytes(7) + b"\1", start_time_unix_nano=start,
        end_time_unix_nano=0 if opens else end,
    )  # fmt: skip
    event = span.events.add(name="exception", time_unix_nano=end)
    log = logs.resource_logs.add().scope_logs.add().log_records.add(
        trace_id=TRACE, time_unix_nano=start, severity_number=9
    )  # fmt: skip
    resource = traces.resource_spans[0].resource
    for key, given_value in said.items():
        value = _value(given_value)
        for pairs in (span.attributes, event.attributes, log.attributes, resource.attributes):
            pairs.add(key=key).value.CopyFrom(value)
        log.body.CopyFrom(value)
    kind = Kind.MARKS if opens else Kind.SPANS
    contents = [
        Content(kind, traces.SerializeToString(), 1),
        Content(Kind.LOGS, logs.SerializeToString(), 1),
    ]
    with tempfile.TemporaryDirectory() as place:
        reader = indexes.index_of(Path(place) / "index.sqlite", contents)
        (row,) = reader.traces(parse("")).rows
        assert (row.span_count, row.open_count) == (1, int(opens))
        assert reader.skeleton(TRACE) is not None
        assert len(reader.logs_of(TRACE)) == 1
        reader.close()
