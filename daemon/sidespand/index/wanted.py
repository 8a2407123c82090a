"""What a query asks of traces, or of spans: its terms as conditions, and which to begin with."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isqrt
from typing import Final

from sidespand.index.conditions import Condition, Sql, compile_term
from sidespand.limits import INDEX_CANDIDATES_MAX
from sidespand.search import Query

# Traces that are weighed one by one, however few there are in all.
FEW: Final = 200
# Rows of a page, as they are asked for most.
_PAGE: Final = 50


@dataclass(slots=True)
class Wanted:
    """Conditions of a search, by what they are asked of.

    Args:
        conditions: One a term.
        matches: What texts must match.
        where: Further conditions.
        times: Those on the start.
    """

    conditions: list[Condition] = field(default_factory=list)
    matches: list[Condition] = field(default_factory=list)
    where: list[Sql] = field(default_factory=list)
    times: list[Sql] = field(default_factory=list)

    def status(self) -> Condition | None:
        """Return a condition that a small index of STATUS_INDEX lists in the order of start."""
        return next((one for one in self.conditions if one.status), None)

    def rarest(self, db: sqlite3.Connection, walked: Condition | None = None) -> Condition | None:
        """Return the condition that leaves the fewest candidates; None when none leaves few.

        To weigh n candidates costs as much as to walk past four times so many traces: a page of p
        is full after p * traces / n, if they lie evenly.

        Args:
            db: A connection.
            walked: What is walked otherwise has this; it is not chosen. None for all traces.
        """
        known = [one for one in self.conditions if one.source is not None and one is not walked]
        best = min(known, key=lambda one: one.count, default=None)
        if best is None or best.count > INDEX_CANDIDATES_MAX or best.count <= FEW:
            return best if best is not None and best.count <= FEW else None
        newest = db.execute("SELECT coalesce(max(no), 0) FROM trace").fetchone()[0]
        oldest = db.execute("SELECT coalesce(min(no), 0) FROM trace").fetchone()[0]
        past = newest - oldest
        if walked is not None and walked.count <= INDEX_CANDIDATES_MAX:
            past = min(past, walked.count)
        # Each further condition is asked of what is walked past, and leaves fewer that fit.
        few = len(self.conditions) * isqrt(_PAGE * past) // 2
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
        wanted.times.append(Sql(f"{table}.start_ns >= ?", (query.since_ns,)))
    if query.until_ns is not None:
        wanted.times.append(Sql(f"{table}.start_ns < ?", (query.until_ns,)))
    wanted.where.extend(wanted.times)
    return wanted


def all_of(conditions: Iterable[Sql]) -> Sql:
    """Return one condition that is met when all are."""
    parts = [*conditions, Sql("1")]
    return Sql(
        " AND ".join(one.text for one in parts),
        tuple(value for one in parts for value in one.params),
    )
