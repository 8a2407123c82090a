"""The JSON form of the index's answers, shared by the API and the command line. Pure.

Times and durations in nanoseconds are decimal strings, positions ``lineage:lsn``, ids lower hex.
Fields are added, never renamed or removed.
"""

import math
from collections.abc import Iterable
from typing import Any

from sidespand.index.rows import Completion, Page, SpanRow, StatRow, Stats, Strip, Table, TraceRow
from sidespand.limits import JSON_INTEGER_MAX

Document = dict[str, Any]

# Values of ``SpanRow.state``, in the words of ``query.span.State``.
STATES = ("ended", "open", "abandoned", "abandoned, then ended")


def trace_row(row: TraceRow) -> Document:
    """Return one line of a list of traces; its excerpt is for who can read the journal."""
    return {
        "trace_id": row.trace_id.hex(),
        "name": row.name,
        "service": row.service,
        "services": list(row.services),
        "agent": row.agent,
        "agents": list(row.agents),
        "conversation_id": row.conversation_id,
        "user_id": row.user_id,
        "models": list(row.models),
        "tools": list(row.tools),
        "start_ns": str(row.start_ns),
        "end_ns": _digits(row.end_ns),
        "duration_ns": _digits(row.duration_ns),
        "span_count": row.span_count,
        "open_count": row.open_count,
        "abandoned_count": row.abandoned_count,
        "error_count": row.error_count,
        "llm_count": row.llm_count,
        "tool_count": row.tool_count,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "tokens_cached": row.tokens_cached,
        "tokens_reasoning": row.tokens_reasoning,
        "cost_usd": row.cost_usd,
        "status": row.status,
        "first_position": str(row.first),
        "last_position": str(row.last),
        "match": None,
        "root_recorded": row.root_recorded,
    }


def span_row(row: SpanRow) -> Document:
    """Return one line of a list of spans."""
    return {
        "trace_id": row.trace_id.hex(),
        "span_id": row.span_id.hex(),
        "parent_span_id": row.parent_span_id.hex() or None,
        "position": str(row.position),
        "name": row.name,
        "service": row.service,
        "kind": row.kind,
        "ai_kind": row.ai_kind,
        "provider": row.provider,
        "model": row.model,
        "agent": row.agent,
        "tool": row.tool,
        "conversation_id": row.conversation_id,
        "user_id": row.user_id,
        "prompt_version": row.prompt_version,
        "correlation_id": row.correlation_id,
        "request_id": row.request_id,
        "error_type": row.error_type,
        "status": row.status,
        "state": STATES[row.state],
        "start_ns": str(row.start_ns),
        "duration_ns": _digits(row.duration_ns),
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "tokens_cached": row.tokens_cached,
        "tokens_reasoning": row.tokens_reasoning,
        "cost_usd": row.cost_usd,
        "aggregate": row.aggregate,
        "ttft_ns": _digits(row.ttft_ns),
    }


def traces_page(page: Page[TraceRow]) -> Document:
    """Return a part of a list of traces."""
    rows = [trace_row(row) for row in page.rows]
    return {"traces": rows, "next": page.next, "complete": page.complete}


def spans_page(page: Page[SpanRow]) -> Document:
    """Return a part of a list of spans."""
    rows = [span_row(row) for row in page.rows]
    return {"spans": rows, "next": page.next, "complete": page.complete}


def stats(found: Stats) -> Document:
    """Return sums by a field."""
    return {
        "by": found.by,
        "rows": [_stat_row(row) for row in found.rows],
        "total": _stat_row(found.total),
        "complete": found.complete,
    }


def _stat_row(row: StatRow) -> Document:
    return {
        "key": row.key,
        "spans": row.spans,
        "traces": row.traces,
        "errors": row.errors,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "tokens_cached": row.tokens_cached,
        "tokens_reasoning": row.tokens_reasoning,
        "cost_usd": row.cost_usd,
        "p50_ms": row.p50_ms,
        "p95_ms": row.p95_ms,
        "max_ms": row.max_ms,
    }


def strip(found: Strip) -> Document:
    """Return what traces were like over time."""
    return {
        "from_ns": str(found.from_ns),
        "to_ns": str(found.to_ns),
        "bucket_ns": str(found.bucket_ns),
        **{name: list(values) for name, values in found.series.items()},
        "complete": found.complete,
    }


def completions(found: Iterable[Completion]) -> Document:
    """Return values that were seen in a field."""
    return {"values": [{"value": one.value, "count": one.count} for one in found]}


def table(found: Table) -> Document:
    """Return the answer to a question in SQL.

    Bytes are lower hex; what JSON has no number for is a string, as in ``query.documents``.
    """
    return {
        "columns": list(found.columns),
        "rows": [[_cell(value) for value in row] for row in found.rows],
        "truncated": found.truncated,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)
