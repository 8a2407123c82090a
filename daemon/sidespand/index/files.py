"""The file of an index: opened as it should be, or begun anew. It can be removed at any time."""

import contextlib
import json
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sidespand.ai import NORMALISER_VERSION
from sidespand.index.schema import FILE_NAME, SCHEMA_VERSION, create, open_writer

_log = logging.getLogger(__name__)
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def index_path(data_dir: Path) -> Path:
    """Return where the index of a store lies."""
    return data_dir / "index" / FILE_NAME


def facts_of(
    store_id: str, attributes: Mapping[str, tuple[str, ...]], secrets: str = ""
) -> dict[str, object]:
    """Return what an index must have been made with: another one is begun anew.

    Args:
        store_id: Of the store that it is of.
        attributes: The configured keys of a house.
        secrets: A fingerprint of those that are not in it; empty without any.
    """
    mapped = json.dumps({name: list(keys) for name, keys in attributes.items()}, sort_keys=True)
    return {
        "store": store_id,
        "normaliser": NORMALISER_VERSION,
        "attributes": mapped,
        "list of secrets": secrets,
    }


def open_or_begin(path: Path, facts: Mapping[str, object]) -> sqlite3.Connection:
    """Open the index to write it; what is damaged, or was made otherwise, is removed, and logged.

    Raises:
        sqlite3.OperationalError: Another process writes it, or there is no room.
        OSError: Its directory cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        db = None
        try:
            db = open_writer(path)
            reason = _stale(db, facts)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                if db is not None:
                    db.close()
                raise
            reason = f"it is damaged: {error}"
        if db is not None and not reason:
            return db
        if db is not None:
            db.close()
        _log.warning("the index is built anew: %s", reason)
        remove(path)
    db = open_writer(path)
    path.chmod(0o600)
    create(db, facts)
    return db


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file lies there now; None for none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino


def remove(path: Path) -> None:
    """Remove an index; whoever still reads it reads on."""
    for suffix in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error says that the file is not what was written."""
    return not isinstance(error, sqlite3.OperationalError) or _is_damage(error)


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # A table that is missing shows as an error of the statement.
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _stale(db: sqlite3.Connection, facts: Mapping[str, object]) -> str:
    known = dict(db.execute("SELECT key, value FROM meta").fetchall())
    if known.get("schema") != SCHEMA_VERSION:
        return "another version made it"
    for name, value in facts.items():
        if known.get(name) != value:
            return f"it was made with another {name}"
    check = db.execute("PRAGMA quick_check(1)").fetchone() if _is_small(db) else ("ok",)
    return "" if check[0] == "ok" else f"it is damaged: {check[0]}"


def _is_small(db: sqlite3.Connection) -> bool:
    # A check reads all of it: what is large shows its damage where it is read.
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    return bool(pages < 4096)  # noqa: PLR2004 - 32 MiB.
