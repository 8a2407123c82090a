"""Takes items out of the index: what was trimmed, what was redacted, what grew too old."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sidespand.index import traces
from sidespand.index.parts import Part
from sidespand.index.schema import TRACE_COLUMNS, item_id, position_of
from sidespand.index.texts import Text
from sidespand.index.traces import Trace
from sidespand.index.writer import IndexWriter
from sidespand.model import Gap, Position, Record
from sidespand.ports import Log

# Rows that one transaction of a trim removes: what is live is not held up for long.
_STEP_ITEMS: Final = 4096
_BY_ID: Final = ("event", "link", "state", "edge", "log")
_SPAN_TERMS: Final = (10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)
_UPDATE: Final = f"INSERT OR REPLACE INTO trace VALUES ({', '.join('?' * len(TRACE_COLUMNS))})"


def trim_step(writer: IndexWriter, last_id: int) -> bool:
    """Remove some of the oldest items up to a row number, inclusive; tell whether more are there.

    The caller begins and commits.
    """
    db = writer.db
    ids = [
        row[0]
        for table in ("span", "log")
        for row in db.execute(
            f"SELECT id FROM {table} WHERE id <= ? ORDER BY id LIMIT {_STEP_ITEMS}", (last_id,)
        )
    ]
    if ids:
        upto = sorted(ids)[min(len(ids), _STEP_ITEMS) - 1]
        _remove_items(writer, 0, upto)
        return True
    for part in writer.parts.all():
        if part.last_id <= last_id:
            writer.parts.drop(part)
    return False


def erase(writer: IndexWriter, log: Log, gone: Sequence[Gap]) -> None:
    """Remove items and all that was kept of them; the caller begins, commits and checkpoints.

    Args:
        writer: It forgets what it has in memory.
        log: The journal, which has no content of them any more.
        gone: The redacted records.
    """
    for gap in gone:
        first, last = item_id(gap.ordinal, gap.first), item_id(gap.ordinal, gap.last)
        _remove_items(writer, first, last)
    lineages = dict(writer.db.execute("SELECT ordinal, id FROM lineage").fetchall())
    for part in writer.parts.all():
        if any(
            item_id(gap.ordinal, gap.first) <= part.last_id
            and item_id(gap.ordinal, gap.last) >= part.first_id
            for gap in gone
        ):
            writer.parts.rewrite(part, _texts(writer, log, part, lineages, gone))


def _texts(
    writer: IndexWriter,
    log: Log,
    part: Part,
    lineages: dict[int, bytes],
    gone: Sequence[Gap],
) -> Iterator[list[Text]]:
    # A reader may still hold the file of before: what it says of these is not believed.
    redacted = {(gap.ordinal, gap.first) for gap in gone}
    at: Position | None = position_of(part.first_id - 1, lineages)
    upto = position_of(part.last_id, lineages)
    while entries := log.read(at, upto):
        found = [
            text
            for entry in entries
            if isinstance(entry, Record) and (entry.ordinal, entry.header.first_lsn) not in redacted
            for text in writer.extractor.texts(entry)
            if part.first_id <= text.id <= part.last_id
        ]
        if found:
            yield found
        at = entries[-1].position


def _remove_items(writer: IndexWriter, first: int, last: int) -> None:
    db = writer.db
    between = (first, last)
    rows = db.execute("SELECT * FROM span WHERE id BETWEEN ? AND ?", between).fetchall()
    logs = db.execute("SELECT trace_no, event FROM log WHERE id BETWEEN ? AND ?", between)
    kept_logs = logs.fetchall()
    terms = {row[column] for row in rows for column in _SPAN_TERMS}
    terms |= {event for _, event in kept_logs}
    for table, column in (("event", "name"), ("link", "kind")):
        found = db.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE id BETWEEN ? AND ?", between
        )
        terms |= {row[0] for row in found}
    touched = {row[1] for row in rows} | {row[0] for row in kept_logs}
    for table in ("span", *_BY_ID):
        db.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", between)
    for trace_no in touched:
        for table in ("tool_call", "mark"):
            db.execute(
                f"DELETE FROM {table} WHERE trace_no = ? AND id BETWEEN ? AND ?",
                (trace_no, *between),
            )
        terms |= _sum_up(db, trace_no)
    for term in terms - {None}:
        db.execute("DELETE FROM term WHERE no = ? AND traces <= 0", (term,))
        if db.execute("SELECT changes()").fetchone()[0]:
            db.execute("DELETE FROM resource_attribute WHERE term_no = ?", (term,))
    writer.forget_rows()


def _sum_up(db: sqlite3.Connection, trace_no: int) -> set[Any]:
    """Write a trace's row anew from what is left of it; return the terms that it lost."""
    old = traces.load(
        db.execute(
            f"SELECT {', '.join(TRACE_COLUMNS)} FROM trace WHERE no = ?", (trace_no,)
        ).fetchone()
    )
    trace = Trace(trace_no, old.trace_id)
    for row in db.execute("SELECT * FROM span WHERE trace_no = ? ORDER BY id", (trace_no,)):
        trace.add(row)
    for (row_id,) in db.execute("SELECT id FROM log WHERE trace_no = ?", (trace_no,)):
        trace.touch(row_id)
    if trace.first_id is None:
        left: set[int] = set()
        db.execute("DELETE FROM trace WHERE no = ?", (trace_no,))
        db.execute("DELETE FROM tool_call WHERE trace_no = ?", (trace_no,))
        db.execute("DELETE FROM mark WHERE trace_no = ?", (trace_no,))
    else:
        left = _terms_left(db, trace_no)
        trace.postings = {term: None for term in old.postings if term in left}
        trace.last_id = max(trace.last_id, old.last_id)
        db.execute(_UPDATE, trace.values())
    lost = [term for term in old.postings if term not in left]
    db.executemany(
        "DELETE FROM trace_term WHERE term_no = ? AND trace_no = ?",
        ((term, trace_no) for term in lost),
    )
    db.executemany("UPDATE term SET traces = traces - 1 WHERE no = ?", ((term,) for term in lost))
    return set(lost)


def _terms_left(db: sqlite3.Connection, trace_no: int) -> set[int]:
    """Return the terms that something left of a trace still has; kinds and the like all stay."""
    found: set[int] = set()
    ids = []
    for row in db.execute("SELECT * FROM span WHERE trace_no = ?", (trace_no,)):
        found.update(row[column] for column in _SPAN_TERMS if row[column] is not None)
        ids.append((row[0],))
    for table, column in (("event", "name"), ("link", "kind")):
        for row_id in ids:
            named = db.execute(f"SELECT {column} FROM {table} WHERE id = ?", row_id)
            found.update(row[0] for row in named if row[0] is not None)
    named = db.execute("SELECT event FROM log WHERE trace_no = ?", (trace_no,))
    found.update(row[0] for row in named if row[0] is not None)
    shared = db.execute("SELECT no FROM term WHERE field IN (3, 17)")
    found.update(row[0] for row in shared)
    return found
