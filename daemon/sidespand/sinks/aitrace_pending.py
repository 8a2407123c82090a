"""The traces that wait for their file, and those that may still get a later one: a SQLite database.

A span is durable here before its delivery is acknowledged, so a restart goes on where it stopped.
What is deleted is overwritten, and no log of it stays behind.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sidespand.limits import PENDING_CACHE_KIB
from sidespand.model import Gap
from sidespand.sinks.aitrace_document import Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    trace BLOB NOT NULL, ordinal INTEGER NOT NULL, lineage BLOB NOT NULL, lsn BLOB NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (trace, ordinal, lineage, lsn));
CREATE INDEX IF NOT EXISTS spans_by_position ON spans (lineage, lsn);
CREATE TABLE IF NOT EXISTS traces (
    trace BLOB PRIMARY KEY, due_ns INTEGER NOT NULL, unwritten INTEGER NOT NULL,
    rooted INTEGER NOT NULL, spans INTEGER NOT NULL, start_ns BLOB NOT NULL, head TEXT NOT NULL,
    node TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS traces_by_due ON traces (due_ns);
"""
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


class Waits(NamedTuple):
    """How long a trace rests before it is written, in seconds.

    Args:
        quiet: After its newest span, once its root has ended.
        idle: After its newest span, without a root.
        late: How long its spans are kept after it was written, for the file of a late one.
    """

    quiet: float
    idle: float
    late: float


class Arrival(NamedTuple):
    """One span that came in.

    Args:
        trace: Its OTLP id.
        ordinal: Of its lineage in the store.
        lineage: 8 bytes.
        lsn: Its own.
        is_root: It ends its trace.
        start_ns: The sender's clock.
        body: Its document.
        head: What it says of its trace.
        node: Who recorded it, and where.
    """

    trace: bytes
    ordinal: int
    lineage: bytes
    lsn: int
    is_root: bool
    start_ns: int
    body: Document
    head: Document
    node: Document


class Pending(NamedTuple):
    """One trace that is due.

    Args:
        trace: Its OTLP id.
        unwritten: It has spans that no file holds.
        start_ns: Of its earliest span.
        head: What its root, or else its first span, says of it.
        node: Who recorded its newest span, and where.
    """

    trace: bytes
    unwritten: bool
    start_ns: int
    head: Document
    node: Document


