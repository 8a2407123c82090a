"""Traces in an order, page by page."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sidespand.errors import InvalidRequest
from sidespand.index.conditions import STATUS_INDEX, Condition, Sql
from sidespand.index.connections import grant_time, is_interrupted
from sidespand.index.hits import Late, Stretch, never
from sidespand.index.values import INTEGER_MAX
from sidespand.index.wanted import all_of
from sidespand.limits import INDEX_CANDIDATES_MAX
from sidespand.search import Sort

_SORTS: Final = {
    "start": ("t.start_ns", "trace_by_start", ""),
    "dur": ("t.duration_ns", "trace_by_dur", ""),
    "tokens": ("t.tokens_in + t.tokens_out", "trace_by_tokens", "t.tokens_in + t.tokens_out > 0"),
    "cost": ("t.cost_usd", "trace_by_cost", "t.cost_usd IS NOT NULL"),
    "spans": ("t.span_count", "trace_by_spans", ""),
    "errors": ("t.error_count", "trace_by_errors", ""),
    "updated": ("t.last_id", "trace_by_updated", ""),
}
_WALKED: Final = "trace t INDEXED BY trace_by_start"
# What a row is in order by, and its number.
Place = tuple[int | float, int]
NEWEST: Final = Sort("start", descending=True)


class Paging(NamedTuple):
    """Which page.

    Args:
        limit: Rows of it.
        after: ``next`` of the one before; None for the first.
        late: Tells when texts are looked for no longer.
    """

    limit: int
    after: str | None = None
    late: Late = never


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


class Window(NamedTuple):
    """Traces that follow one another in the order of start.

    Args:
        where: They, and no others, are between.
        items: The oldest item of them, and the newest.
        edge: Start and number of the last trace; None when none is behind it.
    """

    where: tuple[Sql, ...]
    items: Stretch
    edge: Place | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of traces.

    Args:
        db: A connection.
        where: What they have.
        times: Of these, what is said of the start.
        sort: Their order.
        paging: Which page.
        columns: Of the rows; the first is the trace's number.
        status: A condition among ``where`` that a small index lists; None without.
    """

    db: sqlite3.Connection
    where: Sequence[Sql]
    times: Sequence[Sql]
    sort: Sort
    paging: Paging
    columns: str
    status: Condition | None = None

    def numbers(
        self,
        limit: int,
        source: Sql | None = None,
        further: Iterable[Sql] = (),
        keep: Callable[[int], bool] | None = None,
    ) -> tuple[list[tuple[int, Any]], bool]:
        """Return numbers of traces in order, from where the page begins, with what orders them.

        Args:
            limit: At most so many.
            source: Numbers among which they are: few, which are weighed. None for all, of which an
                index is walked.
            further: Conditions beside the list's own.
            keep: Tells which count; it is asked of no more than it takes, and of
                INDEX_CANDIDATES_MAX at most.

        Returns:
            Them, and whether there are no others, so far as there were not enough.
        """
        asked = self._ordered(source, further)
        return taken(self.db, asked, limit, keep, self.paging.late)

    def _ordered(self, source: Sql | None, further: Iterable[Sql]) -> Sql:
        key, index, extra = _SORTS[self.sort.key]
        where = [*self.where, *further, Sql(f"{key} IS NOT NULL")]
        if source is not None:
            # By their numbers, and by no index: the order is made of few.
            table = "trace t NOT INDEXED"
            where.insert(0, Sql(f"t.no IN ({source.text})", source.params))
        else:
            if self.status is not None and self.sort.key == "start":
                index = STATUS_INDEX[self.status.status]
            table = f"trace t INDEXED BY {index}"
        if self.status is None:
            # Whoever has a status has a span; a trace's row is not read for it.
            where.append(Sql("t.span_count > 0"))
        if extra:
            where.append(Sql(extra))
        where.extend(behind(key, "t.no", self.sort, place_of(self.paging.after)))
        asked = all_of(where)
        way = "DESC" if self.sort.descending else "ASC"
        return Sql(
            f"SELECT t.no, {key} FROM {table} WHERE {asked.text} ORDER BY {key} {way}, t.no {way}",
            asked.params,
        )

    def behind(self, edge: Place) -> list[Sql]:
        """Return the condition of what comes behind a place in the order of start."""
        return behind("t.start_ns", "t.no", self.sort, edge)

    def window(self, edge: Place | None, count: int) -> Window | None:
        """Return the ``count`` traces behind a place in the order of start; None without any."""
        place = edge if edge is not None else place_of(self.paging.after)
        further = behind("t.start_ns", "t.no", self.sort, place)
        asked = all_of((*self.times, *further, Sql("t.span_count > 0")))
        way = "DESC" if self.sort.descending else "ASC"
        ordered = f"ORDER BY t.start_ns {way}, t.no {way} LIMIT"
        found, first_id, last_id = self.db.execute(
            "SELECT count(*), min(first_id), max(last_id) FROM (SELECT t.first_id, t.last_id FROM"
            f" {_WALKED} WHERE {asked.text} {ordered} {count})",
            asked.params,
        ).fetchone()
        if not found:
            return None
        if found < count:
            return Window(tuple(further), (first_id, last_id), None)
        last = self.db.execute(
            f"SELECT t.start_ns, t.no FROM {_WALKED} WHERE {asked.text} {ordered} 1 OFFSET ?",
            (*asked.params, count - 1),
        ).fetchone()
        sign = ">=" if self.sort.descending else "<="
        upto = Sql(f"(t.start_ns, t.no) {sign} (?, ?)", last)
        return Window((*further, upto), (first_id, last_id), last)

    def found(
        self, numbers: Sequence[tuple[int, Any]], *, complete: bool, matches: dict[int, int]
    ) -> Found:
        """Return the page that numbers of traces make, of which one may be more than its limit."""
        kept, following = page_of(numbers, self.paging, complete=complete)
        listed = json.dumps([number for number, _ in kept])
        rows = {
            row[0]: row
            for row in self.db.execute(
                f"SELECT {self.columns} FROM json_each(?) CROSS JOIN trace t ON t.no = value",
                (listed,),
            )
        }
        return Found([rows[number] for number, _ in kept], following, complete, matches)


