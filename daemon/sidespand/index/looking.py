"""Looks up single things: ids, places in the journal, values of a field."""

import re
import sqlite3
from typing import Final

from sidespand.errors import InvalidRequest, NotFound
from sidespand.index.decoding import Names, lineages
from sidespand.index.hits import Hits
from sidespand.index.rows import Completion, LogPlace, Place
from sidespand.index.schema import ENDED, TERM_FIELDS, position_of
from sidespand.index.texts import storable
from sidespand.index.values import signed, span_id_bytes
from sidespand.limits import (
    ID_CANDIDATES_MAX,
    ID_PREFIX_CHARACTERS_MIN,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    TRACE_SPANS_INDEXED_MAX,
)
from sidespand.model import Position
from sidespand.search_fields import FIELDS, HAS, KEYED, SCOPES, SORTS, STATES, STATUSES

_HEX: Final = re.compile(r"[0-9a-f]+")
_SPAN_DIGITS: Final = 2 * SPAN_ID_BYTES
_TRACE_DIGITS: Final = 2 * TRACE_ID_BYTES
_PLACE: Final = "s.trace_no, s.span_id, s.id, s.state, s.abandoned_id, t.id"
# Values of a field that are put in order by how often they were seen.
_VALUES_MAX: Final = 5000
_CHOICES: Final = {
    "status": STATUSES, "is": STATES, "scope": SCOPES, "sort": SORTS, "has": HAS,
}  # fmt: skip


def position(db: sqlite3.Connection) -> Position | None:
    """Return how far the index has come; None before its first record."""
    row = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
    if row is None:
        return None
    ordinal, lineage, lsn = row[0].split(":")
    return Position(int(ordinal), bytes.fromhex(lineage), int(lsn))