class PendingTraces:
    """The open database, of which this is the only user. Its methods block, in one thread.

    Args:
        path: Its file; its directory must exist.
        waits: When a trace is due.
        spans_max: With so many spans a trace is due at once.
        now_ns: A clock that runs on while the machine sleeps; all times here are its.

    Raises:
        sqlite3.Error: It cannot be opened.
    """

    def __init__(self, path: Path, waits: Waits, spans_max: int, now_ns: int) -> None:
        self._waits = waits
        self._spans_max = spans_max
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            path.chmod(0o600)
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute(f"PRAGMA cache_size=-{PENDING_CACHE_KIB}")
            self._database.executescript(_SCHEMA)
            # The clock of an earlier life may have been another.
            soon = now_ns + int(max(waits.quiet, 0.0) * 1e9)
            self._database.execute("UPDATE traces SET due_ns = ? WHERE unwritten", (soon,))
            later = now_ns + int(waits.late * 1e9)
            self._database.execute("UPDATE traces SET due_ns = ? WHERE NOT unwritten", (later,))
        except BaseException:
            self._database.close()
            raise

    def add(self, arrivals: Iterable[Arrival], now_ns: int) -> None:
        """Take spans in; what is here already is passed over. Durable when this returns."""
        with self._transaction():
            for one in arrivals:
                place = (one.trace, one.ordinal, one.lineage, _blob(one.lsn))
                added = self._database.execute(
                    "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?)",
                    (*place, _ENCODER.encode(one.body)),
                )
                if added.rowcount:
                    self._note(one, now_ns)

    def due(self, now_ns: int, count_max: int) -> list[Pending]:
        """Return the traces whose time has come, the longest due first."""
        found = self._database.execute(
            "SELECT trace, unwritten, start_ns, head, node FROM traces WHERE due_ns <= ?"
            " ORDER BY due_ns LIMIT ?",
            (now_ns, count_max),
        )
        return [
            Pending(trace, bool(unwritten), _number(start), json.loads(head), json.loads(node))
            for trace, unwritten, start, head, node in found
        ]

    def next_due_ns(self) -> int | None:
        """Return when the next trace is due; None when none waits."""
        ((due_ns,),) = self._database.execute("SELECT min(due_ns) FROM traces")
        return due_ns  # type: ignore[no-any-return]

    def places(self, trace: bytes) -> tuple[bytes, int, int]:
        """Return lineage and LSN of a trace's newest span, and its first LSN in that lineage."""
        ((lineage, last),) = self._database.execute(
            "SELECT lineage, lsn FROM spans WHERE trace = ?"
            " ORDER BY ordinal DESC, lineage DESC, lsn DESC LIMIT 1",
            (trace,),
        )
        ((first,),) = self._database.execute(
            "SELECT min(lsn) FROM spans WHERE trace = ? AND lineage = ?", (trace, lineage)
        )
        return lineage, _number(first), _number(last)

    def bodies(self, trace: bytes) -> Iterator[bytes]:
        """Yield the encoded documents of a trace's spans in log order."""
        for (body,) in self._database.execute(
            "SELECT body FROM spans WHERE trace = ? ORDER BY ordinal, lineage, lsn", (trace,)
        ):
            yield body.encode("ascii")

    def settle(self, done: Sequence[Pending], now_ns: int) -> None:
        """Note that traces were written; forget those that were kept for long enough."""
        late_ns = int(self._waits.late * 1e9)
        with self._transaction():
            for one in done:
                ((count,),) = self._database.execute(
                    "SELECT spans FROM traces WHERE trace = ?", (one.trace,)
                )
                if one.unwritten and late_ns and count < self._spans_max:
                    self._database.execute(
                        "UPDATE traces SET unwritten = 0, due_ns = ? WHERE trace = ?",
                        (now_ns + late_ns, one.trace),
                    )
                else:
                    self._forget(one.trace)

    def erase(self, gone: Sequence[Gap]) -> None:
        """Take spans out, and what was said of their traces; no byte of them is left here."""
        with self._transaction():
            for gap in gone:
                where = (gap.lineage, _blob(gap.first), _blob(gap.last))
                traces = self._database.execute(
                    "SELECT trace, count(*) FROM spans"
                    " WHERE lineage = ? AND lsn BETWEEN ? AND ? GROUP BY trace",
                    where,
                ).fetchall()
                self._database.execute(
                    "DELETE FROM spans WHERE lineage = ? AND lsn BETWEEN ? AND ?", where
                )
                for trace, count in traces:
                    self._lessen(trace, count)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _note(self, one: Arrival, now_ns: int) -> None:
        known = self._database.execute(
            "SELECT rooted, spans, start_ns, head FROM traces WHERE trace = ?", (one.trace,)
        ).fetchone()
        rooted, count, start, head = known or (0, 0, _blob(one.start_ns), "")
        if one.is_root or not head:
            head = _ENCODER.encode(one.head)
        rooted = rooted or one.is_root
        wait_s = self._waits.quiet if rooted else self._waits.idle
        due_ns = now_ns + int(wait_s * 1e9) if count + 1 < self._spans_max else now_ns
        start = min(start, _blob(one.start_ns))
        self._database.execute(
            "INSERT OR REPLACE INTO traces VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
            (one.trace, due_ns, rooted, count + 1, start, head, _ENCODER.encode(one.node)),
        )

    def _lessen(self, trace: bytes, count: int) -> None:
        ((left, head),) = self._database.execute(
            "SELECT spans - ?, head FROM traces WHERE trace = ?", (count, trace)
        )
        if left <= 0:
            self._forget(trace)
            return
        # What it says of the whole trace may have come from what is gone.
        bare = _ENCODER.encode({**json.loads(head), "metadata": {}})
        self._database.execute(
            "UPDATE traces SET spans = ?, head = ? WHERE trace = ?", (left, bare, trace)
        )

    def _forget(self, trace: bytes) -> None:
        self._database.execute("DELETE FROM spans WHERE trace = ?", (trace,))
        self._database.execute("DELETE FROM traces WHERE trace = ?", (trace,))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _blob(number: int) -> bytes:
    # SQLite's integers are signed.
    return number.to_bytes(8, "big")


def _number(blob: Any) -> int:
    return int.from_bytes(blob, "big")
