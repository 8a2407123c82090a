"""One SELECT of a person's own, over views of the index; it can read these and nothing else."""

import re
import sqlite3
from collections.abc import Callable, Collection
from typing import Final

from sidespand.errors import InvalidRequest
from sidespand.index.connections import is_interrupted
from sidespand.index.rows import Table
from sidespand.limits import SQL_BYTES_MAX, SQL_VALUE_BYTES_MAX

_ALLOWED: Final = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
# Whose names docs/search.md has; ``schema`` makes them.
VIEWS: Final = frozenset(("traces", "spans", "events", "links", "logs", "states"))
# Functions that reach beyond the database, or make much of little.
_FORBIDDEN: Final = frozenset(
    ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob")
)
# One call goes through up to two thousand million characters, and no clock stops it meanwhile: the
# views alone may, and no statement that could give its own part of a name of theirs.
_ENDLESS: Final = frozenset(("printf", "format"))
_DISGUISED: Final = re.compile(r"\bwith\b.*\b(?:printf|format)\b", re.IGNORECASE | re.DOTALL)
_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def ask(db: sqlite3.Connection, text: str, limit: int) -> Table:
    """Return the answer to one SELECT; ``IndexReader.sql`` has the contract.

    Raises:
        InvalidRequest: It is no SELECT, names what there is not, or does more than read.
    """
    if len(text.encode("utf-8", "replace")) > SQL_BYTES_MAX:
        raise InvalidRequest(f"sql: at most {SQL_BYTES_MAX} bytes")
    length = db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SQL_VALUE_BYTES_MAX)
    db.set_authorizer(_authorizer(frozenset() if _DISGUISED.search(text) else VIEWS))
    rows: list[tuple[object, ...]] = []
    columns: tuple[str, ...] = ()
    truncated = False
    try:
        cursor = db.execute(text)
        columns = tuple(column[0] for column in cursor.description or ())
        for row in cursor:
            if len(rows) == limit:
                truncated = True
                break
            rows.append(row)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        interrupted = isinstance(error, sqlite3.OperationalError) and is_interrupted(error)
        if interrupted and rows:
            truncated = True
        elif interrupted:
            raise
        else:
            raise InvalidRequest(f"sql: {error}", hint="docs/search.md lists the views") from error
    finally:
        db.set_authorizer(None)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
    if not columns:
        raise InvalidRequest("sql: expected a SELECT", hint="docs/search.md lists the views")
    return Table(columns, tuple(rows), truncated)


def _authorizer(trusted: Collection[str]) -> _Authorizer:
    def authorize(
        action: int, _first: str | None, second: str | None, _third: str | None, source: str | None
    ) -> int:
        name = (second or "").lower()
        if action == sqlite3.SQLITE_FUNCTION and (
            name in _FORBIDDEN or (name in _ENDLESS and source not in trusted)
        ):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    return authorize
