"""Answers questions from the index: read-only, from any thread, each within a stated time."""

from collections.abc import Callable
from pathlib import Path

from sidespand.errors import InvalidRequest
from sidespand.index import hits, holes, looking, searching, skeleton, sums
from sidespand.index.connections import Connections
from sidespand.index.decoding import SPAN_SQL, TRACE_SQL, lineages, span_rows, trace_rows
from sidespand.index.pages import Paging
from sidespand.index.questions import ask
from sidespand.index.rows import (
    Changes,
    Completion,
    Lag,
    LogPlace,
    Page,
    Place,
    Skeleton,
    SpanRow,
    Stats,
    Strip,
    Table,
    TraceRow,
)
from sidespand.index.schema import OPEN, item_id, position_of
from sidespand.limits import INDEX_QUERY_S, INDEX_ROWS_MAX, INDEX_SKELETON_S
from sidespand.model import Gap, Position
from sidespand.search import Query, Sort, Term, Value


def _live() -> Lag:
    return Lag("live", 0, 0.0)


class IndexReader:
    """Reads an index that may be written at the same time.

    Every question may raise NotFound when there is no index, and Unavailable, which is retryable,
    when the index cannot be read, or its time is up. Of what may be told in part (pages, sums) that
    part is told then, and that it is not complete.

    Args:
        path: Of the database.
        time_s_max: What one question may take.
        lag: Tells how far the index is behind; by default nobody knows of anything newer.
        absent: As of ``Connections``: who makes the index, if anybody.
        mark: Tells how far the index has come, at no cost; by default nobody knows.
    """

    def __init__(
        self,
        path: Path,
        time_s_max: float = INDEX_QUERY_S,
        lag: Callable[[], Lag] = _live,
        absent: Callable[[], None] | None = None,
        mark: Callable[[], object] = lambda: None,
    ) -> None:
        self._connections = Connections(path, time_s_max, absent)
        self._time_s_max = time_s_max
        self._lag = lag
        self._mark = mark

    def traces(
        self, query: Query, sort: Sort | None = None, limit: int = 50, after: str | None = None
    ) -> Page[TraceRow]:
        """Return the traces that match, the newest start first unless an order is given.

        In the order of ``dur``, ``tokens`` or ``cost`` only those that have one are listed.

        Args:
            query: Its scope is ``trace`` unless it names one.
            sort: Goes before the query's own.
            limit: At most so many rows, and INDEX_ROWS_MAX.
            after: ``next`` of the page before, with the same query and order.

        Raises:
            InvalidRequest: ``after`` is no such place, or the query can only be answered by
                looking through everything. Not retryable.
        """
        with self._connections.asked() as db:
            found = searching.traces(db, query, sort, self._paging(limit, after))
            rows = trace_rows(db, found.rows, found.matches)
        return Page(rows, found.next, found.complete)

    def trace_row(self, trace_id: bytes) -> TraceRow | None:
        """Return one trace; None when it is not indexed."""
        with self._connections.asked() as db:
            rows = db.execute(
                f"SELECT {TRACE_SQL} FROM trace t WHERE t.id = ? AND t.span_count > 0",
                (trace_id,),
            ).fetchall()
            return trace_rows(db, rows)[0] if rows else None

    def resolve_trace(self, text: str) -> bytes:
        """Return the trace that ``text`` names: an id, a unique prefix, a span's id, or ``last``.

        Raises:
            NotFound: Nothing answers to it. Not retryable.
            InvalidRequest: It is no id, or several traces answer to it. Not retryable.
        """
        with self._connections.asked() as db:
            return looking.resolve_trace(db, text)

    def skeleton(self, trace_id: bytes) -> Skeleton | None:
        """Return a trace in columns; None when it is not indexed."""
        with self._connections.asked(INDEX_SKELETON_S) as db:
            return skeleton.read(db, trace_id)

    def gaps(self, first: Position, last: Position) -> tuple[Gap, ...]:
        """Return the holes that the log declares between two positions, and right before them."""
        with self._connections.asked() as db:
            return holes.of_stretch(db, first, last)

    def redactions(self, trace_id: bytes | None = None, limit: int = 50) -> tuple[Position, ...]:
        """Return where the log tells of redactions, of one trace or of all, the newest first."""
        with self._connections.asked() as db:
            return holes.redactions(db, trace_id, _bounded(limit))

    def spans(
        self, query: Query, sort: Sort | None = None, limit: int = 50, after: str | None = None
    ) -> Page[SpanRow]:
        """Return the spans that match, the newest recorded first unless an order is given.

        Args:
            query: Its scope is ``span`` unless it names one.
            sort: Goes before the query's own.
            limit: At most so many rows, and INDEX_ROWS_MAX.
            after: ``next`` of the page before, with the same query and order.

        Raises:
            InvalidRequest: As for ``traces``. Not retryable.
        """
        with self._connections.asked() as db:
            found = searching.spans(db, query, sort, self._paging(limit, after))
            return Page(span_rows(db, found.rows), found.next, found.complete)

    def span_place(self, span_id: str, trace_id: bytes | None = None) -> tuple[Place, ...]:
        """Return where the spans lie whose id is, or begins with, hex digits; at most ten.

        Raises:
            InvalidRequest: They are no hex digits, or too few. Not retryable.
        """
        with self._connections.asked() as db:
            return looking.span_place(db, span_id, trace_id)

    def span_places(self, trace_id: bytes) -> tuple[Place, ...]:
        """Return where every span of a trace lies, in log order."""
        with self._connections.asked() as db:
            return looking.span_places(db, trace_id)

    def logs_of(self, trace_id: bytes, span_id: bytes | None = None) -> tuple[LogPlace, ...]:
        """Return the log records of a span, or of a whole trace, in log order."""
        with self._connections.asked() as db:
            return looking.logs_of(db, trace_id, span_id)

    def open_spans(self) -> tuple[SpanRow, ...]:
        """Return the spans that are open, oldest first, at most INDEX_ROWS_MAX."""
        with self._connections.asked() as db:
            rows = db.execute(
                f"SELECT {SPAN_SQL}, t.id FROM span s JOIN trace t ON t.no = s.trace_no"
                f" WHERE s.state = {OPEN} ORDER BY s.start_ns LIMIT {INDEX_ROWS_MAX}"
            ).fetchall()
            return span_rows(db, rows)

    def stats(self, query: Query, by: str) -> Stats:
        """Return sums over the spans that match, by a field.

        Args:
            query: Asked of spans unless it names another scope.
            by: ``model``, ``tool``, ``agent``, ``service``, ``kind``, ``provider``, ``name``,
                ``conversation``, ``user`` or ``prompt.version``.

        Raises:
            InvalidRequest: ``by`` is none of these. Not retryable.
        """
        with self._connections.asked() as db:
            return sums.stats(db, query, by, self._time_s_max)

    def strip(self, query: Query, buckets: int = 60) -> Strip:
        """Return what the matching traces were like over time, in ``buckets`` equal parts.

        Raises:
            InvalidRequest: There cannot be so many. Not retryable.
        """
        with self._connections.asked() as db:
            return sums.strip(db, query, buckets, self._time_s_max)

    def complete(self, field: str, prefix: str = "", limit: int = 20) -> tuple[Completion, ...]:
        """Return values that were seen in a field, the most frequent first.

        Raises:
            InvalidRequest: There is no such field. Not retryable.
        """
        with self._connections.asked() as db:
            return looking.complete(db, field, prefix, _bounded(limit))

    def sql(self, text: str, limit: int = 1000) -> Table:
        """Return the answer to one SELECT over the views that docs/search.md names.

        Raises:
            InvalidRequest: It is no such statement; the message is SQLite's. Not retryable.
        """
        with self._connections.asked() as db:
            return ask(db, text, _bounded(limit))

    def changes(
        self, after: Position | None, limit: int = 200, query: Query | None = None
    ) -> Changes:
        """Return the traces to which something was added after a position.

        Args:
            after: Exclusive; None for the newest position, which changes nothing.
            limit: At most so many traces; more come with the next question.
            query: What they must match; since and until are left out of account.
        """
        with self._connections.asked() as db:
            newest = looking.position(db)
            if after is None or newest is None:
                return Changes((), newest)
            first = item_id(after.ordinal, after.lsn)
            rows = db.execute(
                "SELECT id, last_id FROM trace WHERE last_id > ? ORDER BY last_id LIMIT ?",
                (first, _bounded(limit)),
            ).fetchall()
            whole = len(rows) < _bounded(limit)
            upto = newest if whole else position_of(rows[-1][1], lineages(db))
            gaps = holes.since(db, after, upto)
            if not rows:
                return Changes((), upto, gaps)
            listed = Term("trace", values=tuple(Value(row[0].hex()) for row in rows))
            asked = query or Query()
            found = searching.traces(
                db,
                Query((*asked.terms, listed), asked.scope),
                Sort("updated", descending=False),
                self._paging(len(rows)),
            )
            return Changes(trace_rows(db, found.rows, found.matches), upto, gaps)

    def position(self) -> Position | None:
        """Return how far the index has come; None before its first record."""
        with self._connections.asked() as db:
            return looking.position(db)

    def lag(self) -> Lag:
        """Return how far the index is behind what is durable."""
        return self._lag()

    def _paging(self, limit: int, after: str | None = None) -> Paging:
        # Texts are looked for half the time: the other half is for what they were found in.
        return Paging(_bounded(limit), after, hits.after(self._time_s_max / 2))

    def mark(self) -> object:
        """Return, without asking the index, what differs once it has moved; None if unknown."""
        return self._mark()

    def close(self) -> None:
        """Let go of every file; nothing is asked afterwards."""
        self._connections.close()


def _bounded(limit: int) -> int:
    if limit < 1:
        raise InvalidRequest("limit: expected at least 1")
    return min(limit, INDEX_ROWS_MAX)
