"""The tables of the index, and how its file is opened.

An item's row has the number ``ordinal << 48 | lsn``: rows lie in log order, and a row number is a
position. Names and the like are numbers of ``term``; ``trace_term`` lists the traces that have one.
Texts are in ``found_<n>`` tables of bounded size, without a copy of what they index.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sidespand.limits import INDEX_BUSY_S, INDEX_CACHE_KIB
from sidespand.model import Position
from sidespand.search_fields import AI_KINDS, HAS, SPAN_KINDS

# Raised with every change of what is below: an index of another number is built anew.
SCHEMA_VERSION: Final = 4
FILE_NAME: Final = "index.sqlite"
_LSN_BITS: Final = 48
LSN_MAX: Final = (1 << _LSN_BITS) - 1
# One character that texts do not have makes one word of a key; the tokenizer takes it for a letter.
KEY_JOINT: Final = "\x1f"

# Numbers of ``term.field``: they are stored.
TERM_FIELDS: Final = {
    "name": 1, "service": 2, "kind": 3, "model": 4, "provider": 5, "agent": 6, "tool": 7,
    "conversation": 8, "user": 9, "prompt.version": 10, "error": 11, "node": 12, "resource": 13,
    "process": 14, "event": 15, "link": 16, "has": 17,
}  # fmt: skip
# 0 is no kind.
AI_KIND_NAMES: Final = ("", *AI_KINDS)
SPAN_KIND_NAMES: Final = ("unspecified", *SPAN_KINDS)
HAS_BITS: Final = {word: 1 << number for number, word in enumerate(HAS)}
STATUS_NAMES: Final = ("unset", "ok", "error")
STATE_NAMES: Final = ("ended", "open", "abandoned", "abandoned, then ended")
ENDED, OPEN, ABANDONED, ABANDONED_THEN_ENDED = range(len(STATE_NAMES))

SPAN_COLUMNS: Final = (
    "id", "trace_no", "span_id", "parent_id", "state", "status", "kind", "ai_kind", "start_ns",
    "duration_ns", "name", "service", "process", "node", "resource", "provider", "model", "agent",
    "tool", "conversation", "user", "prompt_version", "error", "tokens_in", "tokens_out",
    "tokens_cached", "tokens_reasoning", "cost_usd", "counted", "ttft_ns", "events", "links", "has",
    "correlation", "request", "tool_call", "abandoned_id",
)  # fmt: skip
TRACE_COLUMNS: Final = (
    "no", "id", "start_ns", "end_ns", "duration_ns", "span_count", "open_count", "abandoned_count",
    "error_count", "llm_count", "tool_count", "tokens_in", "tokens_out", "tokens_cached",
    "tokens_reasoning", "cost_usd", "name", "service", "agent", "conversation", "user", "root_id",
    "root_orphan", "root_start_ns", "agent_start_ns", "first_id", "last_id", "terms",
)  # fmt: skip


_TYPES: Final = {
    "cost_usd": "REAL", "correlation": "TEXT", "request": "TEXT", "tool_call": "TEXT",
    "terms": "BLOB",
}  # fmt: skip


def _typed(columns: Sequence[str]) -> str:
    # Without a type SQLite compares a column as it is stored, and no index on it is of use.
    return ", ".join(f"{name} {_TYPES.get(name, 'INTEGER')}" for name in columns)


def _choice(column: str, names: Sequence[str]) -> str:
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(names) if name)
    return f"CASE {column} {cases} END"


# Keys come first in each table WITHOUT ROWID: where they do not, the check of SQLite 3.40 finds a
# NULL that is not there.
_TABLES: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE lineage (ordinal INTEGER PRIMARY KEY, id BLOB NOT NULL);
CREATE TABLE term (
  no INTEGER PRIMARY KEY, field INTEGER NOT NULL, value TEXT NOT NULL,
  traces INTEGER NOT NULL DEFAULT 0, UNIQUE (field, value));
CREATE TABLE trace (no INTEGER PRIMARY KEY, id BLOB NOT NULL, {_typed(TRACE_COLUMNS[2:])});
CREATE UNIQUE INDEX trace_by_id ON trace (id);
CREATE INDEX trace_by_start ON trace (start_ns, no, first_id, last_id) WHERE span_count > 0;
CREATE INDEX trace_by_dur ON trace (duration_ns);
CREATE INDEX trace_by_tokens ON trace (tokens_in + tokens_out) WHERE tokens_in + tokens_out > 0;
CREATE INDEX trace_by_cost ON trace (cost_usd) WHERE cost_usd IS NOT NULL;
CREATE INDEX trace_by_spans ON trace (span_count);
CREATE INDEX trace_by_errors ON trace (error_count);
CREATE INDEX trace_by_updated ON trace (last_id);
CREATE INDEX trace_failed ON trace (start_ns, error_count) WHERE error_count > 0;
CREATE INDEX trace_open ON trace (start_ns) WHERE open_count > 0;
CREATE INDEX trace_abandoned ON trace (start_ns) WHERE abandoned_count > 0;
CREATE TABLE trace_term (
  term_no INTEGER NOT NULL, trace_no INTEGER NOT NULL, PRIMARY KEY (term_no, trace_no)
) WITHOUT ROWID;
CREATE TABLE resource_attribute (
  key TEXT NOT NULL, value TEXT NOT NULL, term_no INTEGER NOT NULL,
  PRIMARY KEY (key, value, term_no)) WITHOUT ROWID;
CREATE TABLE span (id INTEGER PRIMARY KEY, {_typed(SPAN_COLUMNS[1:])});
CREATE UNIQUE INDEX span_by_trace ON span (trace_no, span_id);
CREATE INDEX span_open ON span (state) WHERE state = {OPEN};
CREATE TABLE mark (
  trace_no INTEGER NOT NULL, span_id INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (trace_no, span_id, id)) WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER NOT NULL, n INTEGER NOT NULL, time_ns INTEGER NOT NULL, name INTEGER NOT NULL,
  PRIMARY KEY (id, n)) WITHOUT ROWID;
CREATE TABLE link (
  id INTEGER NOT NULL, n INTEGER NOT NULL, trace_id BLOB NOT NULL, span_id INTEGER NOT NULL,
  kind INTEGER, PRIMARY KEY (id, n)) WITHOUT ROWID;
CREATE TABLE state (
  id INTEGER NOT NULL, name TEXT NOT NULL, moment TEXT NOT NULL,
  PRIMARY KEY (id, name, moment)) WITHOUT ROWID;
CREATE TABLE tool_call (
  trace_no INTEGER NOT NULL, call_id TEXT NOT NULL, role INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (trace_no, call_id, role, id)) WITHOUT ROWID;
CREATE TABLE edge (
  id INTEGER NOT NULL, n INTEGER NOT NULL, type INTEGER NOT NULL, lineage BLOB NOT NULL,
  lsn INTEGER NOT NULL, PRIMARY KEY (id, n)) WITHOUT ROWID;
CREATE TABLE log (
  id INTEGER PRIMARY KEY, trace_no INTEGER NOT NULL, span_id INTEGER, time_ns INTEGER NOT NULL,
  severity INTEGER NOT NULL, event INTEGER);
CREATE INDEX log_by_trace ON log (trace_no, span_id);
CREATE TABLE hole (
  first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, reason TEXT NOT NULL,
  at_id INTEGER NOT NULL, PRIMARY KEY (first_id, last_id, reason)) WITHOUT ROWID;
CREATE INDEX hole_by_at ON hole (at_id);
CREATE TABLE redacted_trace (
  trace_id BLOB NOT NULL, at_id INTEGER NOT NULL, PRIMARY KEY (trace_id, at_id)) WITHOUT ROWID;
CREATE TABLE part (
  no INTEGER PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
  items INTEGER NOT NULL, began_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL);
"""

