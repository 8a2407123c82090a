"""Texts that are asked of traces, or of single spans: how they are looked for."""

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sidespand.index.conditions import Condition
from sidespand.index.hits import EVERYWHERE, Hits, Items, Late, Stretch
from sidespand.index.wanted import Wanted, all_of
from sidespand.limits import INDEX_TEXT_HITS_MAX


class Reading(NamedTuple):
    """What was found among some items.

    Args:
        traces: Of each that matches the newest item that does, so far as that was read.
        items: How many were read.
        complete: Whether all of them were.
    """

    traces: dict[int, int]
    items: int
    complete: bool


class Few(NamedTuple):
    """Traces beside which none matches.

    Args:
        traces: As of Reading.
        match: Whether all of them do; else each is to be asked.
    """

    traces: dict[int, int]
    match: bool


class Texts(Protocol):
    """Texts that are asked of traces."""

    complete: bool
    """Whether each trace that was asked of was looked through."""

    @property
    def positive(self) -> bool:
        """Whether something must be found; else it is only to be lacking."""

    def between(self, stretch: Stretch, limit: int) -> Reading:
        """Return the traces that match by the newest ``limit`` items of a stretch, inclusive."""

    def few(self, limit: int) -> Few | None:
        """Return traces beside which none matches; None when ``limit`` items tell of more."""

    def in_trace(self, number: int) -> int | None:
        """Return the newest item of a trace that matches; 0 when none must; None for no match."""


class OfTraces:
    """Each text is in some item of the trace, or in none where it is to be lacking.

    Args:
        db: A connection.
        matches: The texts.
        late: Tells when time is up.
    """

    def __init__(self, db: sqlite3.Connection, matches: Sequence[Condition], late: Late) -> None:
        self._db = db
        # What must be found goes first: where it is not, nothing else is asked.
        self._matches = sorted(matches, key=lambda one: one.negated)
        self._late = late
        self.positive = not self._matches[0].negated
        self.complete = True

    def between(self, stretch: Stretch, limit: int) -> Reading:
        """As Texts has it."""
        found: dict[int, int] = {}
        count, complete = 0, True
        for index, condition in enumerate(self._matches):
            hits = Hits(self._db, condition.match, limit, stretch, self._late)
            where = hits.traces()
            count, complete = max(count, hits.count), complete and hits.complete
            if condition.negated:
                found = {no: row for no, row in found.items() if no not in where}
            elif index:
                found = {no: max(row, where[no]) for no, row in found.items() if no in where}
            else:
                found = where
            if not found and hits.complete:
                break
        return Reading(found, count, complete)

    def few(self, limit: int) -> Few | None:
        """As Texts has it."""
        for condition in self._matches:
            if not condition.negated:
                hits = Hits(self._db, condition.match, limit, late=self._late)
                traces = hits.traces()
                if hits.complete:
                    return Few(traces, match=len(self._matches) == 1)
        return None

    def in_trace(self, number: int) -> int | None:
        """As Texts has it."""
        asked = "SELECT first_id, last_id FROM trace WHERE no = ?"
        bounds = self._db.execute(asked, (number,)).fetchone()
        newest = 0
        for condition in self._matches:
            hits = Hits(self._db, condition.match, INDEX_TEXT_HITS_MAX, bounds, self._late)
            row = next((row for row, trace_no in hits if trace_no == number), None)
            if row is None and not hits.complete:
                self.complete = False
                return None
            if (row is None) is not condition.negated:
                return None
            newest = max(newest, row or 0)
        return newest


class OfSpans:
    """One span, or log record, has each text, and lacks what is to be lacking.

    Args:
        db: A connection.
        wanted: The texts, and what else the span has.
        late: Tells when time is up.
    """

    def __init__(self, db: sqlite3.Connection, wanted: Wanted, late: Late) -> None:
        self._db = db
        self._late = late
        self._where = all_of(wanted.where)
        positive = [one.match for one in wanted.matches if not one.negated]
        negative = [one.match for one in wanted.matches if one.negated]
        self.positive = bool(positive)
        self.complete = True
        self._match = (
            " NOT ".join([f"({' AND '.join(f'({one})' for one in positive)})",
                          *(f"({one})" for one in negative)])
            if positive
            else " OR ".join(f"({one})" for one in negative)
        )  # fmt: skip
        self._items = Items(db)

    def hits(self, stretch: Stretch = EVERYWHERE) -> Hits:
        """Return the items that match, of a stretch of the log, whatever else they are.

        Where texts are only to be lacking, these are the items that have one.
        """
        return Hits(self._db, self._match, INDEX_TEXT_HITS_MAX, stretch, self._late)

    def holds(self, row_id: int) -> bool:
        """Tell whether an item has and lacks the texts it should."""
        return self._items.match(self._match, row_id) is self.positive

    def between(self, stretch: Stretch, limit: int) -> Reading:
        """As Texts has it."""
        hits = Hits(self._db, self._match, limit, stretch, self._late)
        ids = json.dumps([row_id for row_id, _ in hits])
        rows = self._db.execute(
            "SELECT s.trace_no, max(s.id) FROM span s WHERE s.id IN"
            f" (SELECT value FROM json_each(?)) AND {self._where.text} GROUP BY s.trace_no",
            (ids, *self._where.params),
        )
        return Reading(dict(rows.fetchall()), hits.count, hits.complete)

    def few(self, limit: int) -> Few | None:
        """As Texts has it."""
        reading = self.between(EVERYWHERE, limit)
        return Few(reading.traces, match=True) if reading.complete else None

    def in_trace(self, number: int) -> int | None:
        """As Texts has it."""
        rows = self._db.execute(
            "SELECT s.id FROM span s INDEXED BY span_by_trace WHERE s.trace_no = ? AND"
            f" {self._where.text} ORDER BY s.id DESC",
            (number, *self._where.params),
        )
        for (row_id,) in rows:
            if self._late():
                self.complete = False
                return None
            if self.holds(row_id):
                return int(row_id)
        return None
