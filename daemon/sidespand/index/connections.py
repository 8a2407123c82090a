"""Connections that only read: one a thread, each question within a time."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sidespand.errors import InvalidRequest, NotFound, Unavailable
from sidespand.index.schema import SCHEMA_VERSION
from sidespand.limits import INDEX_BIRTH_S, INDEX_BUSY_S, INDEX_GRACE_S, INDEX_READ_CACHE_KIB

# Steps of SQLite's machine between two looks at the clock.
_STEPS: Final = 2000
_PAUSE_S: Final = 0.01
_GONE: Final = "there is no index of this store"
_HINT: Final = "the daemon makes it within moments of its start; `sidespan status` says how it is"


class Connections:
    """Opens the database for each thread, and again when the file was replaced.

    Args:
        path: Of the database.
        time_s_max: What one question may take.
        absent: Told when the file is not there, or not finished; it is waited for then for
            INDEX_BIRTH_S. None where nobody makes it.
    """

    def __init__(
        self, path: Path, time_s_max: float, absent: Callable[[], None] | None = None
    ) -> None:
        self._path = path
        self._time_s_max = time_s_max
        self._absent = absent
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def asked(self, time_s_max: float | None = None) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection for one question; after its time it is interrupted.

        Args:
            time_s_max: Of this question; that of a search by default.

        Raises:
            NotFound: There is no index.
            Unavailable: Time was up, or the index is damaged, or is being made. Retryable.
            InvalidRequest: SQLite did not understand a text to search for.
        """
        db = self._connection()
        deadline = time.monotonic() + (time_s_max or self._time_s_max)
        db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            db.execute("BEGIN")
            yield db
        except sqlite3.OperationalError as error:
            if is_interrupted(error):
                raise Unavailable(
                    "the search took too long", hint="narrow it, with since:1h for example"
                ) from error
            if "fts5" in str(error):
                raise InvalidRequest("that text cannot be searched for") from error
            raise Unavailable(f"the index cannot be read: {error}", hint=_HINT) from error
        except sqlite3.DatabaseError as error:
            raise Unavailable(f"the index cannot be read: {error}", hint=_HINT) from error
        finally:
            db.set_progress_handler(None, 0)
            with contextlib.suppress(sqlite3.Error):
                db.rollback()

    def close(self) -> None:
        """Let go of every file; nothing may be asked at the time."""
        with self._lock:
            for db in self._all:
                db.close()
            self._all.clear()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        deadline = time.monotonic() + INDEX_BIRTH_S
        while True:
            try:
                return self._current()
            except (NotFound, Unavailable):
                if self._absent is None or time.monotonic() > deadline:
                    raise
                self._absent()
                time.sleep(_PAUSE_S)

    def _current(self) -> sqlite3.Connection:
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            raise NotFound(_GONE, hint=_HINT) from None
        except OSError as error:
            raise Unavailable(f"the index cannot be read: {error.strerror}") from error
        mark = (facts.st_dev, facts.st_ino)
        known: sqlite3.Connection | None = getattr(self._local, "db", None)
        if known is not None and self._local.mark == mark:
            return known
        if known is not None:
            with self._lock:
                self._all.remove(known)
            known.close()
            self._local.db = None
        db = self._open()
        self._local.db, self._local.mark = db, mark
        with self._lock:
            self._all.append(db)
        return db

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=INDEX_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                db.execute("PRAGMA query_only = 1")
                db.execute(f"PRAGMA cache_size = -{INDEX_READ_CACHE_KIB}")
                db.execute("PRAGMA temp_store = MEMORY")
                row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
            except sqlite3.Error:
                db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise Unavailable(f"the index cannot be read: {error}", hint=_HINT) from error
        if row is None or row[0] != SCHEMA_VERSION:
            db.close()
            raise Unavailable("the index is of another version, or is being made", hint=_HINT)
        return db


def is_interrupted(error: sqlite3.OperationalError) -> bool:
    """Tell whether a statement was broken off because its time was up."""
    # What the module itself raises, such as for text that is none, has no code.
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def grant_time(db: sqlite3.Connection) -> None:
    """Give a question whose time was up a little more, to bring what it has found."""
    deadline = time.monotonic() + INDEX_GRACE_S
    db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
