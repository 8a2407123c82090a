"""Files of other recorders, as their own programs write them."""

import io
import json
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.exchange import detect
from sidespand.exchange.part import Part
from sidespand.query.spans import attributes_of

TRACE = "0123456789abcdef0123456789abcdef"
ROOT, CHILD = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
RUN = "1b671a64-40d5-491e-99b0-da01ff1f3341"
STEP = "9f0c1a52-7f3e-4d69-8a0e-2a6f5c4f0b11"
BELOW = "5d2f8a40-1111-4222-8333-944455566677"


def aitrace(**changes: Any) -> dict[str, Any]:
    """Return a trace as AITrace 0.2.0 exports it, with a span inside another that still runs."""
    clock = {"node": "n@h", "runtime_id": "n@h:1:2", "monotonic_unit": "microsecond"}
    child = {
        "span_id": CHILD,
        "parent_span_id": ROOT,
        "name": "call",
        "start_time": 5_000_100,
        "start_wall_time": "2026-11-21T10:00:00.000100Z",
        "end_time": 5_001_350,
        # The wall clock was set back meanwhile.
        "end_wall_time": "2026-11-21T09:59:59.000000Z",
        "duration_microseconds": 1250,
        "clock_domain": clock,
        "attributes": {"model": "m-1", "items": [1, {"a": None}]},
        "events": [
            {
                "name": "chunk",
                "timestamp": 5_000_200,
                "wall_time": "2026-11-21T10:00:00.000200Z",
                "attributes": {"index": 0},
            }
        ],
        "status": "error",
    }
    root = {
        **child,
        "span_id": ROOT,
        "parent_span_id": None,
        "name": "plan",
        "end_time": None,
        "end_wall_time": None,
        "duration_microseconds": None,
        "events": [],
        "attributes": {},
        "status": "ok",
    }
    return {
        "exporter_schema_version": "aitrace.file_export.v1",
        "trace_id": TRACE,
        "metadata": {"service.name": "planner"},
        "source_node_ref": "node://a@b",
        "spans": [root, child],
        "exported_at_wall_time": "2026-11-21T10:00:01Z",
        **changes,
    }


def agenttrace() -> list[dict[str, Any]]:
    """Return the lines of a run with a tool's call in a decision, as AgentTrace writes them."""
    run = {
        "id": RUN,
        "correlation_id": "workflow-1",
        "name": "research",
        "status": "running",
        "start_time": "2026-11-21T10:00:00+00:00",
        "end_time": None,
        "total_cost": 0.0,
        "total_tokens": 0,
        "span_count": 0,
        "metadata": {},
    }
    tool = {
        "id": BELOW,
        "run_id": RUN,
        "parent_span_id": STEP,
        "name": "search",
        "span_type": "tool_call",
        "status": "error",
        "input_data": {"args": "('x',)", "kwargs": "{}"},
        "output_data": None,
        "metadata": {},
        "start_time": "2026-11-21T10:00:00.200000+00:00",
        "end_time": "2026-11-21T10:00:00.300000+00:00",
        "duration_ms": 100.0,
        "cost_usd": None,
        "token_usage": None,
        "error": "no network",
    }
    model = {
        **tool,
        "id": STEP,
        "parent_span_id": None,
        "name": "gpt-4:synthesize",
        "span_type": "llm_call",
        "status": "completed",
        "output_data": "done",
        "end_time": "2026-11-21T10:00:00.900000+00:00",
        "cost_usd": 0.0255,
        "token_usage": {"prompt_tokens": 450, "completion_tokens": 200, "total_tokens": 650},
        "error": None,
    }
    ended = {**run, "status": "completed", "end_time": "2026-11-21T10:00:01+00:00"}
    return [
        {"type": "run", "data": run},
        {"type": "span", "data": tool},
        {"type": "span", "data": model},
        {"type": "run", "data": ended},
    ]


def lines(documents: list[dict[str, Any]]) -> bytes:
    """Return documents as lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def parts(content: bytes, stem: str = "file") -> tuple[str, bytes, list[Part]]:
    """Return what a file is, its identity, and its parts."""
    source = detect.read(io.BytesIO(content), stem)
    return source.format, source.identity, list(source.parts)


def spans(content: bytes, stem: str = "file") -> dict[str, Span]:
    """Return the spans of a file by name; of several the last."""
    found: dict[str, Span] = {}
    for part in parts(content, stem)[2]:
        assert part.request is not None, part
        for group in part.request.resource_spans:
            for scoped in group.scope_spans:
                found |= {span.name: span for span in scoped.spans}
    return found


def attributes(span: Span) -> dict[str, Any]:
    """Return a span's attributes as the queries have them."""
    return dict(attributes_of(span.attributes))


def newest(directory: Path, ending: str) -> Path:
    """Return the one file of a directory that ends so."""
    (path,) = directory.glob(f"*{ending}")
    return path
