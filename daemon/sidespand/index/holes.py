"""Where the log cannot be read any more, as it declares it: what was trimmed, lost or redacted."""

import sqlite3
from typing import Any, Final

import msgpack

from sidespand import redaction
from sidespand.index.decoding import lineages
from sidespand.index.schema import item_id, position_of
from sidespand.limits import INDEX_ROWS_MAX
from sidespand.model import Gap, Kind, Position, Record

_TELLING: Final = (Kind.TRIM, Kind.DROP)
_TRIMMED: Final = "trimmed"


def note_gap(db: sqlite3.Connection, gap: Gap, at: Position | None = None) -> None:
    """Remember a hole; the caller begins and commits.

    Args:
        db: Of the index.
        gap: The hole. What was trimmed is the beginning of the log: it is one hole.
        at: Where the log tells of it; None for where it was met.
    """
    last = item_id(gap.ordinal, gap.last)
    first = item_id(gap.ordinal, gap.first)
    at_id = last if at is None else item_id(at.ordinal, at.lsn)
    db.execute("INSERT OR IGNORE INTO lineage VALUES (?, ?)", (gap.ordinal, gap.lineage))
    if gap.reason == _TRIMMED:
        db.execute("DELETE FROM hole WHERE last_id <= ?", (last,))
        db.execute("DELETE FROM redacted_trace WHERE at_id <= ?", (last,))
        first = item_id(gap.ordinal, 1)
    db.execute("INSERT OR IGNORE INTO hole VALUES (?, ?, ?, ?)", (first, last, gap.reason, at_id))


def note_record(db: sqlite3.Connection, record: Record) -> None:
    """Remember what a record tells of holes; most tell of none."""
    kind = record.header.kind
    if kind in _TELLING and record.payload is not None:
        body: dict[str, Any] = msgpack.unpackb(record.payload)
        # A loss that names sinks is theirs; the record of the trim tells what the journal lost.
        if kind is Kind.TRIM or not body.get("sinks"):
            reason = _TRIMMED if kind is Kind.TRIM else str(body.get("reason", "missing"))
            first, last = int(body["first_lsn"]), int(body["last_lsn"])
            gap = Gap(int(body["ordinal"]), bytes(body["lineage"]), first, last, reason)
            note_gap(db, gap, record.position)
    elif kind is Kind.REDACT:
        told = redaction.parse(record)
        at_id = item_id(record.ordinal, record.position.lsn)
        for target in told.targets if told is not None else ():
            note_gap(db, target.gap, record.position)
            db.executemany(
                "INSERT OR IGNORE INTO redacted_trace VALUES (?, ?)",
                ((trace_id, at_id) for trace_id in target.trace_ids),
            )


def trimmed_to(db: sqlite3.Connection) -> int:
    """Return the row number up to which the log has trimmed, inclusive; 0 for nothing."""
    row = db.execute("SELECT max(last_id) FROM hole WHERE reason = ?", (_TRIMMED,)).fetchone()
    return int(row[0] or 0)


def unerased(db: sqlite3.Connection) -> list[Gap]:
    """Return what the log tells of as redacted, and ``note_erased`` not yet as erased."""
    known = lineages(db)
    rows = db.execute(
        "SELECT first_id, last_id, reason FROM hole WHERE reason = ? AND at_id > coalesce("
        "(SELECT value FROM meta WHERE key = 'erased'), 0)",
        (redaction.REASON,),
    )
    return [_gap(first_id, last_id, reason, known) for first_id, last_id, reason in rows]


def note_erased(db: sqlite3.Connection, upto: Position) -> None:
    """Remember that the redactions are done of which the log tells up to a position."""
    upto_id = item_id(upto.ordinal, upto.lsn)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('erased', ?)", (upto_id,))


def of_stretch(db: sqlite3.Connection, first: Position, last: Position) -> tuple[Gap, ...]:
    """Return the holes that touch a stretch of the log, and what was trimmed right before it."""
    known = lineages(db)
    rows = db.execute(
        "SELECT DISTINCT first_id, last_id, reason FROM hole WHERE first_id <= ? AND last_id >= ?"
        f" ORDER BY first_id LIMIT {INDEX_ROWS_MAX}",
        (item_id(last.ordinal, last.lsn), item_id(first.ordinal, first.lsn) - 1),
    )
    return tuple(_gap(first_id, last_id, reason, known) for first_id, last_id, reason in rows)


def since(db: sqlite3.Connection, after: Position, upto: Position) -> tuple[Gap, ...]:
    """Return the holes that the log tells of behind a position, up to another one, inclusive."""
    known = lineages(db)
    rows = db.execute(
        "SELECT first_id, last_id, reason FROM hole WHERE at_id > ? AND at_id <= ?"
        f" ORDER BY at_id LIMIT {INDEX_ROWS_MAX}",
        (item_id(after.ordinal, after.lsn), item_id(upto.ordinal, upto.lsn)),
    )
    return tuple(_gap(first_id, last_id, reason, known) for first_id, last_id, reason in rows)


def redactions(db: sqlite3.Connection, trace_id: bytes | None, limit: int) -> tuple[Position, ...]:
    """Return where the log tells of redactions, newest first.

    Args:
        db: Of the index.
        trace_id: What they took something of; None for whatever they took.
        limit: At most so many.
    """
    known = lineages(db)
    if trace_id is None:
        rows = db.execute(
            "SELECT DISTINCT at_id FROM hole WHERE reason = ? ORDER BY at_id DESC LIMIT ?",
            (redaction.REASON, limit),
        )
    else:
        rows = db.execute(
            "SELECT at_id FROM redacted_trace WHERE trace_id = ? ORDER BY at_id DESC LIMIT ?",
            (trace_id, limit),
        )
    return tuple(position_of(row[0], known) for row in rows)


def _gap(first: int, last: int, reason: str, known: dict[int, bytes]) -> Gap:
    place = position_of(first, known)
    return Gap(place.ordinal, place.lineage, place.lsn, position_of(last, known).lsn, reason)
