"""Names as numbers: each value of a field once."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
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
        self._numbers: dict[str, dict[str, int]] = {field: {} for field in _FIELDS}
        self._traces: Counter[int] = Counter()

    def number(self, field: str, value: str) -> int | None:
        """Return the number of a value, which gets one now if it has none; None for no text."""
        if not value:
            return None
        number = self._numbers[field].get(value)
        return number if number is not None else self._find(field, value[:AI_TEXT_CHARACTERS_MAX])

    def count(self, traces: Mapping[int, int]) -> None:
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
        for known in self._numbers.values():
            known.clear()
        self._traces.clear()

    def _find(self, field: str, value: str) -> int:
        known = self._numbers[field]
        if value in known:
            return known[value]
        stored = (_FIELDS[field], storable(value))
        row = self._db.execute("SELECT no FROM term WHERE field = ? AND value = ?", stored)
        found = row.fetchone()
        if found is None:
            number = self._db.execute("INSERT INTO term (field, value) VALUES (?, ?)", stored)
            found = (number.lastrowid,)
        if len(known) >= INDEX_TERMS_CACHED_MAX:
            # The common ones are back at once; to tell them from the others costs each look-up.
            known.clear()
        known[value] = found[0]
        return int(found[0])
