"""Lists of traces and spans: from a query to the rows of one page, by the shortest way there is.

Few candidates (a rare name, a found text) are all weighed, and put in order. Where many fit, an
index is walked in the order that was asked for until the page is full: what is common comes soon.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any, Final, NamedTuple

from sidespand.errors import InvalidRequest
from sidespand.index import hits
from sidespand.index.conditions import STATUS_INDEX, Condition, Sql, compile_term
from sidespand.index.connections import is_interrupted
from sidespand.index.decoding import SPAN_SQL, TRACE_SQL
from sidespand.index.values import INTEGER_MAX
from sidespand.limits import INDEX_CANDIDATES_MAX, INDEX_TEXT_HITS_MAX
from sidespand.search import Query, Sort

_TRACE_SORTS: Final = {
    "start": ("t.start_ns", "trace_by_start", ""),
    "dur": ("t.duration_ns", "trace_by_dur", ""),
    "tokens": ("t.tokens_in + t.tokens_out", "trace_by_tokens", "t.tokens_in + t.tokens_out > 0"),
    "cost": ("t.cost_usd", "trace_by_cost", "t.cost_usd IS NOT NULL"),
    "spans": ("t.span_count", "trace_by_spans", ""),
    "errors": ("t.error_count", "trace_by_errors", ""),
    "updated": ("t.last_id", "trace_by_updated", ""),
}
_SPAN_SORTS: Final = {
    "start": "s.start_ns", "dur": "s.duration_ns", "cost": "s.cost_usd", "updated": "s.id",
    "tokens": "coalesce(s.tokens_in, 0) + coalesce(s.tokens_out, 0)", "spans": "s.id",
    "errors": "(s.status = 2)",
}  # fmt: skip
# Traces that are asked one by one whether a text is in them, rather than looking for the text.
_FEW: Final = 200
# Rows of a page, as they are asked for most.
_PAGE: Final = 50
# Traces of a rare name whose spans are all looked at.
_SPAN_TRACES_MAX: Final = 2000
_FEW_TRACES: Final = "trace t NOT INDEXED"
_ALL_SPANS: Final = "span s NOT INDEXED"
_OF_TRACES: Final = "span s INDEXED BY span_by_trace"
_NEWEST: Final = Sort("start", descending=True)


class Paging(NamedTuple):
    """Which page.

    Args:
        limit: Rows of it.
        after: ``next`` of the one before; None for the first.
    """

    limit: int
    after: str | None = None


class Found(NamedTuple):
    """One page.

    Args:
        rows: Of TRACE_SQL, or of SPAN_SQL and the trace's id.
        next: Where the page after begins; None for the last one.
        complete: Whether all that may match was looked at.
        matches: By number of a trace, the newest item in which a text was found.
    """

    rows: list[tuple[Any, ...]]
    next: str | None
    complete: bool
    matches: dict[int, int]


@dataclass(slots=True)
class Wanted:
    """Conditions of a search, by what they are asked of.

    Args:
        conditions: One a term.
        matches: What texts must match.
        where: Further conditions.
    """

    conditions: list[Condition]
    matches: list[Condition] = field(default_factory=list)
    where: list[Sql] = field(default_factory=list)

    def rarest(self, db: sqlite3.Connection) -> Condition | None:
        """Return the condition that leaves the fewest candidates; None when none leaves few.

        To weigh n candidates costs as much as to walk past so many traces: a page of p is full
        after p * traces / n, if they lie evenly.
        """
        known = [one for one in self.conditions if one.source is not None]
        best = min(known, key=lambda one: one.count, default=None)
        if best is None or best.count > INDEX_CANDIDATES_MAX:
            return None
        newest = db.execute("SELECT coalesce(max(no), 0) FROM trace").fetchone()[0]
        oldest = db.execute("SELECT coalesce(min(no), 0) FROM trace").fetchone()[0]
        few = max(_FEW, 2 * len(self.conditions) * isqrt(_PAGE * (newest - oldest)))
        return best if best.count <= few else None


def wanted_of(db: sqlite3.Connection, query: Query, table: str) -> Wanted:
    """Return what a query asks of ``t``, a trace, or of ``s``, a span."""
    wanted = Wanted([compile_term(db, term) for term in query.terms])
    wanted.matches = [one for one in wanted.conditions if one.match]
    for condition in wanted.conditions:
        sql = condition.trace if table == "t" else condition.span
        if sql is not None:
            wanted.where.append(Sql(f"({sql.text})", sql.params))
    if query.since_ns is not None:
        wanted.where.append(Sql(f"{table}.start_ns >= ?", (query.since_ns,)))
    if query.until_ns is not None:
        wanted.where.append(Sql(f"{table}.start_ns < ?", (query.until_ns,)))
    return wanted


def traces(
    db: sqlite3.Connection,
    query: Query,
    sort: Sort | None,
    page: Paging,
    columns: str = TRACE_SQL,
) -> Found:
    """Return one page of traces.

    Args:
        db: A connection.
        query: Its scope is ``trace`` by default.
        sort: Goes before the query's own.
        page: Which one.
        columns: Of the rows; the first is the trace's number.
    """
    order = sort or query.sort or _NEWEST
    scope = query.scope or "trace"
    wanted = wanted_of(db, query, "t") if scope in ("trace", "conversation") else Wanted([])
    complete = True
    found_in: dict[int, int] = {}
    source: Sql | None = None
    if scope in ("span", "root"):
        source, found_in, complete = _by_spans(db, query, scope, wanted)
    elif wanted.matches:
        source, found_in, complete = _by_texts(db, wanted)
    elif (rarest := wanted.rarest(db)) is not None:
        source = rarest.source
    if scope == "conversation":
        source = _conversations(db, wanted, source)
        wanted = Wanted([])
    rows, following, whole = _page(db, wanted, source, _Order(order, page), columns)
    return Found(rows, following, complete and whole, found_in)


def _by_texts(db: sqlite3.Connection, wanted: Wanted) -> tuple[Sql, dict[int, int], bool]:
    rarest = wanted.rarest(db)
    positive = [one for one in wanted.matches if not one.negated]
    if rarest is not None and rarest.source is not None and (rarest.count <= _FEW or not positive):
        numbers = [row[0] for row in _candidates(db, rarest.source)]
        kept = {}
        for number in numbers:
            match = _in_trace(db, number, wanted.matches)
            if match is not None:
                kept[number] = match
        return _listed(kept), {no: row for no, row in kept.items() if row}, True
    if not positive:
        raise InvalidRequest("a search for what lacks a text needs a term that narrows it")
    found: dict[int, int] | None = None
    complete = True
    for condition in wanted.matches:
        hit = hits.find(db, condition.match, INDEX_TEXT_HITS_MAX)
        complete = complete and hit.complete
        where = hit.traces
        if found is None:
            found = where if not condition.negated else None
        elif condition.negated:
            found = {no: row for no, row in found.items() if no not in where}
        else:
            found = {no: max(row, where[no]) for no, row in found.items() if no in where}
    assert found is not None
    return _listed(found), found, complete


def _candidates(db: sqlite3.Connection, source: Sql) -> Sequence[tuple[int]]:
    asked = f"SELECT DISTINCT * FROM ({source.text} LIMIT {INDEX_CANDIDATES_MAX})"
    return db.execute(asked, source.params).fetchall()


def _in_trace(db: sqlite3.Connection, number: int, matches: Sequence[Condition]) -> int | None:
    """Return the newest item of a trace that matches; 0 when nothing must; None when not all do."""
    bounds = db.execute("SELECT first_id, last_id FROM trace WHERE no = ?", (number,)).fetchone()
    newest = 0
    for condition in matches:
        hit = hits.find(db, condition.match, INDEX_TEXT_HITS_MAX, *bounds)
        row = hit.traces.get(number)
        if (row is None) is not condition.negated:
            return None
        newest = max(newest, row or 0)
    return newest


def _by_spans(
    db: sqlite3.Connection, query: Query, scope: str, outer: Wanted
) -> tuple[Sql | None, dict[int, int], bool]:
    """Return the traces of which one span, or the root, is all that is asked for."""
    wanted = wanted_of(db, query, "s")
    if scope == "root":
        wanted.where.append(Sql("s.parent_id IS NULL"))
    if wanted.matches:
        found, complete = _span_ids(db, wanted)
        where = " AND ".join(one.text for one in (*wanted.where, Sql("1")))
        asked = (
            f"SELECT s.trace_no, max(s.id) FROM span s WHERE s.id IN"
            f" (SELECT value FROM json_each(?)) AND {where} GROUP BY s.trace_no"
        )
        params = (json.dumps(found), *(p for one in wanted.where for p in one.params))
        kept = dict(db.execute(asked, params).fetchall())
        return _listed(kept), kept, complete
    where = " AND ".join(one.text for one in (*wanted.where, Sql("1")))
    params = tuple(p for one in wanted.where for p in one.params)
    # What one span has, its trace has, too: that is asked first, for it costs less.
    outer.where.extend(one.trace for one in wanted.conditions if one.implied and one.trace)
    outer.where.append(
        Sql(f"EXISTS (SELECT 1 FROM span s WHERE s.trace_no = t.no AND {where})", params)
    )
    rarest = wanted.rarest(db)
    return (rarest.source if rarest is not None else None), {}, True


def _span_ids(db: sqlite3.Connection, wanted: Wanted) -> tuple[list[int], bool]:
    positive = " AND ".join(f"({one.match})" for one in wanted.matches if not one.negated)
    negative = [one.match for one in wanted.matches if one.negated]
    if not positive:
        raise InvalidRequest("a search for what lacks a text needs another text to begin with")
    match = " NOT ".join([f"({positive})", *(f"({one})" for one in negative)])
    hit = hits.find(db, match, INDEX_TEXT_HITS_MAX)
    return [row_id for row_id, _ in hit.items], hit.complete


def _conversations(db: sqlite3.Connection, wanted: Wanted, source: Sql | None) -> Sql:
    where = " AND ".join(one.text for one in (*wanted.where, Sql("t.conversation IS NOT NULL")))
    params = tuple(p for one in wanted.where for p in one.params)
    begin = f"t.no IN ({source.text}) AND " if source is not None else ""
    rows = db.execute(
        f"SELECT DISTINCT t.conversation FROM trace t WHERE {begin}{where}"
        f" LIMIT {INDEX_CANDIDATES_MAX}",
        ((*source.params, *params) if source is not None else params),
    )
    listed = ", ".join(str(row[0]) for row in rows) or "0"
    return Sql(f"SELECT trace_no FROM trace_term WHERE term_no IN ({listed})")


def _listed(numbers: Iterable[int]) -> Sql:
    return Sql("SELECT value FROM json_each(?)", (json.dumps(list(numbers)),))


class _Order(NamedTuple):
    sort: Sort
    page: Paging


def _page(
    db: sqlite3.Connection, wanted: Wanted, source: Sql | None, asked_for: _Order, columns: str
) -> tuple[list[tuple[Any, ...]], str | None, bool]:
    order, (limit, after) = asked_for
    key, index, extra = _TRACE_SORTS[order.key]
    where = [*wanted.where, Sql("t.span_count > 0"), Sql(f"{key} IS NOT NULL")]
    if extra:
        where.append(Sql(extra))
    where.extend(_behind(key, "t.no", order, after))
    if source is not None:
        # By their numbers, and by no index: the order is made of few.
        table = _FEW_TRACES
        where.insert(0, Sql(f"t.no IN ({source.text})", source.params))
    else:
        known = [one.status for one in wanted.conditions if one.status]
        if known and order.key == "start":
            index = STATUS_INDEX[known[0]]
        table = "trace t" + (f" INDEXED BY {index}" if index else "")
    params = tuple(p for one in where for p in one.params)
    conditions = " AND ".join(one.text for one in where)
    way = "DESC" if order.descending else "ASC"
    ordered = f"ORDER BY {key} {way}, t.no {way} LIMIT {limit + 1}"
    if source is not None:
        # Only numbers are put in order; whole rows would take four times as long.
        conditions = f"t.no IN (SELECT t.no FROM {table} WHERE {conditions} {ordered})"
    asked = f"SELECT {columns}, {key} FROM {table} WHERE {conditions} {ordered}"
    return _rows(db, asked, params, limit, 0)


def _behind(key: str, number: str, order: Sort, after: str | None) -> list[Sql]:
    if after is None:
        return []
    try:
        value, at = json.loads(after)
        if not isinstance(value, int | float) or not isinstance(at, int):
            raise TypeError
        if max(abs(value), abs(at)) > INTEGER_MAX:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest("after: is no `next` of a page") from None
    sign = "<" if order.descending else ">"
    return [Sql(f"({key}, {number}) {sign} (?, ?)", (value, at))]


def _rows(
    db: sqlite3.Connection, asked: str, params: Sequence[Any], limit: int, number: int
) -> tuple[list[tuple[Any, ...]], str | None, bool]:
    rows: list[tuple[Any, ...]] = []
    complete = True
    try:
        for row in db.execute(asked, params):
            rows.append(row)  # noqa: PERF402 -- What was found before time is up is an answer.
    except sqlite3.OperationalError as error:
        if not rows or not is_interrupted(error):
            raise
        complete = False
    more = len(rows) > limit or not complete
    rows = rows[:limit]
    following = json.dumps([rows[-1][-1], rows[-1][number]]) if more and rows else None
    return [row[:-1] for row in rows], following, complete


def spans(db: sqlite3.Connection, query: Query, sort: Sort | None, page: Paging) -> Found:
    """Return one page of spans; parameters as for ``traces``, the scope ``span`` by default."""
    limit, after = page
    order = sort or query.sort or Sort("updated", descending=True)
    key = _SPAN_SORTS[order.key]
    table, where, complete = span_source(db, query)
    walks = table == _ALL_SPANS and key != "s.id"
    where.extend((Sql(f"{key} IS NOT NULL"), *_behind(key, "s.id", order, after)))
    params = tuple(p for one in where for p in one.params)
    conditions = " AND ".join(one.text for one in where)
    if walks:
        # Without a name to begin with, the newest that match are put in order.
        newest = INDEX_CANDIDATES_MAX
        table = f"(SELECT * FROM span s WHERE {conditions} ORDER BY s.id DESC LIMIT {newest}) s"
        conditions = "1"
    way = "DESC" if order.descending else "ASC"
    asked = (
        f"SELECT {SPAN_SQL}, (SELECT id FROM trace WHERE no = s.trace_no), {key} FROM {table}"
        f" WHERE {conditions} ORDER BY {key} {way}, s.id {way} LIMIT {limit + 1}"
    )
    rows, following, whole = _rows(db, asked, params, limit, 0)
    return Found(rows, following, complete and whole and not (walks and following), {})


def span_source(db: sqlite3.Connection, query: Query) -> tuple[str, list[Sql], bool]:
    """Return where the spans of a query lie, as a table ``s``, and conditions on them.

    Returns:
        The table; the conditions; whether they leave out nothing that matches.
    """
    scope = query.scope or "span"
    if scope in ("trace", "conversation"):
        inner = Query(query.terms, scope, query.since_ns, query.until_ns)
        found = traces(db, inner, None, Paging(_SPAN_TRACES_MAX), "t.no")
        listed = _listed(row[0] for row in found.rows)
        return _OF_TRACES, [_in("s.trace_no", listed)], found.next is None
    wanted = wanted_of(db, query, "s")
    if scope == "root":
        wanted.where.append(Sql("s.parent_id IS NULL"))
    if wanted.matches:
        ids, complete = _span_ids(db, wanted)
        listed = _listed(ids)
        return "span s", [_in("s.id", listed), *wanted.where], complete
    rarest = wanted.rarest(db)
    if rarest is not None and rarest.source is not None and rarest.count <= _SPAN_TRACES_MAX:
        return _OF_TRACES, [_in("s.trace_no", rarest.source), *wanted.where], True
    return _ALL_SPANS, wanted.where, True


def _in(column: str, source: Sql) -> Sql:
    return Sql(f"{column} IN ({source.text})", source.params)
