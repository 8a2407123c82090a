"""Opening a store: find the end of the log, check it, and begin a new generation there.

Order, each step before the next: own lock; manifest; sizes of files; head and last record of the newest segment;
the generation's first transaction. What cannot be read stops the start, and nothing is ever reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgpack

from sidespand import __version__, platform
from sidespand.clock import Clock
from sidespand.errors import ConfigError, SidespanError, StoreUnreadable
from sidespand.hlc import ZERO
from sidespand.journal import keys, record, spare
from sidespand.journal import segment as segments
from sidespand.journal.layout import Layout, Manifest, Segment, register
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader, SegmentWriter
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
        layout.segments_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        return _create(layout, options, identity, clock)
    newest = _newest(layout, manifest)
    head, sessions, clean = _inspect(layout, newest)
    writer = SegmentWriter(layout.path(newest), options.map_bytes, sync=options.sync)
    return _begin_generation(
        writer, manifest, head, sessions, clean=clean, identity=identity, clock=clock
    )


def _create(layout: Layout, options: Options, identity: NodeIdentity, clock: Clock) -> Opened:
    lineage = clock.random_bytes(8)
    first = Segment(1, 1, lineage)
    path = layout.path(first)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        segments.create(path, options.map_bytes)
        spare.write_first(
            path, min(PREWRITE_FIRST_BYTES, options.segment_bytes), options.segment_bytes
        )
    except OSError as error:
        raise ConfigError(
            f"data_dir: no room for a segment of {options.segment_bytes} bytes: {error.strerror}",
            hint="free space, or set a smaller journal.segment_bytes",
        ) from error
    empty = Head(1, lineage, 0, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())
    manifest = register(Manifest(clock.random_bytes(16).hex(), ()), first)
    writer = SegmentWriter(path, options.map_bytes, sync=options.sync)
    opened = _begin_generation(
        writer, manifest, empty, {}, clean=True, identity=identity, clock=clock
    )
    for directory in (path.parent, layout.segments_dir, layout.root, layout.root.parent):
        platform.sync_directory(directory)
    layout.write_manifest(manifest)
    return opened


def _newest(layout: Layout, manifest: Manifest) -> Segment:
    registered = manifest.segments[-1] if manifest.segments else None
    if registered is None or not layout.path(registered).exists():
        missing = layout.path(registered) if registered is not None else layout.segments_dir
        raise StoreUnreadable(
            f"{missing} is missing: the newest part of the log is gone",
            hint="restore it from a backup, or choose another data_dir; nothing was changed",
        )
    # A segment that was born, but not registered before a crash, holds nothing that was acknowledged; if its first
    # commit is there it is the true end, and readers may have seen it.
    for candidate in reversed([s for s in layout.segments() if s > registered]):
        if _has_head(layout, candidate):
            return candidate
    return registered


def _has_head(layout: Layout, candidate: Segment) -> bool:
    try:
        reader = SegmentReader(layout.path(candidate), locked=False)
    except (StoreUnreadable, FileNotFoundError):
        return False
    try:
        return reader.row(keys.HEAD) is not None
    finally:
        reader.close()


def _inspect(layout: Layout, newest: Segment) -> tuple[Head, dict[bytes, SessionRow], bool]:
    reader = SegmentReader(layout.path(newest), locked=True)
    try:
        rows = reader.rows()
        last = reader.last_values(None, 1, 1)
        head = decode_head(rows.get(keys.HEAD, b""))
        sessions = {
            key[1:]: decode_session(row) for key, row in rows.items() if keys.is_session_key(key)
        }
        header, _, leaf, _ = record.decode(last[0][1] if last else b"")
        if header.last_lsn != head.last_lsn or leaf[:16] != head.tag:
            raise DamagedRecord(f"the last record ends at {header.last_lsn}, its head at {head.last_lsn}")
    except SidespanError as error:
        raise StoreUnreadable(
            f"{reader.path}: {error}",
            hint="restore it from a backup; nothing was changed",
        ) from error
    finally:
        reader.close()
    return head, sessions, keys.CLEAN in rows


def _begin_generation(
    writer: SegmentWriter,
    manifest: Manifest,
    head: Head,
    sessions: Mapping[bytes, SessionRow],
    *,
    clean: bool,
    identity: NodeIdentity,
    clock: Clock,
) -> Opened:
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
        "store_id": manifest.store_id,
        "boot_id": boot_id,
        "clean_shutdown": clean,
        "previous_last_lsn": head.last_lsn,
        "hlc_floor": [head.stamp.wall_ns, head.stamp.logical],
        "software": f"sidespan/{__version__}",
    }
    draft = Draft(begun, clock)
    if not head.record_count:
        lineage = {"parent_lineage": None, "parent_lsn": 0, "reason": "created", "actor": "sidespand"}
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
        writer.close()
        raise StoreUnreadable(
            f"the new generation could not be written: {error}",
            hint="check the disk with `df -h` and `dmesg`; nothing that was acknowledged is lost",
        ) from error
    return Opened(manifest, writer, after, sessions, generation_row)
