"""The tables of texts: each covers a stretch of the log, so that what goes, goes as a whole."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidespand.index.schema import found_table, make_found
from sidespand.index.texts import Text
from sidespand.limits import INDEX_PART_CHARACTERS, INDEX_PART_ITEMS


@dataclass(slots=True)
class Part:
    """One table of texts.

    Args:
        no: Its number; a higher one is newer.
        first_id: Of the first item in it.
        last_id: Of the last one.
        items: How many.
        began_ns: When the first was recorded.
        wall_ns: When the newest was recorded.
    """

    no: int
    first_id: int
    last_id: int
    items: int
    began_ns: int
    wall_ns: int


class Parts:
    """All tables of texts of one database, in the writer.

    Args:
        db: Its connection.
        age_s_max: What lies further apart in the log's time is in different tables.
    """

    def __init__(self, db: sqlite3.Connection, age_s_max: float) -> None:
        self._db = db
        self._age_ns_max = int(age_s_max * 1e9)
        self._characters = 0
        self._newest: Part | None = None
        self.reload()

    def reload(self) -> None:
        """Learn what there is: the transaction was taken back."""
        rows = self._db.execute("SELECT * FROM part ORDER BY no DESC LIMIT 1").fetchall()
        self._newest = Part(*rows[0]) if rows else None
        self._characters = 0

    def is_apart(self, began_ns: int, wall_ns: int) -> bool:
        """Tell whether what was recorded at one time and at another is in different tables."""
        return wall_ns - began_ns > self._age_ns_max

    def add(self, found: Sequence[Text], began_ns: int, wall_ns: int) -> None:
        """Write texts, in log order, newer than all that are there.

        Args:
            found: At least one.
            began_ns: When the first was recorded.
            wall_ns: When the newest was recorded.
        """
        part = self._newest
        full = part is not None and (
            part.items >= INDEX_PART_ITEMS
            or self._characters >= INDEX_PART_CHARACTERS
            or self.is_apart(part.began_ns, wall_ns)
        )
        if part is None or full:
            first_id, no = found[0].id, (part.no if part else 0) + 1
            part = Part(no, first_id, first_id, 0, began_ns, wall_ns)
            make_found(self._db, part.no)
            self._characters = 0
            self._newest = part
        self._write(part.no, found)
        part.last_id = found[-1].id
        part.items += len(found)
        part.wall_ns = max(part.wall_ns, wall_ns)
        self._characters += sum(len(text.content) + len(text.attributes) for text in found)
        self._db.execute(
            "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)",
            (part.no, part.first_id, part.last_id, part.items, part.began_ns, part.wall_ns),
        )

    def all(self) -> list[Part]:
        """Return every part, oldest first."""
        return [Part(*row) for row in self._db.execute("SELECT * FROM part ORDER BY no")]

    def drop(self, part: Part) -> None:
        """Remove a part with all its texts."""
        self._db.execute(f"DROP TABLE {found_table(part.no)}")
        self._db.execute("DELETE FROM part WHERE no = ?", (part.no,))
        if self._newest is not None and self._newest.no == part.no:
            self._newest = None

    def rewrite(self, part: Part, found: Iterable[Sequence[Text]]) -> None:
        """Write a part anew with other texts, given in pieces."""
        self._db.execute(f"DROP TABLE {found_table(part.no)}")
        make_found(self._db, part.no)
        for piece in found:
            self._write(part.no, piece)

    def _write(self, no: int, found: Sequence[Text]) -> None:
        self._db.executemany(
            f"INSERT INTO {found_table(no)} (rowid, name, attributes, content, ids)"
            " VALUES (?, ?, ?, ?, ?)",
            found,
        )
