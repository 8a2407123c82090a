"""Sums over spans by a field, and over traces by time."""

import sqlite3
from array import array
from collections.abc import Sequence
from typing import Any, Final

from sidespand.errors import InvalidRequest
from sidespand.index import searching
from sidespand.index.connections import grant_time, is_interrupted
from sidespand.index.decoding import Names
from sidespand.index.hits import after
from sidespand.index.pages import NEWEST, Paging
from sidespand.index.rows import StatRow, Stats, Strip
from sidespand.index.schema import AI_KIND_NAMES
from sidespand.index.wanted import all_of
from sidespand.limits import STATS_ROWS_MAX, STRIP_BUCKETS_MAX, STRIP_TRACES_MAX
from sidespand.search import Query

GROUPS: Final = {
    "model": "model", "tool": "tool", "agent": "agent", "service": "service", "kind": "ai_kind",
    "provider": "provider", "name": "name", "conversation": "conversation", "user": "user",
    "prompt.version": "prompt_version",
}  # fmt: skip


class _Sum:
    """What is added up of the spans of one group."""

    def __init__(self) -> None:
        self.spans = self.errors = 0
        self.tokens = [0, 0, 0, 0]
        self.cost_usd: float | None = None
        self.traces: set[int] = set()
        self.durations = array("q")

    def add(self, row: Sequence[Any]) -> None:
        """Take a span in."""
        _, _, trace_no, status, duration_ns, counted, *used, cost_usd = row
        self.spans += 1
        self.errors += status == 2  # noqa: PLR2004 - OTLP's number of an error.
        self.traces.add(trace_no)
        if duration_ns is not None:
            self.durations.append(duration_ns)
        if counted == 1:
            tokens = self.tokens
            for index, count in enumerate(used):
                if count:
                    tokens[index] += count
            if cost_usd is not None:
                self.cost_usd = (self.cost_usd or 0.0) + cost_usd

    def row(self, key: str) -> StatRow:
        """Return it as a value."""
        ordered = sorted(self.durations)
        tokens_in, tokens_out, cached, reasoning = self.tokens
        return StatRow(
            key, self.spans, len(self.traces), self.errors, tokens_in, tokens_out, cached,
            reasoning, self.cost_usd, percentile_ms(ordered, 0.5), percentile_ms(ordered, 0.95),
            ordered[-1] / 1e6 if ordered else None,
        )  # fmt: skip


def percentile_ms(ordered: Sequence[int], part: float) -> float | None:
    """Return the value below which a part of them lies, in milliseconds; None without any.

    Args:
        ordered: Nanoseconds, least first.
        part: From 0 to 1; the nearest rank is taken.
    """
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] / 1e6


def stats(db: sqlite3.Connection, query: Query, by: str, time_s_max: float) -> Stats:
    """Return sums by a field, newest spans first; when time is up older ones are left out.

    Raises:
        InvalidRequest: There is no such field to sum up by.
    """
    if by not in GROUPS:
        raise InvalidRequest(f"by: expected one of {', '.join(GROUPS)}, got {by[:32]!r}")
    table, where, keep, complete = searching.span_source(db, query, after(time_s_max / 2))
    conditions = all_of(where)
    asked = (
        f"SELECT s.id, s.{GROUPS[by]}, s.trace_no, s.status, s.duration_ns, s.counted, s.tokens_in,"
        " s.tokens_out, s.tokens_cached, s.tokens_reasoning, s.cost_usd FROM"
        f" {table} WHERE {conditions.text} ORDER BY s.id DESC"
    )
    groups: dict[Any, _Sum] = {}
    total = _Sum()
    late = after(time_s_max / 2)
    try:
        for number, row in enumerate(db.execute(asked, conditions.params), 1):
            if (keep is not None or number % 1024 == 0) and late():
                complete = False
                break
            if keep is not None and not keep(row[0]):
                continue
            group = groups.get(row[1])
            if group is None:
                group = groups[row[1]] = _Sum()
            group.add(row)
            total.add(row)
    except sqlite3.OperationalError as error:
        if not is_interrupted(error):
            raise
        complete = False
        grant_time(db)
    names = Names(db, groups) if by != "kind" else None
    busiest = sorted(groups.items(), key=lambda item: -item[1].spans)[:STATS_ROWS_MAX]
    rows = tuple(
        one.row(names.of(key) if names is not None else AI_KIND_NAMES[key]) for key, one in busiest
    )
    return Stats(by, rows, total.row(""), complete)


def strip(db: sqlite3.Connection, query: Query, buckets: int, time_s_max: float) -> Strip:
    """Return what matching traces were like over time; at most the newest STRIP_TRACES_MAX.

    Raises:
        InvalidRequest: So many buckets there cannot be.
    """
    if not 1 <= buckets <= STRIP_BUCKETS_MAX:
        raise InvalidRequest(f"buckets: expected 1 to {STRIP_BUCKETS_MAX}")
    columns = (
        "t.no, t.start_ns, t.duration_ns, t.span_count, t.error_count, t.tokens_in, t.tokens_out,"
        " t.cost_usd"
    )
    paging = Paging(STRIP_TRACES_MAX, late=after(time_s_max / 2))
    found = searching.traces(db, query, NEWEST, paging, columns)
    starts = [row[1] for row in found.rows]
    from_ns = query.since_ns if query.since_ns is not None else min(starts, default=0)
    to_ns = query.until_ns if query.until_ns is not None else max(starts, default=0) + 1
    bucket_ns = max(1, -(-(to_ns - from_ns) // buckets))
    sums = {name: [0.0] * buckets for name in ("traces", "spans", "errors", "tokens_in",
                                               "tokens_out", "cost_usd")}  # fmt: skip
    durations: list[list[int]] = [[] for _ in range(buckets)]
    for _, start_ns, duration_ns, spans, errors, tokens_in, tokens_out, cost_usd in found.rows:
        at = (start_ns - from_ns) // bucket_ns
        if not 0 <= at < buckets:
            continue
        if duration_ns is not None:
            durations[at].append(duration_ns)
        counted = (1, spans, errors, tokens_in, tokens_out, cost_usd or 0.0)
        for series, value in zip(sums.values(), counted, strict=True):
            series[at] += value
    ordered = [sorted(one) for one in durations]
    return Strip(
        from_ns,
        from_ns + buckets * bucket_ns,
        bucket_ns,
        {
            **{name: [_number(one) for one in series] for name, series in sums.items()},
            "p50_ms": [percentile_ms(one, 0.5) for one in ordered],
            "p95_ms": [percentile_ms(one, 0.95) for one in ordered],
        },
        found.complete and found.next is None,
    )


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