# What people ask in SQL: names for numbers, ids in hexadecimal.
_VIEWS: Final = f"""
CREATE VIEW traces AS SELECT
  lower(hex(t.id)) AS trace_id, n.value AS name, s.value AS service, a.value AS agent,
  c.value AS conversation, u.value AS user, t.start_ns, t.end_ns,
  t.duration_ns / 1e6 AS duration_ms,
  t.span_count, t.open_count, t.abandoned_count, t.error_count, t.llm_count, t.tool_count,
  t.tokens_in, t.tokens_out, t.tokens_cached, t.tokens_reasoning, t.cost_usd
  FROM trace t LEFT JOIN term n ON n.no = t.name LEFT JOIN term s ON s.no = t.service
  LEFT JOIN term a ON a.no = t.agent LEFT JOIN term c ON c.no = t.conversation
  LEFT JOIN term u ON u.no = t.user WHERE t.span_count > 0;
CREATE VIEW spans AS SELECT
  lower(hex(t.id)) AS trace_id, printf('%016x', s.span_id) AS span_id,
  CASE WHEN s.parent_id IS NOT NULL THEN printf('%016x', s.parent_id) END AS parent_span_id,
  s.id >> {_LSN_BITS} AS lineage_ordinal, s.id & {LSN_MAX} AS lsn, n.value AS name,
  v.value AS service, {_choice("s.kind", SPAN_KIND_NAMES)} AS span_kind,
  {_choice("s.ai_kind", AI_KIND_NAMES)} AS kind, {_choice("s.status", STATUS_NAMES)} AS status,
  {_choice("s.state", STATE_NAMES)} AS state, p.value AS provider, m.value AS model,
  a.value AS agent, o.value AS tool, c.value AS conversation, u.value AS user,
  w.value AS prompt_version, e.value AS error, s.correlation, s.request, s.start_ns,
  s.duration_ns / 1e6 AS duration_ms, s.tokens_in, s.tokens_out, s.tokens_cached,
  s.tokens_reasoning, s.cost_usd, s.counted = 0 AS aggregate, s.ttft_ns / 1e6 AS ttft_ms,
  s.events, s.links
  FROM span s JOIN trace t ON t.no = s.trace_no LEFT JOIN term n ON n.no = s.name
  LEFT JOIN term v ON v.no = s.service LEFT JOIN term p ON p.no = s.provider
  LEFT JOIN term m ON m.no = s.model LEFT JOIN term a ON a.no = s.agent
  LEFT JOIN term o ON o.no = s.tool LEFT JOIN term c ON c.no = s.conversation
  LEFT JOIN term u ON u.no = s.user LEFT JOIN term w ON w.no = s.prompt_version
  LEFT JOIN term e ON e.no = s.error;
CREATE VIEW events AS SELECT
  lower(hex(t.id)) AS trace_id, printf('%016x', s.span_id) AS span_id, e.n AS number,
  e.time_ns, n.value AS name
  FROM event e JOIN span s ON s.id = e.id JOIN trace t ON t.no = s.trace_no
  LEFT JOIN term n ON n.no = e.name;
CREATE VIEW links AS SELECT
  lower(hex(t.id)) AS trace_id, printf('%016x', s.span_id) AS span_id, l.n AS number,
  lower(hex(l.trace_id)) AS linked_trace_id, printf('%016x', l.span_id) AS linked_span_id,
  k.value AS kind
  FROM link l JOIN span s ON s.id = l.id JOIN trace t ON t.no = s.trace_no
  LEFT JOIN term k ON k.no = l.kind;
CREATE VIEW logs AS SELECT
  lower(hex(t.id)) AS trace_id, CASE WHEN l.span_id IS NOT NULL THEN
  printf('%016x', l.span_id) END AS span_id, l.id & {LSN_MAX} AS lsn, l.time_ns, l.severity,
  n.value AS event
  FROM log l JOIN trace t ON t.no = l.trace_no LEFT JOIN term n ON n.no = l.event;
CREATE VIEW states AS SELECT
  lower(hex(t.id)) AS trace_id, printf('%016x', s.span_id) AS span_id, x.name, x.moment
  FROM state x JOIN span s ON s.id = x.id JOIN trace t ON t.no = s.trace_no;
"""


