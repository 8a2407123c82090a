"""Opening a store: find the end of the log, decide where it goes on, begin a new generation there.

Order, each step before the next: own lock; manifest; sizes of files; head and last record of the
newest segment; anchors and place; the generation's first transaction; that segment's registration.
What cannot be read stops the start, and nothing is ever reset.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidespand import platform
from sidespand.clock import Clock
from sidespand.errors import ConfigError, SidespanError, StoreUnreadable
from sidespand.journal import anchor, continuation, end, generation, restored, spare
from sidespand.journal import place as places
from sidespand.journal import segment as segments
from sidespand.journal.continuation import Continuation, Surroundings
from sidespand.journal.end import End
from sidespand.journal.generation import Generation
from sidespand.journal.layout import Layout, Manifest, Segment, register
from sidespand.journal.segment import CommitFailed, SegmentWriter
from sidespand.journal.segment_file import inspect
from sidespand.journal.state import Head, SessionRow
from sidespand.limits import PREWRITE_FIRST_BYTES, SEGMENT_MAP_SLACK_BYTES
from sidespand.model import ControlBody, NodeIdentity, OpenSpan

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a store is opened.

    Args:
        segment_bytes: Roll size of a segment.
        segment_age_s: Roll age of a segment, in seconds.
        sync: Whether commits wait for the disk. Without it an acknowledgement promises nothing.
        allow_remote: Open on a network file system all the same.
        accept_move: Go on in another place than the last generation's, in a new lineage.
        anchor_dirs: Where it is remembered, outside the store, how far the store has come.
        exposed: Addresses at which anybody may write, for the record.
        capture: What the doors keep of what they take, for the record.
    """

    segment_bytes: int
    segment_age_s: float
    sync: bool = True
    allow_remote: bool = False
    accept_move: bool = False
    anchor_dirs: tuple[Path, ...] = ()
    exposed: tuple[str, ...] = ()
    capture: str = ""

    @property
    def map_bytes(self) -> int:
        """The map size of every segment."""
        return self.segment_bytes + SEGMENT_MAP_SLACK_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is ready to be written.

    Args:
        manifest: As it is on disk.
        segment: The newest one.
        head: With the generation's first records.
        sessions: Where client instances stand.
        generation_row: The state row that names the generation.
        begun: The body of the LINEAGE record with which it was opened; None when its lineage goes
            on.
    """

    manifest: Manifest
    segment: SegmentWriter
    head: Head
    sessions: Mapping[bytes, SessionRow]
    open_spans: Sequence[OpenSpan]
    generation_row: tuple[bytes, bytes]
    begun: ControlBody | None


def prepare_directory(layout: Layout, *, allow_remote: bool) -> None:
    """Make the data directory, and refuse one that cannot keep the promise.

    Raises:
        ConfigError: It cannot be made, or lies on a network file system.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        layout.segments_dir.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"data_dir: cannot make {layout.segments_dir}: {error.strerror}",
            hint="choose a directory that this user may write",
        ) from error
    remote = platform.remote_filesystem(layout.root)
    if remote is not None and not allow_remote:
        raise ConfigError(
            f"data_dir: {layout.root} is on a {remote} file system, where LMDB is not safe",
            hint="choose a local disk, or set journal.allow_remote = true",
        )


def open_store(layout: Layout, options: Options, identity: NodeIdentity, clock: Clock) -> Opened:
    """Open the store in ``layout``, or make one; its lock must be held.

    Returns:
        The store in a new generation, whose GEN record is durable; in a new lineage, where the
        store went backwards or was moved with leave.

    Raises:
        StoreUnreadable: The end of the log cannot be read. Nothing was changed.
        StoreMoved: It is not where its last generation was. Nothing was changed.
        StoreTooNew: A later version wrote it. Nothing was changed.
    """
    refuse_copies(layout)
    manifest = layout.read_manifest()
    if manifest is None:
        _refuse_emptied(layout)
        # First of all, so that a start which is cut short here does not look like a lost manifest.
        manifest = Manifest(clock.random_bytes(16).hex(), ())
        _tell_of_lost(layout, options, manifest.store_id)
        try:
            layout.write_manifest(manifest)
        except OSError as error:
            raise _cannot_write(layout.manifest_path, error) from error
    found = end.find(layout, manifest)
    start = _continuation(layout, options, manifest.store_id, found, clock)
    path = _make_segment(layout, options) if start.is_new_lineage else layout.path(start.segment)
    writer = _writer(path, options)
    try:
        begun, generation_row = generation.begin(
            Generation(
                head=start.head,
                origin=start.origin,
                clean=found is None or found.clean,
                sync=options.sync,
                exposed=options.exposed,
                capture=options.capture,
                store_id=manifest.store_id,
                place=places.read(layout.segments_dir),
                identity=identity,
            ),
            writer,
            start.carried,
            clock,
        )
        registered = _placed(layout, manifest, start.segment, writer)
        # From here on the log itself says so.
        layout.restored_path.unlink(missing_ok=True)
    except SidespanError:
        writer.close()
        raise
    origin = start.origin if start.is_new_lineage else None
    open_spans = found.open_spans if found is not None else ()
    return Opened(registered, writer, begun, start.sessions, open_spans, generation_row, origin)