def taken(
    db: sqlite3.Connection, asked: Sql, limit: int, keep: Callable[[int], bool] | None, late: Late
) -> tuple[list[Any], bool]:
    """Return rows of a question as long as there is time, and whether there are no others.

    Args:
        db: A connection.
        asked: The question; the first column is a number.
        limit: At most so many are returned; of what follows nothing is said.
        keep: Tells by the number which count; it is asked of no more than it takes, and of
            INDEX_CANDIDATES_MAX at most. None for all.
        late: Tells when it is asked no longer.
    """
    upto = limit if keep is None else INDEX_CANDIDATES_MAX
    found: list[Any] = []
    try:
        for seen, row in enumerate(db.execute(f"{asked.text} LIMIT {upto}", asked.params), 1):
            if keep is not None and late():
                return found, False
            if keep is None or keep(row[0]):
                found.append(row)
            if len(found) == limit:
                break
            if seen == upto:
                return found, False
    except sqlite3.OperationalError as error:
        if not is_interrupted(error):
            raise
        # What was found before time is up is an answer.
        grant_time(db)
        return found, False
    return found, True


def place_of(after: str | None) -> Place | None:
    """Return the value and the number that ``next`` of a page names.

    Raises:
        InvalidRequest: It names none. Not retryable.
    """
    if after is None:
        return None
    try:
        value, at = json.loads(after)
        if not isinstance(value, int | float) or not isinstance(at, int):
            raise TypeError
        # What is not a number is not within bounds either.
        if not (abs(value) <= INTEGER_MAX and abs(at) <= INTEGER_MAX):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest("after: is no `next` of a page") from None
    return value, at


def behind(key: str, number: str, sort: Sort, place: Place | None) -> list[Sql]:
    """Return the condition of what comes behind a place in an order; none without a place."""
    sign = "<" if sort.descending else ">"
    return [] if place is None else [Sql(f"({key}, {number}) {sign} (?, ?)", place)]


def page_of(
    rows: Sequence[Any], paging: Paging, *, complete: bool
) -> tuple[Sequence[Any], str | None]:
    """Return rows without what is beyond the page, and its ``next``.

    Args:
        rows: The first is the number of each, the last what it is in order by.
        paging: Which page.
        complete: Whether there are no more than these.
    """
    more = len(rows) > paging.limit or not complete
    kept = rows[: paging.limit]
    return kept, json.dumps([kept[-1][-1], kept[-1][0]]) if more and kept else None
