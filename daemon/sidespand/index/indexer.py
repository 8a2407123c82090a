"""Keeps the index up with the journal, in a thread of its own.

    read a batch ─▶ rows and texts ─▶ one transaction, the cursor in it ─▶ again

It reads the journal and writes its own file. Whatever happens to that file, the recorder and the
sinks do not notice: damage has it removed and built anew.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from sidespand import redaction
from sidespand.ai import normaliser
from sidespand.errors import Unavailable
from sidespand.index import files, holes, looking, removal
from sidespand.index.extract import NodeRef
from sidespand.index.room import Room
from sidespand.index.rows import Lag
from sidespand.index.schema import item_id
from sidespand.index.scrubbed_log import ScrubbedLog
from sidespand.index.writer import IndexWriter
from sidespand.limits import (
    INDEX_BATCH_ITEMS,
    INDEX_BATCH_S,
    INDEX_COALESCE_S,
    INDEX_LIVE_LAG_S,
    INDEX_PART_S,
    INDEX_PARTS_KEPT_MIN,
    INDEX_RETRY_S,
    INDEX_UPKEEP_S,
)
from sidespand.model import Gap, Kind, Position, Record
from sidespand.ports import Log
from sidespand.scrubbing import Secrets

_log = logging.getLogger(__name__)
_HEARD_MAX = 4096


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What an operator may choose.

    Args:
        retention_s: Older records leave the index; None to follow the journal alone.
        retention_bytes: What the file may take; the oldest part gives way. None for no bound.
        disk_free_min: Fraction of the disk that the journal leaves free; see ``room``.
        attributes: From fields of the query grammar to keys of a house.
        secrets: What is not stored.
    """

    retention_s: float | None = None
    retention_bytes: int | None = None
    disk_free_min: float = 0.0
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)