def refuse_copies(layout: Layout) -> None:
    """Refuse a backup, and what a backup or a restore has not finished: nothing writes to those.

    Raises:
        StoreUnreadable: It is one of these. Nothing was changed.
    """
    if layout.unfinished_path.exists():
        raise layout.unfinished()
    if layout.backup_path.exists():
        raise StoreUnreadable(
            f"data_dir: {layout.root} is a backup, which nothing writes to",
            hint=f"`sidespan restore {layout.root} DIR` makes a store of it",
        )


def _refuse_emptied(layout: Layout) -> None:
    # Only a store has sinks that have come somewhere.
    cursor = min(layout.sinks_dir.glob("*/cursor.json"), default=None)
    if cursor is not None:
        raise StoreUnreadable(
            f"{layout.manifest_path} and every segment are missing, but {cursor} tells of a store",
            hint="put them back, or `sidespan restore BACKUP DIR` in another directory; if it is"
            f" given up, remove {layout.sinks_dir} and start anew; nothing was changed",
        )


def _tell_of_lost(layout: Layout, options: Options, store_id: str) -> None:
    for one in anchor.of_lost(options.anchor_dirs, store_id, layout.root):
        _log.error(
            "nothing is left of the store %s, which was in %s and had come to %s:%d: a new store"
            " begins there",
            one.store_id,
            one.data_dir,
            one.lineage.hex(),
            one.lsn,
        )


def place(layout: Layout, manifest: Manifest, segment: Segment, writer: SegmentWriter) -> Manifest:
    """Give a segment its place and register it; nobody may be told before of what it holds.

    It comes there with its first commit inside: a reader takes the log before it to end where it
    begins, and after a crash it is there as a whole or not at all.

    Returns:
        The manifest as it is on disk afterwards.

    Raises:
        OSError: The directory or the manifest cannot be written.
    """
    writer.move(layout.path(segment))
    registered = register(manifest, segment)
    if registered != manifest:
        layout.write_manifest(registered)
    return registered


def _placed(
    layout: Layout, manifest: Manifest, segment: Segment, writer: SegmentWriter
) -> Manifest:
    try:
        registered = place(layout, manifest, segment, writer)
        for directory in (layout.segments_dir, layout.root.parent):
            platform.sync_directory(directory)
    except OSError as error:
        raise _cannot_write(layout.root, error) from error
    return registered


def _cannot_write(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"data_dir: cannot write {path}: {error.strerror}",
        hint="free space, or choose a directory that this user may write",
    )


def _continuation(
    layout: Layout, options: Options, store_id: str, found: End | None, clock: Clock
) -> Continuation:
    if found is None:
        return continuation.first(clock)
    around = Surroundings(
        data_dir=str(layout.root),
        place=places.read(layout.segments_dir),
        anchors=anchor.read(options.anchor_dirs, store_id),
        tag_at=lambda one: end.tag_at(layout, one.lineage, one.lsn),
        boot_id=platform.boot_id(),
        accept_move=options.accept_move,
        restored=restored.read(layout),
    )
    return continuation.after(found, around, clock)


def _make_segment(layout: Layout, options: Options) -> Path:
    try:
        segments.create(layout.next_path, options.map_bytes)
        spare.write_first(
            layout.next_path,
            min(PREWRITE_FIRST_BYTES, options.segment_bytes),
            options.segment_bytes,
        )
    except OSError as error:
        raise ConfigError(
            f"data_dir: no room for a segment of {options.segment_bytes} bytes: {error.strerror}",
            hint="free space, or set a smaller journal.segment_bytes",
        ) from error
    return layout.next_path


def _writer(path: Path, options: Options) -> SegmentWriter:
    # A segment keeps the map that it was made with, should the configured one be smaller by now.
    map_bytes = max(options.map_bytes, inspect(path).map_bytes)
    try:
        return SegmentWriter(path, map_bytes, sync=options.sync)
    except CommitFailed as error:
        raise StoreUnreadable(
            str(error), hint="check that this user owns the file, and `df -h`; nothing was changed"
        ) from error
