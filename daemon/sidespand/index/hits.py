"""Items in which texts are found, newest first, and the traces that they belong to."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from sidespand.index.schema import found_table
from sidespand.index.values import INTEGER_MAX


@dataclass(slots=True)
class Hits:
    """What was found.

    Args:
        items: Row numbers of items, newest first, with the number of their trace.
        complete: Whether that is all.
    """

    items: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = True

    @property
    def traces(self) -> dict[int, int]:
        """The newest item of each trace, newest first."""
        found: dict[int, int] = {}
        for row_id, trace_no in self.items:
            found.setdefault(trace_no, row_id)
        return found


def find(
    db: sqlite3.Connection, match: str, limit: int, first_id: int = 0, last_id: int = INTEGER_MAX
) -> Hits:
    """Return the newest items whose texts match.

    Args:
        db: A connection.
        match: In FTS5's words.
        limit: At most so many.
        first_id: Lowest row number that counts.
        last_id: Highest one.
    """
    hits = Hits()
    for part in _parts(db, first_id, last_id):
        left = limit + 1 - len(hits.items)
        name = found_table(part)
        # A text whose item has gone, or was recorded anew, belongs to no trace any more.
        rows = db.execute(
            f"SELECT rowid, coalesce((SELECT trace_no FROM span WHERE id = f.rowid),"
            f" (SELECT trace_no FROM log WHERE id = f.rowid)) FROM {name} f WHERE {name} MATCH ?"
            " AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?",
            (match, first_id, last_id, left),
        )
        hits.items.extend(row for row in rows if row[1] is not None)
        if len(hits.items) > limit:
            del hits.items[limit:]
            hits.complete = False
            break
    return hits


def _parts(db: sqlite3.Connection, first_id: int, last_id: int) -> Iterator[int]:
    rows = db.execute(
        "SELECT no FROM part WHERE last_id >= ? AND first_id <= ? ORDER BY no DESC",
        (first_id, last_id),
    ).fetchall()
    return (row[0] for row in rows)
