"""The lines of other tools: their fields, read by the tool itself where there is one."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from sidespand.model import Record
from sidespand.sinks.line_formats import FORMATS, encode_lines, place_of, reached_by
from tests.journals import LINEAGE, NODE_REF, content, records
from tests.otlp import START_NS, export_request

TRACE = bytes(range(16))


def request(attributes: dict[str, str | int] | None = None) -> Any:
    """Return a request of a root and a failed child with an event."""
    found = export_request(2, trace_id=TRACE, span_ids=[b"rootroot", b"childchi"], attributes=0)
    root, child = found.resource_spans[0].scope_spans[0].spans
    child.parent_span_id = root.span_id
    child.status.code, child.status.message = 2, "no such file"
    event = child.events.add(name="retry", time_unix_nano=START_NS)
    event.attributes.add(key="_t").value.int_value = 7
    for key, value in (attributes or {}).items():
        pair = child.attributes.add(key=key).value
        if isinstance(value, int):
            pair.int_value = value
        else:
            pair.string_value = value
    return found


def recorded(found: Any) -> Record:
    """Return a request as the journal gives it back."""
    (record,) = records([content(found.SerializeToString())])
    return record


def documents(form: str, found: Any) -> list[dict[str, Any]]:
    """Return the lines of a request, parsed, without their stamps."""
    lines = [line for _, line in encode_lines(recorded(found), NODE_REF, form=FORMATS[form])]
    parsed = [json.loads(line) for line in b"".join(lines).splitlines()]
    for one in parsed:
        stamp = one.pop("stamp")
        assert (stamp["source_node_ref"], stamp["lineage"]) == (NODE_REF, LINEAGE.hex())
    return parsed


def test_decision_tracer_steps() -> None:
    """A step has that tool's keys in its order; an event cannot take the place of its time."""
    root, child = documents("decision-tracer", request({"symbol": "ABC"}))
    seconds = START_NS / 1e9
    assert list(child) == [
        "name", "context", "started_at", "finished_at", "duration_ms", "outcome", "error", "logs",
    ]  # fmt: skip
    assert (root["outcome"], root["error"], root["logs"]) == ("ok", None, [])
    assert child == {
        "name": "step 1",
        "context": {"symbol": "ABC"},
        "started_at": pytest.approx(seconds),
        "finished_at": pytest.approx(seconds),
        "duration_ms": 1.0,
        "outcome": "error",
        "error": "no such file",
        "logs": [{"_t": seconds, "event": "retry"}],
    }


@pytest.mark.slow
def test_the_tool_reads_its_steps(tmp_path: Path) -> None:
    """ai-decision-tracer 0.2.0 lists, counts and shows what the sink wrote."""
    pytest.importorskip("ai_trace")
    lines = encode_lines(recorded(request()), NODE_REF, form=FORMATS["decision-tracer"])
    (tmp_path / "agent_1.jsonl").write_bytes(b"".join(line for _, line in lines))
    for command, expected in (
        (["stats"], ["step 0", "step 1"]),
        (["view", "agent_1"], ["step 1", "no such file", "retry"]),
    ):
        shown = subprocess.run(
            [sys.executable, "-m", "ai_trace.cli", "--dir", str(tmp_path), *command],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        assert [word for word in expected if word not in shown] == []


def test_agenttrace_runs_and_spans() -> None:
    """A root makes a run; every span has AgentTrace's keys, ids that it knows, and its type."""
    found = request(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 450,
            "gen_ai.usage.output_tokens": 200,
            "input_data": "in",
            "output.value": "out",
        }
    )
    run, root, child = documents("agenttrace", found)
    run_id = str(uuid.UUID(bytes=TRACE))
    assert (run["type"], root["type"], child["type"]) == ("run", "span", "span")
    assert run["data"] == {
        "id": run_id,
        "correlation_id": None,
        "name": "step 0",
        "start_time": "2026-09-21T14:13:20+00:00",
        "end_time": "2026-09-21T14:13:20.001000+00:00",
        "status": "completed",
        "total_cost": None,
        "total_tokens": None,
        "span_count": None,
        "metadata": {"service.name": "test"},
    }
    assert (root["data"]["parent_span_id"], root["data"]["span_type"]) == (None, "custom")
    data = child["data"]
    assert data.pop("metadata")["gen_ai.operation.name"] == "chat"
    assert data == {
        "id": b"childchi".hex(),
        "run_id": run_id,
        "parent_span_id": b"rootroot".hex(),
        "name": "step 1",
        "start_time": "2026-09-21T14:13:20+00:00",
        "end_time": "2026-09-21T14:13:20.001000+00:00",
        "span_type": "llm_call",
        "status": "error",
        "input_data": "in",
        "output_data": "out",
        "duration_ms": 1.0,
        "cost_usd": None,
        "token_usage": {"prompt_tokens": 450, "completion_tokens": 200, "total_tokens": 650},
        "error": "no such file",
    }


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("agenttrace.span_type", "decision", "decision"),
        ("span.type", "retrieval", "retrieval"),
        ("gen_ai.operation.name", "execute_tool", "tool_call"),
        ("openinference.span.kind", "LLM", "llm_call"),
        ("openinference.span.kind", "RETRIEVER", "retrieval"),
        ("gen_ai.operation.name", "plan", "custom"),
        ("name", "chat", "custom"),
    ],
)
def test_types_of_other_dialects(key: str, value: str, expected: str) -> None:
    """Several dialects name AgentTrace's types; what none of them names is ``custom``."""
    assert documents("agenttrace", request({key: value}))[2]["data"]["span_type"] == expected


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_line_begins_alike_and_says_where_it_stands(form: str) -> None:
    """The prefix tells one form from another, and each line leads back into the log."""
    record = recorded(request())
    for lsn, unit in encode_lines(record, NODE_REF, form=FORMATS[form]):
        for line in unit.splitlines(keepends=True):
            assert line.startswith(FORMATS[form].prefix)
            assert place_of(line) == (LINEAGE.hex(), lsn, record.header.stamp.wall_ns)
        assert reached_by(unit.splitlines()[-1]).lsn == lsn


def test_a_run_alone_does_not_count_for_its_span() -> None:
    """A file that a crash cut between the two lines goes on with the span."""
    _, unit = next(encode_lines(recorded(request()), NODE_REF, form=FORMATS["agenttrace"]))
    run, span = unit.splitlines()
    assert (reached_by(run).lsn, reached_by(span).lsn) == (0, 1)


@pytest.mark.parametrize(
    "line", [b"", b"x", b"1", b"{}", b'{"stamp":{}}', b'{"stamp":{"lineage":"a","lsn":"1"}}']
)
def test_a_line_without_a_stamp_is_none(line: bytes) -> None:
    """Whatever else it is, it is refused as a ValueError."""
    for parse in (place_of, reached_by):
        with pytest.raises(ValueError, match=r"."):
            parse(line)
