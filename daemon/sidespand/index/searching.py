"""Lists of traces and spans: from a query to the rows of one page, by the shortest way there is.

Few candidates (a rare name, a found text) are all weighed, and put in order. Where many fit, an
index is walked in the order that was asked for until the page is full: what is common comes soon.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from sidespand.errors import InvalidRequest
from sidespand.index.conditions import Condition, Sql, listed
from sidespand.index.decoding import SPAN_SQL, TRACE_SQL
from sidespand.index.hits import EVERYWHERE, Late
from sidespand.index.pages import NEWEST, Found, Listing, Paging, behind, page_of, place_of, taken
from sidespand.index.text_search import page
from sidespand.index.texts_asked import OfSpans, OfTraces, Texts
from sidespand.index.wanted import FEW, Wanted, all_of, wanted_of
from sidespand.limits import INDEX_CANDIDATES_MAX, INDEX_TEXT_HITS_MAX
from sidespand.search import Query, Sort

_SPAN_SORTS: Final = {
    "start": "s.start_ns", "dur": "s.duration_ns", "cost": "s.cost_usd", "updated": "s.id",
    "tokens": "coalesce(s.tokens_in, 0) + coalesce(s.tokens_out, 0)", "spans": "s.id",
    "errors": "(s.status = 2)",
}  # fmt: skip
# Traces of a rare name whose spans are all looked at.
_SPAN_TRACES_MAX: Final = 2000
_ALL_SPANS: Final = "span s NOT INDEXED"
_OF_TRACES: Final = "span s INDEXED BY span_by_trace"
_SPAN_ROW: Final = f"{SPAN_SQL}, (SELECT id FROM trace WHERE no = s.trace_no)"
# Items with a text whose spans are read together.
_TOGETHER: Final = 256


class Spans(NamedTuple):
    """Where the spans of a query lie.

    Args:
        table: As a table ``s``.
        where: Conditions on them.
        keep: Tells of a span's row number whether it is one of them; None when all are.
        complete: Whether nothing that matches is left out.
    """

    table: str
    where: list[Sql]
    keep: Callable[[int], bool] | None
    complete: bool


def traces(
    db: sqlite3.Connection,
    query: Query,
    sort: Sort | None,
    paging: Paging,
    columns: str = TRACE_SQL,
) -> Found:
    """Return one page of traces.

    Args:
        db: A connection.
        query: Its scope is ``trace`` by default.
        sort: Goes before the query's own.
        paging: Which page.
        columns: Of the rows; the first is the trace's number.
    """
    order = sort or query.sort or NEWEST
    if query.scope == "conversation":
        return _of_conversations(db, query, order, paging, columns)
    by_span = query.scope in ("span", "root")
    wanted = _wanted_spans(db, query) if by_span else wanted_of(db, query, "t")
    status = wanted.status()
    where = _where_of_spans(wanted) if by_span else wanted.where
    times = [] if by_span else wanted.times
    listing = Listing(db, where, times, order, paging, columns, status)
    rarest = wanted.rarest(db, status if order.key == "start" else None)
    few = rarest.source if rarest is not None else None
    if not wanted.matches:
        numbers, whole = listing.numbers(paging.limit + 1, few)
        return listing.found(numbers, complete=whole, matches={})
    texts: Texts
    if by_span:
        texts = OfSpans(db, wanted, paging.late)
    else:
        texts = OfTraces(db, wanted.matches, paging.late)
    if texts.positive and not _is_rare(rarest):
        few = None
    return page(listing, texts, few)


def _wanted_spans(db: sqlite3.Connection, query: Query) -> Wanted:
    wanted = wanted_of(db, query, "s")
    if query.scope == "root":
        wanted.where.append(Sql("s.parent_id IS NULL"))
    return wanted


def _where_of_spans(wanted: Wanted) -> list[Sql]:
    """Return what a trace has of which one span has all that is wanted, but for texts."""
    # What one span has, its trace has, too: that is asked first, for it costs less.
    where = [one.trace for one in wanted.conditions if one.implied and one.trace]
    asked = all_of(wanted.where)
    exists = f"EXISTS (SELECT 1 FROM span s WHERE s.trace_no = t.no AND {asked.text})"
    return [*where, Sql(exists, asked.params)]


def _of_conversations(
    db: sqlite3.Connection, query: Query, order: Sort, paging: Paging, columns: str
) -> Found:
    """Return traces of conversations of which one trace is all that is asked for."""
    wanted = wanted_of(db, query, "t")
    rarest = wanted.rarest(db)
    source = rarest.source if rarest is not None else None
    complete, matches = True, {}
    if wanted.matches:
        texts = OfTraces(db, wanted.matches, paging.late)
        if source is not None and (not texts.positive or _is_rare(rarest)):
            inner = Listing(db, wanted.where, wanted.times, NEWEST, paging._replace(
                limit=INDEX_CANDIDATES_MAX, after=None), "t.no")  # fmt: skip
            found = page(inner, texts, source)
            matches, complete = found.matches, found.complete
            source = listed([row[0] for row in found.rows])
        elif texts.positive:
            reading = texts.between(EVERYWHERE, INDEX_TEXT_HITS_MAX)
            matches, complete = reading.traces, reading.complete
            source = listed(matches)
        else:
            raise InvalidRequest("a search for what lacks a text needs a term that narrows it")
    listing = Listing(db, [], [], order, paging, columns)
    numbers, whole = listing.numbers(paging.limit + 1, _conversations(db, wanted, source))
    return listing.found(numbers, complete=complete and whole, matches=matches)


def _conversations(db: sqlite3.Connection, wanted: Wanted, source: Sql | None) -> Sql:
    asked = all_of((*wanted.where, Sql("t.conversation IS NOT NULL")))
    begin = f"t.no IN ({source.text}) AND " if source is not None else ""
    rows = db.execute(
        f"SELECT DISTINCT t.conversation FROM trace t WHERE {begin}{asked.text}"
        f" LIMIT {INDEX_CANDIDATES_MAX}",
        ((*source.params, *asked.params) if source is not None else asked.params),
    )
    found = ", ".join(str(row[0]) for row in rows) or "0"
    return Sql(f"SELECT trace_no FROM trace_term WHERE term_no IN ({found})")


def spans(db: sqlite3.Connection, query: Query, sort: Sort | None, paging: Paging) -> Found:
    """Return one page of spans; parameters as for ``traces``, the scope ``span`` by default."""
    order = sort or query.sort or Sort("updated", descending=True)
    key = _SPAN_SORTS[order.key]
    if query.scope not in ("trace", "conversation") and key == "s.id" and order.descending:
        wanted = _wanted_spans(db, query)
        texts = OfSpans(db, wanted, paging.late) if wanted.matches else None
        if texts is not None and texts.positive and not _is_rare(wanted.rarest(db)):
            return _newest_with_text(db, wanted, texts, paging)
    table, where, keep, complete = span_source(db, query, paging.late)
    walks = table == _ALL_SPANS and key != "s.id"
    where.extend((Sql(f"{key} IS NOT NULL"), *behind(key, "s.id", order, place_of(paging.after))))
    asked = all_of(where)
    conditions = asked.text
    if walks:
        # Without a name to begin with, the newest that match are put in order.
        newest = INDEX_CANDIDATES_MAX
        table = f"(SELECT * FROM span s WHERE {conditions} ORDER BY s.id DESC LIMIT {newest}) s"
        conditions = "1"
    way = "DESC" if order.descending else "ASC"
    text = (
        f"SELECT {_SPAN_ROW}, {key} FROM {table} WHERE {conditions}"
        f" ORDER BY {key} {way}, s.id {way}"
    )
    asked = Sql(text, asked.params)
    rows, whole = taken(db, asked, paging.limit + 1, keep, paging.late)
    kept, following = page_of(rows, paging, complete=whole)
    complete = complete and whole and not (walks and following)
    return Found([row[:-1] for row in kept], following, complete, {})


def _newest_with_text(
    db: sqlite3.Connection, wanted: Wanted, texts: OfSpans, paging: Paging
) -> Found:
    """Return the newest spans that have a text: no more items than it takes are looked up."""
    place = place_of(paging.after)
    hits = texts.hits(EVERYWHERE if place is None else (0, int(place[1]) - 1))
    asked = all_of(wanted.where)
    text = (
        f"SELECT {_SPAN_ROW}, s.id FROM span s WHERE s.id IN (SELECT value FROM json_each(?)) AND"
        f" {asked.text} ORDER BY s.id DESC LIMIT ?"
    )
    rows: list[tuple[Any, ...]] = []
    for ids in _pieces(row_id for row_id, _ in hits):
        left = paging.limit + 1 - len(rows)
        rows += db.execute(text, (json.dumps(ids), *asked.params, left)).fetchall()
        if len(rows) > paging.limit:
            break
    kept, following = page_of(rows, paging, complete=hits.complete)
    return Found([row[:-1] for row in kept], following, hits.complete, {})


def _pieces(ids: Iterator[int]) -> Iterator[Sequence[int]]:
    while piece := list(islice(ids, _TOGETHER)):
        yield piece


def span_source(db: sqlite3.Connection, query: Query, late: Late) -> Spans:
    """Return where the spans of a query lie.

    Args:
        db: A connection.
        query: Its scope is ``span`` by default.
        late: Tells when texts are looked for no longer.
    """
    if query.scope in ("trace", "conversation"):
        inner = Query(query.terms, query.scope, query.since_ns, query.until_ns)
        found = traces(db, inner, None, Paging(_SPAN_TRACES_MAX, late=late), "t.no")
        source = listed([row[0] for row in found.rows])
        return Spans(_OF_TRACES, [_in("s.trace_no", source)], None, found.next is None)
    wanted = _wanted_spans(db, query)
    rarest = wanted.rarest(db)
    keep = None
    if wanted.matches:
        texts = OfSpans(db, wanted, late)
        if texts.positive and not _is_rare(rarest):
            hits = texts.hits()
            found_ids = listed([row_id for row_id, _ in hits])
            return Spans("span s", [_in("s.id", found_ids), *wanted.where], None, hits.complete)
        keep = texts.holds
    if rarest is not None and rarest.source is not None and rarest.count <= _SPAN_TRACES_MAX:
        where = [_in("s.trace_no", rarest.source), *wanted.where]
        return Spans(_OF_TRACES, where, keep, complete=True)
    return Spans(_ALL_SPANS, wanted.where, keep, complete=True)


def _is_rare(rarest: Condition | None) -> bool:
    """Tell whether each span of so few traces can be asked for texts."""
    return rarest is not None and rarest.count <= FEW


def _in(column: str, source: Sql) -> Sql:
    return Sql(f"{column} IN ({source.text})", source.params)