class Indexer:
    """The writer of one store's index. Implements ``ports.Erasable``.

    Args:
        log: The journal; used on the indexer's thread.
        path: Of the database.
        store_id: Of the store.
        options: What the operator chose.
        node_ref: Who recorded a generation of a lineage.
        wall_ns: The wall clock.
        time_s: A monotonic clock, for how long the disk has been full.
    """

    def __init__(
        self,
        log: Log,
        path: Path,
        store_id: str,
        options: IndexOptions,
        node_ref: NodeRef,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        time_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.indexed_items = 0
        self.rebuilds = 0
        self._log = ScrubbedLog(log, options.secrets) if options.secrets else log
        self._options = options
        fingerprint = options.secrets.fingerprint(store_id)
        self._facts = files.facts_of(store_id, options.attributes, fingerprint)
        self._node_ref = node_ref
        self._wall_ns = wall_ns
        self._room = Room(path.parent, options.disk_free_min, time_s)
        self._normalise = normaliser(options.attributes)
        self._writer: IndexWriter | None = None
        self._position: Position | None = None
        self._newest: Position | None = None
        self._heard: deque[tuple[Position, float]] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._anew = threading.Event()
        self._building = False
        self._file: tuple[int, int] | None = None
        self._erasing: deque[tuple[Sequence[Gap], Future[None]]] = deque()
        self._gone: list[Gap] = []
        self._trim_to = 0
        self._failure: Exception | None = None
        self._upkeep_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self) -> None:
        """Begin; it reads as soon as ``advance`` has said how far."""
        self._thread.start()

    def advance(self, newest: Position) -> None:
        """Learn how far the log may be read; from any thread."""
        self._newest = newest
        if len(self._heard) < _HEARD_MAX:
            self._heard.append((newest, time.monotonic()))
        self._wake.set()

    def stop(self) -> None:
        """End after the batch that is being written; returns when the thread has."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for _, answer in self._erasing:
            answer.set_exception(OSError("the index has stopped"))

    def begin_anew(self) -> None:
        """Have the file removed and built from the journal again; from any thread."""
        self._anew.set()
        self._wake.set()

    def look(self) -> None:
        """Have it looked after soon whether the file is still there; from any thread."""
        self._wake.set()

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Remove every copy of these records; ``ports.Erasable`` has the contract.

        Raises:
            OSError: Some of them may still be there; they go when the log tells of it.
        """
        answer: Future[None] = Future()
        self._erasing.append((gone, answer))
        self._wake.set()
        await asyncio.wrap_future(answer)

    @property
    def position(self) -> Position | None:
        """How far it has come."""
        return self._position

    def lag(self) -> Lag:
        """Return how far it is behind what is durable; from any thread."""
        position, newest = self._position, self._newest
        if newest is None or newest == position:
            return Lag("live", 0, 0.0)
        while self._heard and position is not None and self._heard[0][0] <= position:
            try:
                self._heard.popleft()
            except IndexError:
                break
        try:
            seconds = max(0.0, time.monotonic() - self._heard[0][1])
        except IndexError:
            seconds = 0.0
        same = position is not None and position.ordinal == newest.ordinal
        items = newest.lsn - (position.lsn if same and position is not None else 0)
        building = self._building or seconds > INDEX_LIVE_LAG_S
        return Lag("building" if building else "live", max(0, items), seconds)

    def raise_failure(self) -> None:
        """Raise why the index cannot be written just now; nothing while it can."""
        if self._failure is not None:
            raise self._failure

    def size_bytes(self) -> int:
        """Return what the file takes on disk."""
        total = 0
        for suffix in ("", "-wal"):
            try:
                total += self.path.with_name(self.path.name + suffix).stat().st_size
            except OSError:
                continue
        return total

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                worked = self._wait_for_room() if self._room.lacks() else self._go_on()
            except Exception as error:
                self._recover(error)
                self._stopping.wait(INDEX_RETRY_S)
                continue
            if not worked:
                self._wake.wait(INDEX_UPKEEP_S)
                self._wake.clear()
            else:
                # What comes meanwhile is written together.
                self._stopping.wait(INDEX_COALESCE_S if self._position == self._newest else 0)
        self._close()

    def _go_on(self) -> bool:
        if self._writer is None:
            self._open()
        worked = self._step()
        self._failure = None
        return worked

    def _wait_for_room(self) -> bool:
        """Write nothing but what was asked to be erased; tell that there is nothing to do."""
        if self._failure is None:
            _log.warning("the index waits: the disk is nearly full")
        self._failure = Unavailable(
            "the index waits: the disk is nearly full",
            hint="make room, or lower journal.disk_free_min",
        )
        if self._room.gives_way() and self.path.exists():
            _log.warning("the index gives way to the journal, and is built anew with more room")
            self._close()
            self._begin_anew()
        if self._writer is None and self.path.exists():
            self._open()
        if self._writer is not None:
            self._erase_asked()
        while self._erasing:
            # There is no copy of anything.
            self._erasing.popleft()[1].set_result(None)
        return False

    def _open(self) -> None:
        existed = self.path.exists()
        db = files.open_or_begin(self.path, self._facts)
        try:
            self._begin(db, existed=existed)
        except BaseException:
            # Who tries again each second would have one more open each second.
            db.close()
            raise

    def _begin(self, db: sqlite3.Connection, *, existed: bool) -> None:
        self._position = looking.position(db)
        if existed and self._position is None:
            self.rebuilds += 1
            self._building = True
        self._file = files.identity(self.path)
        kept_s = self._options.retention_s
        part_s = INDEX_PART_S if kept_s is None else kept_s / INDEX_PARTS_KEPT_MIN
        part_s = min(part_s, INDEX_PART_S)
        self._writer = IndexWriter(db, self._normalise, self._node_ref, part_s)
        # What the log has told of and was not carried out to its end.
        self._gone, self._trim_to = holes.unerased(db), holes.trimmed_to(db)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.db.close()
            self._writer = None

    def _recover(self, error: Exception) -> None:
        if self._failure is None:
            _log.warning("the index cannot be written, trying again: %s", error, exc_info=error)
        self._failure = error
        self._close()
        if isinstance(error, sqlite3.Error) and files.is_damage(error):
            _log.warning("the index is damaged and built anew: %s", error)
            self._begin_anew()
        for _, answer in self._erasing:
            if not answer.done():
                answer.set_exception(OSError(f"the index cannot be written: {error}"))
        self._erasing.clear()

    def _begin_anew(self) -> None:
        # Before the file goes: what is answered without it must not look whole.
        self._building = True
        self._position = None
        files.remove(self.path)
        self.rebuilds += 1

    def _step(self) -> bool:
        removed = files.identity(self.path) != self._file
        if removed:
            _log.warning("the index was removed and is built anew")
        if removed or self._anew.is_set():
            self._anew.clear()
            self._close()
            self._begin_anew()
            return True
        worked = self._erase_asked()
        newest = self._newest
        if newest is not None and newest != self._position:
            worked = self._index(newest) or worked
        if self._gone:
            self._erase_told()
        if self._trim_to:
            worked = True
            self._trim()
        if time.monotonic() - self._upkeep_at_s > INDEX_UPKEEP_S:
            self._upkeep_at_s = time.monotonic()
            self._keep_retention()
            if not worked and self._writer is not None:
                # Who has nothing to do holds no pages.
                self._writer.db.execute("PRAGMA shrink_memory")
        return worked

    def _index(self, newest: Position) -> bool:
        writer = self._writer
        assert writer is not None
        db = writer.db
        before, position, items = self._position, self._position, 0
        if position is not None and _contradicts(position, newest):
            self._start_again()
            return True
        deadline = time.monotonic() + INDEX_BATCH_S
        db.execute("BEGIN IMMEDIATE")
        try:
            more = True
            while more and items < INDEX_BATCH_ITEMS and time.monotonic() < deadline:
                position, taken, more = self._read_on(position, newest)
                items += taken
            if position is None or position == before:
                db.execute("ROLLBACK")
                return False
            writer.finish(position)
            db.execute("COMMIT")
        except _AnotherLogError:
            db.rollback()
            self._start_again()
            return True
        except BaseException:
            db.rollback()
            writer.forget()
            raise
        self._position = position
        self.indexed_items += items
        if position == newest:
            self._building = False
        return True

    def _read_on(
        self, position: Position | None, newest: Position
    ) -> tuple[Position | None, int, bool]:
        """Take in what follows; return how far, how many items, and whether more may come."""
        assert self._writer is not None
        entries = self._log.read(position, newest)
        if entries and position is not None and _contradicts(position, entries[0].position):
            raise _AnotherLogError
        items = 0
        for entry in entries:
            if isinstance(entry, Record) and self._writer.is_apart(entry):
                return position, items, False
            items += self._take(entry)
            position = entry.position
        return position, items, bool(entries)

    def _take(self, entry: Record | Gap) -> int:
        assert self._writer is not None
        if isinstance(entry, Gap):
            holes.note_gap(self._writer.db, entry)
            if entry.reason == "trimmed":
                self._trim_to = max(self._trim_to, item_id(entry.ordinal, entry.last))
            return 0
        kind = entry.header.kind
        if kind is Kind.REDACT:
            told = redaction.parse(entry)
            self._gone.extend(target.gap for target in (told.targets if told is not None else ()))
        elif kind is Kind.TRIM and entry.payload is not None:
            body: dict[str, Any] = msgpack.unpackb(entry.payload)
            last = item_id(int(body["ordinal"]), int(body["last_lsn"]))
            self._trim_to = max(self._trim_to, last)
        if kind.is_control:
            holes.note_record(self._writer.db, entry)
        return self._writer.index(entry)

    def _start_again(self) -> None:
        _log.warning("the index is of another log and built anew")
        self._close()
        self._begin_anew()

    def _erase_asked(self) -> bool:
        worked = False
        while self._erasing:
            gone, answer = self._erasing[0]
            self._erase(gone)
            self._erasing.popleft()
            answer.set_result(None)
            worked = True
        return worked

    def _erase_told(self) -> None:
        assert self._writer is not None
        assert self._position is not None
        self._erase(self._gone)
        holes.note_erased(self._writer.db, self._position)
        self._gone = []

    def _erase(self, gone: Sequence[Gap]) -> None:
        writer = self._writer
        assert writer is not None
        db = writer.db
        db.execute("BEGIN IMMEDIATE")
        try:
            removal.erase(writer, self._log, gone)
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            writer.forget()
            raise
        # The log of SQLite still has what the database has not.
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise OSError("the index is being read, and its log cannot be emptied")

    def _trim(self) -> None:
        writer = self._writer
        assert writer is not None
        writer.db.execute("BEGIN IMMEDIATE")
        try:
            more = removal.trim_step(writer, self._trim_to)
            writer.db.execute("COMMIT")
        except BaseException:
            writer.db.rollback()
            writer.forget()
            raise
        if not more:
            self._trim_to = 0

    def _keep_retention(self) -> None:
        writer, options = self._writer, self._options
        assert writer is not None
        parts = writer.parts.all()
        if options.retention_s is not None:
            oldest_ns = self._wall_ns() - int(options.retention_s * 1e9)
            old = [part.last_id for part in parts if part.wall_ns < oldest_ns]
            self._trim_to = max(self._trim_to, *old, 0)
        # The newest is being written.
        if options.retention_bytes is not None and len(parts) > 1:
            pages, free, size = (
                int(writer.db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
            if (pages - free) * size > options.retention_bytes:
                self._trim_to = max(self._trim_to, parts[0].last_id)
        if self._trim_to:
            self._wake.set()


class _AnotherLogError(Exception):
    """The journal has another log in the place where the index stood."""


def _contradicts(cursor: Position, place: Position) -> bool:
    """Tell whether a position cannot be of the log that has ``place`` at or after it."""
    if cursor.ordinal != place.ordinal:
        return cursor.ordinal > place.ordinal
    return cursor.lineage != place.lineage or cursor.lsn > place.lsn
