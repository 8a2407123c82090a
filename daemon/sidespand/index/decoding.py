"""From rows of the database to the values that questions are answered with."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sidespand.index.rows import SpanRow, TraceRow
from sidespand.index.schema import (
    AI_KIND_NAMES,
    SPAN_COLUMNS,
    SPAN_KIND_NAMES,
    STATUS_NAMES,
    TERM_FIELDS,
    TRACE_COLUMNS,
    position_of,
)
from sidespand.index.traces import unpacked
from sidespand.index.values import span_id_bytes
from sidespand.limits import TRACE_VALUES_MAX

TRACE_SQL: Final = ", ".join(f"t.{name}" for name in TRACE_COLUMNS)
SPAN_SQL: Final = ", ".join(f"s.{name}" for name in SPAN_COLUMNS)
_SERVICE, _AGENT = TERM_FIELDS["service"], TERM_FIELDS["agent"]
_MODEL, _TOOL = TERM_FIELDS["model"], TERM_FIELDS["tool"]
_SPAN_TERMS: Final = range(10, 23)


class Names:
    """Names by their numbers.

    Args:
        db: A connection.
        numbers: Those that will be asked for; None is no name.
    """

    def __init__(self, db: sqlite3.Connection, numbers: Iterable[int | None]) -> None:
        wanted = json.dumps([number for number in set(numbers) if number is not None])
        self._known = {
            number: (field, value)
            for number, field, value in db.execute(
                "SELECT no, field, value FROM term WHERE no IN (SELECT value FROM json_each(?))",
                (wanted,),
            )
        }

    def of(self, number: int | None) -> str:
        """Return a name; empty for None and for one that is gone."""
        return self._known[number][1] if number in self._known else ""

    def in_field(self, numbers: Iterable[int], field: int) -> tuple[str, ...]:
        """Return the names of a field among numbers, at most TRACE_VALUES_MAX."""
        found = []
        for number in numbers:
            known = self._known.get(number)
            if known is not None and known[0] == field:
                found.append(known[1])
                if len(found) == TRACE_VALUES_MAX:
                    break
        return tuple(found)


def lineages(db: sqlite3.Connection) -> dict[int, bytes]:
    """Return the lineages that items are of, by ordinal."""
    return dict(db.execute("SELECT ordinal, id FROM lineage").fetchall())


def trace_rows(
    db: sqlite3.Connection, rows: Sequence[Sequence[Any]], matches: Mapping[int, int] | None = None
) -> tuple[TraceRow, ...]:
    """Return rows of TRACE_SQL as values.

    Args:
        db: A connection.
        rows: The rows.
        matches: By number of the trace, the item in which a text was found.
    """
    listed = [unpacked(row[27]) for row in rows]
    wanted = {number for row in rows for number in row[16:21]}
    names = Names(db, wanted.union(*listed))
    known = lineages(db)
    found = matches or {}
    return tuple(
        _trace_row(row, terms, names, known, found.get(row[0]))
        for row, terms in zip(rows, listed, strict=True)
    )


def _trace_row(
    row: Sequence[Any],
    terms: Sequence[int],
    names: Names,
    known: dict[int, bytes],
    match: int | None,
) -> TraceRow:
    (_, trace_id, start_ns, end_ns, duration_ns, span_count, open_count, abandoned_count,
     error_count, llm_count, tool_count, tokens_in, tokens_out, tokens_cached, tokens_reasoning,
     cost_usd, name, service, agent, conversation, user, _, root_orphan, _, _, first_id, last_id,
     _) = row  # fmt: skip
    return TraceRow(
        trace_id=trace_id,
        name=names.of(name),
        service=names.of(service),
        services=names.in_field(terms, _SERVICE),
        agent=names.of(agent),
        agents=names.in_field(terms, _AGENT),
        conversation_id=names.of(conversation),
        user_id=names.of(user),
        models=names.in_field(terms, _MODEL),
        tools=names.in_field(terms, _TOOL),
        start_ns=start_ns or 0,
        end_ns=end_ns if duration_ns is not None else None,
        duration_ns=duration_ns,
        span_count=span_count,
        open_count=open_count,
        abandoned_count=abandoned_count,
        error_count=error_count,
        llm_count=llm_count,
        tool_count=tool_count,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=tokens_cached,
        tokens_reasoning=tokens_reasoning,
        cost_usd=cost_usd,
        status=_status(open_count, abandoned_count, error_count),
        first=position_of(first_id, known),
        last=position_of(last_id, known),
        match=None if match is None else position_of(match, known),
        root_recorded=not root_orphan,
    )


def _status(open_count: int, abandoned_count: int, error_count: int) -> str:
    if open_count:
        return "open"
    if abandoned_count:
        return "abandoned"
    return "error" if error_count else "ok"


def span_rows(db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> tuple[SpanRow, ...]:
    """Return rows of SPAN_SQL followed by the trace's id as values."""
    names = Names(db, {row[column] for row in rows for column in _SPAN_TERMS})
    known = lineages(db)
    return tuple(_span_row(row, names, known) for row in rows)


def _span_row(row: Sequence[Any], names: Names, known: dict[int, bytes]) -> SpanRow:
    (row_id, _, span_id, parent_id, state, status, kind, ai_kind, start_ns, duration_ns, name,
     service, _, _, _, provider, model, agent, tool, conversation, user, prompt_version, error,
     tokens_in, tokens_out, tokens_cached, tokens_reasoning, cost_usd, counted, ttft_ns, _, _, _,
     correlation, request, _, _, trace_id) = row  # fmt: skip
    of = names.of
    return SpanRow(
        trace_id=trace_id,
        span_id=span_id_bytes(span_id),
        parent_span_id=b"" if parent_id is None else span_id_bytes(parent_id),
        position=position_of(row_id, known),
        name=of(name),
        service=of(service),
        kind=named(SPAN_KIND_NAMES, kind),
        ai_kind=AI_KIND_NAMES[ai_kind],
        provider=of(provider),
        model=of(model),
        agent=of(agent),
        tool=of(tool),
        conversation_id=of(conversation),
        user_id=of(user),
        prompt_version=of(prompt_version),
        correlation_id=correlation or "",
        request_id=request or "",
        error_type=of(error),
        status=named(STATUS_NAMES, status),
        state=state,
        start_ns=start_ns,
        duration_ns=duration_ns,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=tokens_cached,
        tokens_reasoning=tokens_reasoning,
        cost_usd=cost_usd,
        aggregate=counted == 0,
        ttft_ns=ttft_ns,
    )


def named(names: Sequence[str], number: int) -> str:
    """Return the name of an open enumeration's number; the first for one without."""
    return names[number] if 0 <= number < len(names) else names[0]
