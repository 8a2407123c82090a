"""The ``aitrace_file`` sink: a file for each trace in AITrace's format, and a receipt beside it.

A trace is written once its root has ended and nothing of it has come for a while. Spans that come
later make a new file that holds them all, as long as the earlier ones are remembered; a file that
is there is never changed, but for a redaction.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sidespand import platform
from sidespand.clock import Clock, SystemClock
from sidespand.config import values
from sidespand.limits import PENDING_TRACES_PER_TURN, TRACE_FILE_SPANS_MAX
from sidespand.model import Delivered, Delivery, Gap, Kind, Record, Retry
from sidespand.sinks import aitrace_document, aitrace_pair
from sidespand.sinks.aitrace_document import Anchors, Document
from sidespand.sinks.aitrace_pending import Arrival, Pending, PendingTraces, Waits
from sidespand.sinks.erasing import Ranges
from sidespand.sinks.spec import Generations, Option, SinkType

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_DATABASE = "pending.sqlite3"
# After a failure the disk is asked again so often.
_AGAIN_S = 1.0
_Failure = (OSError, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Settings:
    """How an ``AitraceFileSink`` writes.

    Args:
        directory: Of the files; it is made when it is missing.
        waits: When a trace is written.
        anchors: Who answers for the export.
        trust_span_node: A span's own ``source_node_ref`` wins over the recorder's.
        spans_max: Of one file; a longer trace has several.
    """

    directory: Path
    waits: Waits
    anchors: Anchors
    trust_span_node: bool = False
    spans_max: int = TRACE_FILE_SPANS_MAX


class AitraceFileSink:
    """Implements ``ports.Sink`` and ``ports.Erasable``; must be made on its event loop.

    Delivered means that the spans are durable in the database of what is to be written.

    Args:
        settings: What to write, and when.
        place: The sink's own directory, for that database.
        generations: Gives the body of a generation's GEN record.
        clock: Its boot time decides what is due.
    """

    kinds = frozenset({Kind.SPANS})

    def __init__(
        self, settings: Settings, place: Path, generations: Generations, clock: Clock
    ) -> None:
        self._settings = settings
        self._database_path = place / _DATABASE
        self._generations = generations
        self._clock = clock
        self._pending: PendingTraces | None = None
        self._failed = ""
        # One thread: a step that outlives its cancelled delivery still comes before the next one.
        self._disk = ThreadPoolExecutor(1, "sidespan-aitrace")
        self._changed = asyncio.Event()
        self._closing = False
        self._writer = asyncio.get_running_loop().create_task(self._write_as_due())

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Remember the spans durably, and write the traces that are due."""
        try:
            await self._on_disk(self._take, records)
            await self._on_disk(self._write_due)
        except _Failure as error:
            await self._on_disk(self._drop)
            return Retry(f"{self._settings.directory}: {error}")
        self._changed.set()
        return Delivered()

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Take redacted spans out of the database and of every file, as ``ports.Erasable`` asks."""
        try:
            await self._on_disk(self._erase, gone)
        except sqlite3.Error as error:
            raise OSError(f"{self._database_path}: {error}") from error

    async def close(self) -> None:
        """Wait for the last write and let go; what is not due stays for the next start."""
        if self._closing:
            return
        self._closing = True
        self._changed.set()
        await self._writer
        await self._on_disk(self._drop)
        self._disk.shutdown(wait=False)

    async def _write_as_due(self) -> None:
        while not self._closing:
            self._changed.clear()
            wait_s: float | None = _AGAIN_S
            try:
                wait_s = await self._on_disk(self._write_due)
                self._failed = ""
            except _Failure as error:
                if not self._failed:
                    _log.warning("%s: %s; trying again", self._settings.directory, error)
                self._failed = str(error)
                await self._on_disk(self._drop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _on_disk(self, step: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, step, *arguments)

    def _open(self) -> PendingTraces:
        if self._pending is None:
            directory = self._settings.directory
            if not directory.is_dir():
                directory.mkdir(parents=True, mode=0o700)
                platform.sync_directory(directory.parent)
            aitrace_pair.clear(directory)
            self._pending = PendingTraces(
                self._database_path,
                self._settings.waits,
                self._settings.spans_max,
                self._clock.boottime_ns(),
            )
        return self._pending

    def _drop(self) -> None:
        if self._pending is not None:
            self._pending.close()
            self._pending = None

    def _take(self, records: Sequence[Record]) -> None:
        self._open().add(self._arrivals(records), self._clock.boottime_ns())

    def _arrivals(self, records: Sequence[Record]) -> Iterator[Arrival]:
        trust = self._settings.trust_span_node
        for record in records:
            header = record.header
            generation = self._generations(header.lineage, header.boot_generation)
            for row in aitrace_document.rows(record, generation, trust_span_node=trust):
                node = aitrace_document.evidence(
                    row.trace["trace_id"], generation, header.boot_generation, row.lsn, row.stamp
                )
                node["seconds"] = row.stamp.wall_ns // 10**9
                yield Arrival(
                    row.trace_id, record.ordinal, header.lineage, row.lsn, row.is_root,
                    row.start_ns, row.span, row.trace, node,
                )  # fmt: skip

    def _write_due(self) -> float | None:
        pending = self._open()
        while due := pending.due(self._clock.boottime_ns(), PENDING_TRACES_PER_TURN):
            self._write([one for one in due if one.unwritten], pending)
            pending.settle(due, self._clock.boottime_ns())
        next_ns = pending.next_due_ns()
        if next_ns is None:
            return None
        return max(0.0, (next_ns - self._clock.boottime_ns()) / 1e9)

    def _write(self, due: Sequence[Pending], pending: PendingTraces) -> None:
        directory, anchors = self._settings.directory, self._settings.anchors
        written: list[tuple[Document, Document]] = []
        for one in due:
            node = dict(one.node)
            lineage, first, last = pending.places(one.trace)
            name = aitrace_pair.file_name(one.trace, node.pop("seconds"), lineage, first, last)
            if aitrace_pair.is_whole(directory, name):
                continue
            head = aitrace_document.head(
                one.head, node, one.start_ns, anchors, self._clock.wall_ns()
            )
            spans = pending.bodies(one.trace)
            written.append((head, aitrace_pair.write_trace(directory, name, head, spans)))
        if not written:
            return
        platform.sync_directory(directory)
        for head, artifact in written:
            aitrace_pair.write_receipt(directory, head, artifact, anchors.evidence_owner_ref)
        platform.sync_directory(directory)

    def _erase(self, gone: Sequence[Gap]) -> None:
        self._open().erase(gone)
        directory, ranges = self._settings.directory, Ranges(gone)
        owner = self._settings.anchors.evidence_owner_ref
        changed = [
            name
            for name in list(aitrace_pair.artifacts(directory))
            if aitrace_pair.without_spans(directory, name, ranges.hold, owner)
        ]
        if changed:
            platform.sync_directory(directory)


def _make(options: Mapping[str, Any], place: Path, generations: Generations) -> AitraceFileSink:
    settings = Settings(
        options["directory"] or place / "traces",
        Waits(options["quiet"], options["idle"], options["late"]),
        Anchors(options["release_manifest_ref"], options["evidence_owner_ref"]),
        trust_span_node=options["trust_span_node_ref"],
    )
    return AitraceFileSink(settings, place, generations, SystemClock())


AITRACE_FILE = SinkType(
    {
        "directory": Option(values.absolute_path),
        "quiet": Option(values.duration_s, 2.0),
        "idle": Option(values.duration_s, 60.0),
        "late": Option(values.duration_s, 600.0),
        "release_manifest_ref": Option(values.anchor_ref),
        "evidence_owner_ref": Option(values.anchor_ref),
        "trust_span_node_ref": Option(values.boolean, default=False),
    },
    _make,
    always_redacts=True,
)
