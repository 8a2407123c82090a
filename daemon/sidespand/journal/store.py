"""The journal of one recorder: takes requests on the event loop, answers when they are durable."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import msgpack

from sidespand import platform
from sidespand.clock import Clock
from sidespand.errors import ConfigError, Refused, Unavailable
from sidespand.hlc import ZERO
from sidespand.journal import opening
from sidespand.journal.anchor import AnchorKeeper
from sidespand.journal.group import Abandonment, Group, Pending
from sidespand.journal.layout import Layout, Segment
from sidespand.journal.open_spans import OpenSpans
from sidespand.journal.opening import Options
from sidespand.journal.segment import SegmentWriter, discard
from sidespand.journal.sessions import Sessions
from sidespand.journal.spare import SpareMaker
from sidespand.journal.stamper import control, seal
from sidespand.journal.state import Head
from sidespand.journal.writer import JournalWriter
from sidespand.limits import FULL_RETRY_AFTER_MS, INFLIGHT_BYTES_MAX, SEGMENT_BIRTH_BYTES
from sidespand.lock import FileLock
from sidespand.model import (
    Admitted,
    Content,
    ControlBody,
    Kind,
    NodeIdentity,
    Peer,
    Position,
    Receipt,
    SessionStep,
    SpanKey,
)


class JournalStore:
    """An open store. Implements ``ports.Journal`` and ``ports.OpenSpanTable``.

    Args:
        data_dir: Its directory; made when it is missing.
        options: Segment sizes and durability.
        identity: Written into the GEN record.
        clock: For stamps.
        committed: Called on the event loop after every group, with the newest durable position.
        fatal: Called on the event loop once commits keep failing; the process should end.

    Attributes:
        begun: The body of the LINEAGE record that this open began with; None when it went on in
            the store's lineage.

    Raises:
        InUse: Another recorder has it.
        ConfigError, StoreUnreadable, StoreMoved, StoreTooNew: As ``opening`` says; nothing was
            changed.
    """

    def __init__(
        self,
        data_dir: Path,
        options: Options,
        identity: NodeIdentity,
        clock: Clock,
        *,
        committed: Callable[[Position], None],
        fatal: Callable[[Exception], None],
    ) -> None:
        self._layout = Layout(data_dir)
        self._options = options
        self._clock = clock
        self._committed = committed
        self._fatal = fatal
        opening.prepare_directory(self._layout, allow_remote=options.allow_remote)
        self._lock = _own(self._layout)
        try:
            opened = opening.open_store(self._layout, options, identity, clock)
        except BaseException:
            self._lock.release()
            raise
        self._manifest = opened.manifest
        self._head = opened.head
        self._incarnation: bytes = msgpack.unpackb(opened.generation_row[1])["incarnation"]
        self.begun = opened.begun
        self._sessions = Sessions(opened.sessions)
        self._open_spans = OpenSpans(opened.open_spans)
        self._inflight_bytes = 0
        self._closed = False
        self._full = ""
        # The writer's thread adds segments, another one takes them away.
        self._registering = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer = JournalWriter(
            segment=opened.segment,
            head=opened.head,
            sessions=self._sessions,
            open_spans=self._open_spans,
            roll=self,
            clock=clock,
            segment_bytes=options.segment_bytes,
            segment_age_s=options.segment_age_s,
            generation_row=opened.generation_row,
            report=self._report,
            fatal=self._report_fatal,
        )
        self._spares = SpareMaker(
            self._layout.spare_path,
            options.segment_bytes,
            options.map_bytes,
            self._writer.fill,
            clock,
        )
        self._anchors = AnchorKeeper(
            options.anchor_dirs, opened.manifest.store_id, data_dir, lambda: self._writer.head
        )
        self._anchors.write()

    def start(self) -> None:
        """Begin to take requests; must be called on the event loop that will append."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        self._spares.start()
        self._anchors.start()

    @property
    def head(self) -> Head:
        """The log as its last reported commit left it."""
        return self._head

    @property
    def incarnation(self) -> bytes:
        """The 16 bytes that were drawn when this generation began."""
        return self._incarnation

    @property
    def position(self) -> Position:
        """The newest durable position."""
        return Position(self._head.ordinal, self._head.lineage, self._head.last_lsn)

    @property
    def inflight_bytes(self) -> int:
        """Payload bytes that wait for their commit."""
        return self._inflight_bytes

    def append(
        self, admitted: Admitted, peer: Peer, step: SessionStep | None = None
    ) -> asyncio.Future[Receipt]:
        """Make a request durable and say where it lies; ``ports.Journal`` has the contract."""
        return self._append(admitted.contents, peer, step, ended=admitted.ended)

    def append_control(self, kind: Kind, body: ControlBody) -> asyncio.Future[Receipt]:
        """Make a control record durable, in the order in which this is called.

        Args:
            kind: One of the control kinds.
            body: What msgpack can hold, at most CONTROL_BYTES_MAX when encoded.

        Raises:
            Unavailable: Out of the future: the daemon is stopping, or the commit failed. Retryable.
        """
        return self._append([control(kind, body)], None, None)

    def pulse(self) -> asyncio.Future[Receipt]:
        """Return what is done when the write thread has come by; nothing is written.

        Raises:
            Refused: Out of the future: the daemon is stopping, or a commit that it shared failed.
        """
        assert self._loop is not None
        done: asyncio.Future[Receipt] = self._loop.create_future()
        if self._closed:
            done.set_exception(Unavailable("the daemon is stopping"))
        else:
            self._writer.submit(Pending([], None, None, 0, done))
        return done

    @property
    def open_span_count(self) -> int:
        """Durable open spans of all instances."""
        return self._open_spans.count

    @property
    def failing_anchor_count(self) -> int:
        """How many anchors could not be brought up to date when that was last tried."""
        return self._anchors.failing_count

    @property
    def unwatched_mark_count(self) -> int:
        """Marks that found no room in the table of open spans, since the store was opened."""
        return self._writer.unwatched_mark_count

    def commits(self) -> tuple[int, float]:
        """Return how many groups were made durable since the store was opened, and in what time.

        Returns:
            Their number, and seconds, all together.
        """
        return self._writer.commit_count, self._writer.commit_ns / 1e9

    def open_instances(self) -> dict[bytes, float]:
        """Return the instances with open spans; ``ports.OpenSpanTable`` has the contract."""
        return self._open_spans.instances()

    def open_count(self, instance_id: bytes) -> int:
        """Return how many durable open spans an instance has."""
        return len(self._open_spans.of(instance_id))

    def abandon(self, instance_id: bytes, reason: str) -> asyncio.Future[Receipt]:
        """Write ABANDONED; ``ports.OpenSpanTable`` has the contract."""
        return self._append((), None, None, abandonment=Abandonment(instance_id, reason))

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance; 0 when it is unknown.

        Raises:
            PermissionRefused: The instance is bound to another uid.
        """
        row = self._sessions.row(instance_id, uid)
        return row.last_seq if row is not None else 0

    def newest_token(self) -> str:
        """Return the token of the newest durable record."""
        return self._head.token()

    def close(self) -> None:
        """Commit what is queued, mark a clean end, let go of the store. Blocks."""
        self._closed = True
        self._writer.close()
        self._anchors.close()
        self._spares.close()
        discard(self._layout.next_path)
        self._lock.release()

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        return self._layout

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The registered segments, in log order; the last one may be open."""
        return self._manifest.segments

    def forget(self, gone: Collection[Segment]) -> None:
        """Take segments out of the register, durably; their files are the caller's to remove.

        Raises:
            OSError: The register cannot be written; it is unchanged.
        """
        with self._registering:
            kept = tuple(one for one in self._manifest.segments if one not in gone)
            manifest = replace(self._manifest, segments=kept)
            self._layout.write_manifest(manifest)
            self._manifest = manifest

    def refuse(self, reason: str) -> None:
        """Refuse what clients send from here on, with ``reason``; accept again when it is empty."""
        self._full = reason

    @property
    def accepts(self) -> bool:
        """Whether there is room for what clients send, as far as the last commit showed."""
        return not self._full and (not self._writer.no_room or self.has_room())

    def roll_next(self) -> None:
        """Begin a new segment with the next record."""
        self._writer.roll_next()

    @property
    def wanted_bytes(self) -> int:
        """What the next segment lacks on a full disk; 0 when it was made."""
        return self._options.segment_bytes + SEGMENT_BIRTH_BYTES if self._spares.is_lacking else 0

    def make_spare(self) -> None:
        """Try again to make the next segment, after room was made for it."""
        self._spares.retry()

    def free_bytes(self) -> int:
        """Return what the disk has left for this process."""
        return platform.free_bytes(self._layout.segments_dir)

    def has_room(self) -> bool:
        """Tell whether the disk is not full; see ``writer.SegmentRoll``."""
        return self.free_bytes() >= SEGMENT_BIRTH_BYTES

    def next_segment(self) -> SegmentWriter:
        """Open an empty segment for the writer; see ``writer.SegmentRoll``."""
        if not self.has_room():
            # It could be opened, but neither get its place nor be registered.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path = self._layout.next_path
        self._spares.take(path)
        return SegmentWriter(path, self._options.map_bytes, sync=self._options.sync)

    def born(self, segment: SegmentWriter, first_lsn: int) -> None:
        """Register a segment after its first commit; see ``writer.SegmentRoll``."""
        where = Segment(self._head.ordinal, first_lsn, self._head.lineage)
        with self._registering:
            self._manifest = opening.place(self._layout, self._manifest, where, segment)

    def _append(
        self,
        contents: Sequence[Content],
        peer: Peer | None,
        step: SessionStep | None,
        *,
        ended: Sequence[SpanKey] = (),
        abandonment: Abandonment | None = None,
    ) -> asyncio.Future[Receipt]:
        assert self._loop is not None
        done: asyncio.Future[Receipt] = self._loop.create_future()
        payload_bytes = sum(len(content.payload) for content in contents)
        if not contents and step is None and abandonment is None:
            done.set_result(self._completed(Receipt(0, 0, ZERO, "")))
        elif self._closed:
            done.set_exception(Unavailable("the daemon is stopping"))
        elif self._full and peer is not None:
            done.set_exception(Unavailable(self._full, retry_after_ms=FULL_RETRY_AFTER_MS))
        elif self._inflight_bytes and self._inflight_bytes + payload_bytes > INFLIGHT_BYTES_MAX:
            done.set_exception(Unavailable("too many bytes wait for the disk"))
        else:
            sealed = [seal(content, self._clock) for content in contents]
            self._inflight_bytes += payload_bytes
            pending = Pending(sealed, peer, step, payload_bytes, done, ended, abandonment)
            self._writer.submit(pending)
        return done

    def _completed(self, receipt: Receipt) -> Receipt:
        # Where nothing was stored, the sender still learns the node's newest token.
        if receipt.token:
            return receipt
        return receipt._replace(stamp=self._head.stamp, token=self._head.token())

    def _report(self, group: Group, head: Head) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._settle, group, head)

    def _report_fatal(self, error: Exception) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._fatal, error)

    def _settle(self, group: Group, head: Head) -> None:
        self._head = head
        for pending, outcome in group.outcomes:
            self._inflight_bytes -= pending.payload_bytes
            done = pending.done
            if done.done():
                continue
            if isinstance(outcome, Refused):
                done.set_exception(outcome)
            else:
                done.set_result(self._completed(outcome))
        self._committed(self.position)


def _own(layout: Layout) -> FileLock:
    try:
        return FileLock(layout.lock_path, f"the store in {layout.root}", "data_dir")
    except OSError as error:
        raise ConfigError(
            f"data_dir: cannot write in {layout.root}: {error.strerror}",
            hint="choose a directory that this user may write",
        ) from error
