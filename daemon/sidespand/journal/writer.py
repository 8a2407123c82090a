"""The one thread that writes: gathers what waits into a group, commits it, and reports.

    append ──▶ SimpleQueue ──▶ take a group ──▶ stamp ──▶ commit ──▶ report (one hand-over a group)
                                  ▲                        │ full: roll, same group again
                                  └────────────────────────┘ failed: nobody is acked, next segment

Invariants: a group is reported only after its commit returned; a failed group advances nothing and
    is not retried; LMDB is touched by this thread alone.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sidespand import platform
from sidespand.clock import Clock
from sidespand.errors import JournalFailed, Refused, SidespanError, Unavailable
from sidespand.journal import keys
from sidespand.journal.group import Group, Pending
from sidespand.journal.open_spans import OpenSpans
from sidespand.journal.segment import CommitFailed, SegmentFull, SegmentWriter
from sidespand.journal.sessions import Sessions
from sidespand.journal.state import Head
from sidespand.limits import (
    COMMIT_FAILURES_MAX,
    GROUP_BYTES_MAX,
    GROUP_GATHER_S,
    GROUP_RECORDS_MAX,
    PRODUCERS_MAX,
)
from sidespand.model import Peer

_log = logging.getLogger(__name__)
_IDLE_S = 1.0
_NS = 1_000_000_000
_CHECK_NS = 1 * _NS


class SegmentRoll(Protocol):
    """What the writer needs to go on in a new file."""

    def next_segment(self) -> SegmentWriter:
        """Open an empty segment, which has no place in the log yet.

        Raises:
            OSError: The disk has no room for it.
            CommitFailed: It cannot be opened.
        """
        ...

    def has_room(self) -> bool:
        """Tell whether the disk is not full."""
        ...

    def born(self, segment: SegmentWriter, first_lsn: int) -> None:
        """Make a segment's place in the log and its registration durable, after its first commit.

        Raises:
            OSError: The disk has no room for either.
        """
        ...


class JournalWriter:
    """Owns the open segment and the head.

    Args:
        segment: Open, with ``head`` as its last commit.
        head: The last durable head.
        sessions: The durable rows of client instances.
        open_spans: The durable open spans.
        roll: Opens the next segment.
        clock: For stamps and segment age.
        segment_bytes: Roll when so much of a segment is used.
        segment_age_s: Roll when a segment has been written for longer than this.
        generation_row: The state row that names the running generation; every new segment starts
            with it.
        report: Takes a settled group and the head after it; called on the writer's thread.
        fatal: Called when COMMIT_FAILURES_MAX commits have failed in a row.
    """

    def __init__(
        self,
        *,
        segment: SegmentWriter,
        head: Head,
        sessions: Sessions,
        open_spans: OpenSpans,
        roll: SegmentRoll,
        clock: Clock,
        segment_bytes: int,
        segment_age_s: float,
        generation_row: tuple[bytes, bytes],
        report: Callable[[Group, Head], None],
        fatal: Callable[[Exception], None],
    ) -> None:
        self._segment = segment
        self._head = head
        self._sessions = sessions
        self._open_spans = open_spans
        self._roll = roll
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._segment_age_ns = int(segment_age_s * _NS)
        self._generation_row = generation_row
        self._report = report
        self._fatal = fatal
        self._producers: dict[tuple[Peer, bytes], int] = {}
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self.unwatched_mark_count = 0
        self.commit_count = 0
        self.commit_ns = 0
        # Whether the last commit found the disk full.
        self.no_room = False
        self._used_bytes = 0
        self._unborn = False
        # The open segment may hold what nobody was told of: nothing more is written to it.
        self._spoiled = False
        self._born_ns = clock.boottime_ns()
        self._checked_ns = self._born_ns
        self._clock_error_us = clock.error_us()
        self._failures = 0
        self._crowded = False
        self._roll_asked = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sidespan-writer", daemon=True)

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()

    def submit(self, pending: Pending) -> None:
        """Queue one request."""
        self._queue.put(pending)

    def roll_next(self) -> None:
        """Begin a new segment with the next records, wherever the open one stands."""
        self._roll_asked = True

    @property
    def head(self) -> Head:
        """The newest durable head."""
        return self._head

    def fill(self) -> float:
        """Return how full the open segment is, from 0.0."""
        return self._used_bytes / self._segment_bytes

    def close(self) -> None:
        """Commit what is queued, mark the end as clean, and close the segment."""
        self._closing.set()
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if not self._spoiled and not self._unborn:
            try:
                self._segment.commit((), {keys.CLEAN: b"1"})
            except (CommitFailed, SegmentFull) as error:
                _log.warning("the clean end could not be noted: %s", error)
        self._segment.close()

    def _run(self) -> None:
        going = True
        while going:
            pendings, going = self._take()
            try:
                if pendings:
                    self._commit(pendings)
                self._keep_house()
            except Exception as error:
                # Were this thread to end, every sender would wait for ever.
                self._fail(pendings, error)

    def _keep_house(self) -> None:
        # Once a second, when what the last group held has been answered.
        now_ns = self._clock.boottime_ns()
        if now_ns - self._checked_ns >= _CHECK_NS:
            self._checked_ns = now_ns
            self._clock_error_us = self._clock.error_us()
            # A reader that died keeps pages from being used again.
            self._segment.check_readers()

    def _take(self) -> tuple[list[Pending], bool]:
        try:
            first = self._queue.get(timeout=_IDLE_S)
        except queue.Empty:
            return [], True
        if first is None:
            return [], False
        if self._crowded:
            # Where several came together last time, others are on their way: a moment's wait makes
            # one flush serve many of them. Whoever is alone never waits.
            self._closing.wait(GROUP_GATHER_S)
        taken = [first]
        size = first.payload_bytes
        while size < GROUP_BYTES_MAX and len(taken) < GROUP_RECORDS_MAX:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return taken, False
            taken.append(more)
            size += more.payload_bytes
        self._crowded = len(taken) > 1
        return taken, True

    def _commit(self, pendings: Sequence[Pending]) -> None:
        group = self._group()
        for pending in pendings:
            group.add(pending)
        try:
            if group.writes:
                began_ns = time.monotonic_ns()
                self._write(group)
                self.commit_ns += time.monotonic_ns() - began_ns
                self.commit_count += 1
        except OSError as error:
            if error.errno not in platform.NO_ROOM:
                raise
            # Trimming, or another program, makes room again; any other error is the disk's.
            self._refuse_for_room(pendings, f"no room for a new segment: {error.strerror}")
        except CommitFailed:
            if self._roll.has_room():
                raise
            # LMDB says EIO of a full disk, too. It is no fault that ends the process.
            self._spoiled = True
            self._refuse_for_room(pendings, "the disk is full")
        else:
            if group.writes:
                self._failures = 0
                if self.no_room:
                    self.no_room = False
                    _log.info("there is room on the disk again: accepting what clients send")
            self._report(group, self._head)

    def _group(self) -> Group:
        return Group(
            self._head,
            self._sessions,
            self._producers,
            self._clock,
            open_spans=self._open_spans,
            clock_error_us=self._clock_error_us,
        )

    def _write(self, group: Group) -> None:
        if self._roll_is_due(group):
            self._open_next()
        try:
            used = self._put(group)
        except SegmentFull:
            if self._unborn:
                raise
            self._open_next()
            used = self._put(group)
        if self._unborn:
            # Nobody may be told of a segment that is not registered; should that fail, it is left.
            self._spoiled = True
            self._roll.born(self._segment, self._head.next_lsn)
            self._unborn = self._spoiled = False
        self._used_bytes = used
        self._head = group.draft.head()
        self._sessions.update(group.new_rows, group.forgotten)
        self._open_spans.update(group.open_spans.changes)
        self.unwatched_mark_count += group.open_spans.unwatched
        self._producers.update(group.new_producers)
        while len(self._producers) > PRODUCERS_MAX:
            del self._producers[next(iter(self._producers))]

    def _put(self, group: Group) -> int:
        rows = group.rows(everything=self._unborn)
        if self._unborn:
            rows[self._generation_row[0]] = self._generation_row[1]
        return self._segment.commit(group.draft.values, rows)

    def _roll_is_due(self, group: Group) -> bool:
        if self._spoiled:
            return True
        # A segment begins with a record, and one that has none yet need not make way.
        if self._unborn or not group.draft.values:
            return False
        if self._roll_asked:
            return True
        age_ns = self._clock.boottime_ns() - self._born_ns
        return self._used_bytes >= self._segment_bytes or age_ns > self._segment_age_ns

    def _open_next(self) -> None:
        following = self._roll.next_segment()
        self._segment.close()
        self._segment = following
        self._unborn = True
        self._spoiled = False
        self._roll_asked = False
        self._used_bytes = 0
        self._born_ns = self._clock.boottime_ns()

    def _fail(self, pendings: Sequence[Pending], error: Exception) -> None:
        self._failures += 1
        self._spoiled = True
        expected = isinstance(error, SidespanError | OSError)
        _log.error("commit failed (%d in a row): %s", self._failures, error, exc_info=not expected)
        self._refuse(pendings, JournalFailed(f"the commit failed: {error}"))
        if self._failures == COMMIT_FAILURES_MAX:
            self._fatal(error)

    def _refuse_for_room(self, pendings: Sequence[Pending], text: str) -> None:
        if not self.no_room:
            self.no_room = True
            _log.error("refusing what clients send: %s", text)
        self._refuse(pendings, Unavailable(text))

    def _refuse(self, pendings: Sequence[Pending], refusal: Refused) -> None:
        group = self._group()
        group.outcomes = [(pending, refusal) for pending in pendings]
        self._report(group, self._head)
