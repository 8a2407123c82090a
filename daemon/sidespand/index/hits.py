"""Items in which a text is found, newest first, and the traces that they belong to."""

import sqlite3
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from sidespand.index.connections import grant_time, is_interrupted
from sidespand.index.schema import found_table
from sidespand.index.values import INTEGER_MAX

# Whether the time for looking is up.
Late = Callable[[], bool]
# Row numbers from the first to the last, inclusive.
Stretch = tuple[int, int]
EVERYWHERE: Final = (0, INTEGER_MAX)


def after(time_s: float) -> Late:
    """Return what tells that a time, from now on, is up."""
    deadline = time.monotonic() + time_s
    return lambda: time.monotonic() >= deadline


def never() -> bool:
    """Tell that there is time."""
    return False


class Hits:
    """Items whose texts match, newest first, read as far as somebody asks.

    Args:
        db: A connection.
        match: In FTS5's words.
        limit: At most so many are read.
        between: Lowest and highest row number that count.
        late: Asked before each table of texts and each item.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        match: str,
        limit: int,
        between: Stretch = EVERYWHERE,
        late: Late = never,
    ) -> None:
        self._db = db
        self._late = late
        self._limit = limit
        self._asked = (match, *between)
        self.complete = True
        """Whether nothing was left out of what was read."""
        self.count = 0
        """How many items were read."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the row number of each item and the number of its trace."""
        try:
            for row_id, trace_no in self._found():
                if self.count == self._limit or self._late():
                    self.complete = False
                    return
                self.count += 1
                # A text whose item has gone, or was recorded anew, belongs to no trace any more.
                if trace_no is not None:
                    yield row_id, trace_no
        except sqlite3.OperationalError as error:
            if not is_interrupted(error):
                raise
            self.complete = False
            grant_time(self._db)

    def traces(self) -> dict[int, int]:
        """Return the newest item of each trace, newest first."""
        found: dict[int, int] = {}
        for row_id, trace_no in self:
            found.setdefault(trace_no, row_id)
        return found

    def _found(self) -> Iterator[tuple[int, int | None]]:
        _, first_id, last_id = self._asked
        parts = self._db.execute(
            "SELECT no FROM part WHERE last_id >= ? AND first_id <= ? ORDER BY no DESC",
            (first_id, last_id),
        ).fetchall()
        for (part,) in parts:
            if self._late():
                self.complete = False
                return
            name = found_table(part)
            yield from self._db.execute(
                f"SELECT rowid, coalesce((SELECT trace_no FROM span WHERE id = f.rowid),"
                f" (SELECT trace_no FROM log WHERE id = f.rowid)) FROM {name} f"
                f" WHERE {name} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC",
                self._asked,
            )


class Items:
    """Tells of single items whether a text is in them.

    Args:
        db: A connection.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._parts = db.execute("SELECT first_id, no FROM part ORDER BY no").fetchall()

    def match(self, match: str, row_id: int) -> bool:
        """Tell whether the texts of an item match."""
        at = bisect_right(self._parts, row_id, key=lambda part: part[0]) - 1
        if at < 0:
            return False
        name = found_table(self._parts[at][1])
        asked = f"SELECT 1 FROM {name} WHERE {name} MATCH ? AND rowid = ?"
        return self._db.execute(asked, (match, row_id)).fetchone() is not None