def item_id(ordinal: int, lsn: int) -> int:
    """Return the row number of an item; an LSN that no item has counts as the last one."""
    return ordinal << _LSN_BITS | min(lsn, LSN_MAX)


def position_of(row_id: int, lineages: dict[int, bytes]) -> Position:
    """Return the position that a row number is."""
    ordinal = row_id >> _LSN_BITS
    return Position(ordinal, lineages.get(ordinal, bytes(8)), row_id & LSN_MAX)


def found_table(part: int) -> str:
    """Return the name of a part's table of texts."""
    return f"found_{part}"


def make_found(db: sqlite3.Connection, part: int) -> None:
    """Make a part's table of texts."""
    db.execute(
        f"CREATE VIRTUAL TABLE {found_table(part)} USING fts5("
        "name, attributes, content, ids, content='', columnsize=0,"
        f" tokenize=\"unicode61 remove_diacritics 2 tokenchars '{KEY_JOINT}'\")"
    )


# Without an adapter each NULL costs two look-ups of methods that None does not have, 0.3 µs, and a
# span's row has up to twenty.
sqlite3.register_adapter(type(None), lambda nothing: nothing)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the file to write it; a new one is empty.

    Raises:
        sqlite3.Error: It is no database, is damaged, or is in use.
    """
    db = sqlite3.connect(
        path, timeout=INDEX_BUSY_S, isolation_level=None, check_same_thread=False,
        cached_statements=512,
    )  # fmt: skip
    try:
        if db.execute("PRAGMA page_count").fetchone()[0] == 0:
            db.execute("PRAGMA page_size = 8192")
        db.execute("PRAGMA journal_mode = WAL")
        # Little is flushed, and often: a disk that is busy with much of it at once lets the
        # recorder's commits wait.
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = -{INDEX_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
        # What is taken out must not stay on a free page.
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA wal_autocheckpoint = 1000")
    except sqlite3.Error:
        db.close()
        raise
    return db


def create(db: sqlite3.Connection, facts: Mapping[str, object]) -> None:
    """Make the tables in an empty database.

    Args:
        db: Its connection.
        facts: What the database is of; kept in ``meta``.
    """
    db.execute("BEGIN IMMEDIATE")
    for statement in (_TABLES + _VIEWS).split(";"):
        if statement.strip():
            db.execute(statement)
    db.executemany("INSERT INTO meta VALUES (?, ?)", {"schema": SCHEMA_VERSION, **facts}.items())
    db.execute("COMMIT")
