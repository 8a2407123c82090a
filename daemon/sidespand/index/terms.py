"""Names as numbers: each value of a field once."""

import sqlite3
from collections import Counter, OrderedDict
from typing import Final

from sidespand.index.schema import TERM_FIELDS
from sidespand.index.texts import storable
from sidespand.limits import AI_TEXT_CHARACTERS_MAX, INDEX_TERMS_CACHED_MAX

_FIELDS: Final = TERM_FIELDS


class Terms:
    """The terms of one database, in the writer.

    Args:
        db: Its connection, in a transaction whenever ``number`` is called.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._traces: Counter[int] = Counter()

    def number(self, field: str, value: str) -> int | None:
        """Return the number of a value, which gets one now if it has none; None for no text."""
        if not value:
            return None
        key = (_FIELDS[field], value[:AI_TEXT_CHARACTERS_MAX])
        number = self._numbers.get(key)
        return number if number is not None else self._find(key)

    def count(self, traces: Counter[int]) -> None:
        """Note how many more traces have each term."""
        self._traces.update(traces)

    def flush(self) -> None:
        """Write what was counted."""
        self._db.executemany(
            "UPDATE term SET traces = traces + ?2 WHERE no = ?1", self._traces.items()
        )
        self._traces.clear()

    def forget(self) -> None:
        """Let go of all that is in memory: the transaction was taken back, or terms removed."""
        self._numbers.clear()
        self._traces.clear()

    def _find(self, key: tuple[int, str]) -> int:
        stored = (key[0], storable(key[1]))
        row = self._db.execute("SELECT no FROM term WHERE field = ? AND value = ?", stored)
        found = row.fetchone()
        if found is None:
            number = self._db.execute("INSERT INTO term (field, value) VALUES (?, ?)", stored)
            found = (number.lastrowid,)
        if len(self._numbers) >= INDEX_TERMS_CACHED_MAX:
            self._numbers.popitem(last=False)
        self._numbers[key] = found[0]
        return int(found[0])
