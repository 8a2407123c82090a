"""Opening a store: find the end of the log, check it, and begin a new generation there.

Order, each step before the next: own lock; manifest; sizes of files; head and last record of the
newest segment; the generation's first transaction; that segment's registration. What cannot be read
stops the start, and nothing is ever reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgpack

from sidespand import __version__, platform
from sidespand.clock import Clock
from sidespand.errors import ConfigError, SidespanError, StoreUnreadable
from sidespand.hlc import ZERO
from sidespand.journal import keys, record, spare
from sidespand.journal import segment as segments
from sidespand.journal.layout import Layout, Manifest, Segment, register
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import CommitFailed, SegmentReader, SegmentWriter
from sidespand.journal.segment_file import inspect
from sidespand.journal.stamper import Draft, control, seal
from sidespand.journal.state import (
    Head,
    SessionRow,
    decode_head,
    decode_session,
    encode_head,
)
from sidespand.limits import PREWRITE_FIRST_BYTES, SEGMENT_MAP_SLACK_BYTES
from sidespand.model import Kind, NodeIdentity
from sidespand.token import TAG_BYTES


@dataclass(frozen=True, slots=True)
class Options:
    """How a store is opened.

    Args:
        segment_bytes: Roll size of a segment.
        segment_age_s: Roll age of a segment, in seconds.
        sync: Whether commits wait for the disk. Without it an acknowledgement promises nothing.
        allow_remote: Open on a network file system all the same.
    """

    segment_bytes: int
    segment_age_s: float
    sync: bool = True
    allow_remote: bool = False

    @property
    def map_bytes(self) -> int:
        """The map size of every segment."""
        return self.segment_bytes + SEGMENT_MAP_SLACK_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is ready to be written."""

    manifest: Manifest
    segment: SegmentWriter
    head: Head
    sessions: Mapping[bytes, SessionRow]
    generation_row: tuple[bytes, bytes]


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
        The store in a new generation, whose GEN record is durable.

    Raises:
        StoreUnreadable: The end of the log cannot be read. Nothing was changed.
        StoreTooNew: A later version wrote it. Nothing was changed.
    """
    manifest = layout.read_manifest()
    if manifest is None:
        # First of all, so that a start which is cut short here does not look like a lost manifest.
        manifest = Manifest(clock.random_bytes(16).hex(), ())
        try:
            layout.write_manifest(manifest)
        except OSError as error:
            raise _cannot_write(layout.manifest_path, error) from error
    newest = _newest(layout, manifest)
    if newest is None:
        newest, head = _create(layout, options, clock)
        sessions: Mapping[bytes, SessionRow] = {}
        clean = True
        path = layout.next_path
    else:
        head, sessions, clean = _inspect(layout, newest)
        path = layout.path(newest)
    writer = _writer(path, options)
    try:
        begun, generation_row = _begin_generation(
            writer,
            head,
            clean=clean,
            sync=options.sync,
            store_id=manifest.store_id,
            identity=identity,
            clock=clock,
        )
        registered = _placed(layout, manifest, newest, writer)
    except SidespanError:
        writer.close()
        raise
    return Opened(registered, writer, begun, sessions, generation_row)


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


def _create(layout: Layout, options: Options, clock: Clock) -> tuple[Segment, Head]:
    lineage = clock.random_bytes(8)
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
    empty = Head(1, lineage, 0, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())
    return Segment(1, 1, lineage), empty


def _writer(path: Path, options: Options) -> SegmentWriter:
    # A segment keeps the map that it was made with, should the configured one be smaller by now.
    map_bytes = max(options.map_bytes, inspect(path).map_bytes)
    try:
        return SegmentWriter(path, map_bytes, sync=options.sync)
    except CommitFailed as error:
        raise StoreUnreadable(
            str(error), hint="check that this user owns the file, and `df -h`; nothing was changed"
        ) from error


def _newest(layout: Layout, manifest: Manifest) -> Segment | None:
    registered = manifest.segments[-1] if manifest.segments else None
    if registered is not None and not layout.path(registered).exists():
        raise StoreUnreadable(
            f"{layout.path(registered)} is missing: the newest part of the log is gone",
            hint="restore it from a backup, or choose another data_dir; nothing was changed",
        )
    # One beyond it was in its place, but not registered before a crash. Nothing in it was
    # acknowledged, but readers may have seen it: it is the end.
    return max(layout.segments(), default=None)


def _inspect(layout: Layout, newest: Segment) -> tuple[Head, dict[bytes, SessionRow], bool]:
    # Nobody writes while this process holds the store's lock, and a lock file would be changed.
    reader = SegmentReader(layout.path(newest), locked=False)
    try:
        rows = reader.rows()
        last = reader.last_values(None, 1, 1)
        head = decode_head(rows.get(keys.HEAD, b""))
        sessions = {
            key[1:]: decode_session(row) for key, row in rows.items() if keys.is_session_key(key)
        }
        _check_end(newest, head, last[0][1] if last else None)
    except SidespanError as error:
        raise StoreUnreadable(
            f"{reader.path}: {error}",
            hint="restore it from a backup; nothing was changed",
        ) from error
    finally:
        reader.close()
    return head, sessions, keys.CLEAN in rows


def _check_end(newest: Segment, head: Head, last: bytes | None) -> None:
    if (head.ordinal, head.lineage) != (newest.ordinal, newest.lineage):
        raise DamagedRecord(f"its head is of lineage {head.lineage.hex()}")
    if last is None:
        # Its first commit held only steps of sessions that stored nothing.
        if head.next_lsn != newest.first_lsn:
            raise DamagedRecord(f"it holds no record, its head is at {head.last_lsn}")
        return
    header, _, leaf, _ = record.decode(last)
    if header.last_lsn != head.last_lsn or leaf[:TAG_BYTES] != head.tag:
        raise DamagedRecord(
            f"the last record ends at {header.last_lsn}, its head at {head.last_lsn}"
        )


def _begin_generation(
    writer: SegmentWriter,
    head: Head,
    *,
    clean: bool,
    sync: bool,
    store_id: str,
    identity: NodeIdentity,
    clock: Clock,
) -> tuple[Head, tuple[bytes, bytes]]:
    boot_id = platform.boot_id()
    begun = replace(head, boot_generation=head.boot_generation + 1, boot_id=boot_id)
    body = {
        "boot_generation": begun.boot_generation,
        "incarnation": clock.random_bytes(16),
        "source_node_ref": identity.source_node_ref,
        "node_instance_id": identity.node_instance_id,
        "node_role": identity.node_role,
        "deployment_ref": identity.deployment_ref,
        "cluster_ref": identity.cluster_ref,
        "store_id": store_id,
        "boot_id": boot_id,
        "clean_shutdown": clean,
        "durability": "fsync" if sync else "none",
        "previous_last_lsn": head.last_lsn,
        "hlc_floor": [head.stamp.wall_ns, head.stamp.logical],
        "software": f"sidespan/{__version__}",
    }
    draft = Draft(begun, clock)
    if not head.record_count:
        lineage = {
            "parent_lineage": None,
            "parent_lsn": 0,
            "reason": "created",
            "actor": "sidespand",
        }
        draft.stamp(seal(control(Kind.LINEAGE, lineage), clock), 0, 0)
    draft.stamp(seal(control(Kind.GEN, body), clock), 0, 0)
    after = draft.head()
    generation_row = (keys.generation_key(begun.boot_generation), msgpack.packb(body))
    try:
        writer.commit(
            draft.values,
            {keys.HEAD: encode_head(after), generation_row[0]: generation_row[1], keys.CLEAN: None},
        )
    except SidespanError as error:
        raise StoreUnreadable(
            f"the new generation could not be written: {error}",
            hint="check the disk with `df -h` and `dmesg`; nothing that was acknowledged is lost",
        ) from error
    return after, generation_row