def resolve_trace(db: sqlite3.Connection, text: str) -> bytes:
    """Return the trace that ``text`` names; ``IndexReader.resolve_trace`` has the contract."""
    if text == "last":
        row = db.execute(
            "SELECT id FROM trace INDEXED BY trace_by_updated WHERE span_count > 0"
            " ORDER BY last_id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            raise NotFound("no trace is recorded", hint="`sidespan demo` records some")
        return bytes(row[0])
    digits = _digits(text, _TRACE_DIGITS)
    low, high = (bytes.fromhex(digits.ljust(_TRACE_DIGITS, end)) for end in "0f")
    rows = db.execute(
        "SELECT id FROM trace WHERE id BETWEEN ? AND ? AND span_count > 0 LIMIT ?",
        (low, high, ID_CANDIDATES_MAX + 1),
    ).fetchall()
    found = [bytes(row[0]) for row in rows]
    if len(digits) <= _SPAN_DIGITS and (not found or len(digits) == _SPAN_DIGITS):
        # A span's whole id is meant even if a trace's happens to begin with it.
        named = {place.trace_id: None for place in span_place(db, digits, None)}
        found = list(named) or found
    if not found:
        # Nothing of it is left, but the log tells of that.
        rows = db.execute(
            "SELECT DISTINCT trace_id FROM redacted_trace WHERE trace_id BETWEEN ? AND ? LIMIT ?",
            (low, high, ID_CANDIDATES_MAX + 1),
        ).fetchall()
        found = [bytes(row[0]) for row in rows]
    if not found:
        raise NotFound(
            f"nothing recorded has the id {digits}", hint="`sidespan ls` lists the newest traces"
        )
    if len(found) > 1:
        shown = [f"  trace {one.hex()}" for one in found[:ID_CANDIDATES_MAX]]
        raise InvalidRequest(
            "\n".join([f"{digits} is ambiguous:", *shown]), hint="give more digits of it"
        )
    return found[0]


def span_place(db: sqlite3.Connection, text: str, trace_id: bytes | None) -> tuple[Place, ...]:
    """Return where spans of an id or prefix lie; ``IndexReader.span_place`` has the contract."""
    digits = _digits(text, _SPAN_DIGITS)
    low, high = (signed(bytes.fromhex(digits.ljust(_SPAN_DIGITS, end))) for end in "0f")
    asked = f"SELECT {_PLACE} FROM span s JOIN trace t ON t.no = s.trace_no WHERE "
    if trace_id is not None:
        rows = db.execute(
            f"{asked} t.id = ? AND s.span_id BETWEEN ? AND ? LIMIT ?",
            (trace_id, low, high, ID_CANDIDATES_MAX),
        ).fetchall()
        return _places(db, rows)
    found = Hits(db, f'ids : "{digits}" *', 4 * ID_CANDIDATES_MAX)
    rows = []
    for trace_no in found.traces():
        rows += db.execute(
            f"{asked} s.trace_no = ? AND s.span_id BETWEEN ? AND ? LIMIT ?",
            (trace_no, low, high, ID_CANDIDATES_MAX),
        ).fetchall()
    return _places(db, rows[:ID_CANDIDATES_MAX])


def span_places(db: sqlite3.Connection, trace_id: bytes) -> tuple[Place, ...]:
    """Return where every span of a trace lies, in log order."""
    rows = db.execute(
        f"SELECT {_PLACE} FROM trace t JOIN span s ON s.trace_no = t.no WHERE t.id = ?"
        " ORDER BY s.id LIMIT ?",
        (trace_id, TRACE_SPANS_INDEXED_MAX),
    ).fetchall()
    return _places(db, rows)


def _places(
    db: sqlite3.Connection, rows: list[tuple[int, int, int, int, int | None, bytes]]
) -> tuple[Place, ...]:
    known = lineages(db)
    found = []
    for trace_no, span_id, row_id, state, abandoned_id, trace_id in rows:
        ended = state in (ENDED, 3)
        marks: list[tuple[int]] = []
        if not ended:
            marks = db.execute(
                "SELECT id FROM mark WHERE trace_no = ? AND span_id = ? ORDER BY id",
                (trace_no, span_id),
            ).fetchall()
        found.append(
            Place(
                trace_id,
                span_id_bytes(span_id),
                position_of(row_id, known) if ended else None,
                tuple(position_of(mark[0], known) for mark in marks),
                None if abandoned_id is None else position_of(abandoned_id, known),
            )
        )
    return tuple(found)


def logs_of(db: sqlite3.Connection, trace_id: bytes, span_id: bytes | None) -> tuple[LogPlace, ...]:
    """Return the log records of a span, or of a whole trace, in log order."""
    one = " AND l.span_id = ?" if span_id is not None else ""
    rows = db.execute(
        "SELECT l.id, l.span_id, l.time_ns, l.severity, l.event FROM trace t"
        f" JOIN log l ON l.trace_no = t.no WHERE t.id = ?{one} ORDER BY l.id LIMIT ?",
        (trace_id, *([signed(span_id)] if span_id is not None else []), TRACE_SPANS_INDEXED_MAX),
    ).fetchall()
    names = Names(db, (row[4] for row in rows))
    known = lineages(db)
    return tuple(
        LogPlace(
            position_of(row_id, known),
            b"" if span is None else span_id_bytes(span),
            time_ns,
            severity,
            names.of(event),
        )
        for row_id, span, time_ns, severity, event in rows
    )


def complete(db: sqlite3.Connection, field: str, prefix: str, limit: int) -> tuple[Completion, ...]:
    """Return values that were seen in a field, the most frequent first.

    Raises:
        InvalidRequest: There is no such field.
    """
    name, _, key = field.partition(".") if field.startswith("resource.") else (field, "", "")
    if name == "resource" and key:
        rows = db.execute(
            "SELECT a.value, sum(t.traces) FROM resource_attribute a JOIN term t"
            " ON t.no = a.term_no WHERE a.key = ? AND a.value GLOB ? GROUP BY a.value"
            " ORDER BY 2 DESC LIMIT ?", (key, _begins(prefix), limit),
        )  # fmt: skip
        return tuple(Completion(*row) for row in rows)
    if field in _CHOICES:
        seen = _counted(db, "has", "", len(HAS)) if field == "has" else []
        known = {one.value: one.count for one in seen}
        words = [word for word in _CHOICES[field] if word.startswith(prefix)]
        return tuple(Completion(word, known.get(word, 0)) for word in words[:limit])
    if field in TERM_FIELDS and field not in KEYED:
        return tuple(_counted(db, field, prefix, limit))
    if field in {one.name for one in FIELDS} or field.startswith(tuple(f"{one}." for one in KEYED)):
        return ()
    raise InvalidRequest(f"field: there is no field {field[:32]!r}")


def _counted(db: sqlite3.Connection, field: str, prefix: str, limit: int) -> list[Completion]:
    rows = db.execute(
        "SELECT value, traces FROM (SELECT value, traces FROM term WHERE field = ? AND"
        f" value GLOB ? AND traces > 0 LIMIT {_VALUES_MAX}) ORDER BY traces DESC, value LIMIT ?",
        (TERM_FIELDS[field], _begins(prefix), limit),
    )
    return [Completion(*row) for row in rows]


def _begins(prefix: str) -> str:
    return storable(prefix).replace("[", "[[]").replace("?", "[?]").replace("*", "[*]") + "*"


def _digits(text: str, characters_max: int) -> str:
    digits = text.lower()
    if not _HEX.fullmatch(digits) or not ID_PREFIX_CHARACTERS_MIN <= len(digits) <= characters_max:
        raise InvalidRequest(
            f"not an id: {text[:64]!r}",
            hint=f"name it by {ID_PREFIX_CHARACTERS_MIN} to {characters_max} hex digits",
        )
    return digits
