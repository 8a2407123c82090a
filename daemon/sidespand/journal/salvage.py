"""Puts damaged segments together again from what can be read of them.

    what is lost is on disk                <data>/SALVAGE
    the damaged file has a second name     <data>/quarantine/
    a new file takes its place             every whole record, every sound row
    ─ the next start ─
    DROP records declare what is lost, and the note goes

Where that is cut short, the same command or the next start goes on. The store's own lock is held by
the caller all the while. A log whose end was damaged goes on in a new lineage: what had been behind
that end, nobody knows.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack

from sidespand import platform
from sidespand.errors import NotFound, SidespanError, StoreTooNew, StoreUnreadable
from sidespand.files import replace_file
from sidespand.hlc import ZERO
from sidespand.journal import keys, recovery, segment
from sidespand.journal.layout import Layout, Manifest, Segment
from sidespand.journal.pages import PageFile
from sidespand.journal.recovery import Recovered
from sidespand.journal.segment import SegmentWriter
from sidespand.journal.state import Head
from sidespand.limits import (
    REWRITE_BATCH_BYTES,
    SEGMENT_BIRTH_BYTES,
    SEGMENT_BYTES,
    SEGMENT_MAP_SLACK_BYTES,
)
from sidespand.model import ControlBody

_MAP_BYTES = SEGMENT_BYTES + SEGMENT_MAP_SLACK_BYTES


@dataclass(frozen=True, slots=True)
class Damaged:
    """A segment that is not whole.

    Args:
        segment: Which one.
        recovered: What can be read of it.
        is_missing: Whether its file is gone.
        is_newest: Whether the log ends in it.
    """

    segment: Segment
    recovered: Recovered
    is_missing: bool
    is_newest: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """What is wrong with a store.

    Args:
        manifest: What the register says, or ought to say.
        manifest_is_lost: Whether it has to be made anew.
        damaged: In log order.
    """

    manifest: Manifest
    manifest_is_lost: bool
    damaged: Sequence[Damaged]


def survey(layout: Layout, progress: Callable[[str], None] = lambda _: None) -> Survey:
    """Read every segment of a store that nobody writes; nothing is changed.

    Args:
        layout: Of the store.
        progress: Told of each file before it is read.

    Raises:
        NotFound: There is no store.
        StoreTooNew: A later version wrote it.
        StoreUnreadable: A file may not be read by this user.
    """
    on_disk = layout.segments()
    try:
        manifest = layout.read_manifest()
    except StoreTooNew:
        raise
    except StoreUnreadable:
        manifest = None
    if manifest is None and not on_disk:
        raise NotFound(
            f"there is no store in {layout.root}", hint="name the daemon's data directory"
        )
    registered = manifest.segments if manifest is not None else ()
    # Older ones than the register has were trimmed; the next start removes them.
    oldest = min(registered, default=None)
    expected = sorted({*registered, *(one for one in on_disk if oldest is None or one >= oldest)})
    damaged = list(_damaged(layout, expected, progress))
    if manifest is None:
        found = Manifest(_store_id(layout, expected), tuple(expected))
        return Survey(found, manifest_is_lost=True, damaged=damaged)
    return Survey(manifest, manifest_is_lost=False, damaged=damaged)


def salvage(layout: Layout, found: Survey) -> list[Path]:
    """Repair what a survey found; done when it is durable.

    Returns:
        Where the damaged files lie now.

    Raises:
        SidespanError: There is no room. What was repaired until then is.
        OSError: A file cannot be written. The same.
    """
    largest = max((_size(layout.path(one.segment)) for one in found.damaged), default=0)
    free = platform.free_bytes(layout.segments_dir)
    if found.damaged and free < largest + SEGMENT_BIRTH_BYTES:
        raise SidespanError(
            f"{layout.segments_dir}: no room to write a segment of {largest} bytes anew",
            hint="free space on the disk of data_dir; nothing was changed",
        )
    layout.quarantine_dir.mkdir(mode=0o700, exist_ok=True)
    platform.sync_directory(layout.root)
    places = {one.segment: _place(layout, one.segment) for one in found.damaged}
    bodies = [body for one in found.damaged for body in _bodies(one, places[one.segment].name)]
    if bodies:
        known = due(layout)
        replace_file(
            layout.salvaged_path,
            msgpack.packb(known + [one for one in bodies if one not in known]),
        )
    for one in found.damaged:
        _repair(layout, one, places[one.segment])
    if found.manifest_is_lost:
        if layout.manifest_path.exists():
            _set_aside(layout.manifest_path, layout.quarantine_dir / layout.manifest_path.name)
        layout.write_manifest(found.manifest)
    return [place for one, place in places.items() if place.exists()]


def due(layout: Layout) -> list[ControlBody]:
    """Return the bodies of the DROP records that the log does not hold yet."""
    try:
        raw = layout.salvaged_path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[ControlBody] = msgpack.unpackb(raw)
    return found


def told(layout: Layout) -> None:
    """Note that the log holds all of them by now; durable when this returns."""
    layout.salvaged_path.unlink(missing_ok=True)
    platform.sync_directory(layout.root)


def _damaged(
    layout: Layout, expected: Sequence[Segment], progress: Callable[[str], None]
) -> Iterator[Damaged]:
    earlier: tuple[Segment, Head] | None = None
    for one, following in pairwise([*expected, None]):
        assert one is not None
        progress(one.name)
        path = layout.path(one)
        known = _known(one, earlier)
        before = _before(layout, one, following)
        try:
            recovered = recovery.read(path, one, before, known)
        except OSError as error:
            raise StoreUnreadable(
                f"{path}: {error.strerror}", hint="read it as the user that runs the daemon"
            ) from error
        earlier = (one, recovered.head)
        missing = not path.exists()
        if missing or not recovered.is_whole:
            yield Damaged(one, recovered, missing, following is None)


def _known(one: Segment, earlier: tuple[Segment, Head] | None) -> Head:
    if earlier is not None:
        before, head = earlier
        if before.lineage == one.lineage and head.next_lsn == one.first_lsn:
            return head
    return Head(
        one.ordinal, one.lineage, 0, one.first_lsn, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ()
    )


def _before(layout: Layout, one: Segment, following: Segment | None) -> int | None:
    if following is None:
        return None
    if following.lineage == one.lineage:
        return following.first_lsn
    # The lineage after it says where this one was left.
    nothing = _known(following, None)
    rows = recovery.read(layout.path(following), following, None, nothing).rows
    for key, row in rows.items():
        if keys.parse_generation_key(key) is not None:
            origin = msgpack.unpackb(row).get("origin", {})
            if origin.get("parent_lineage") == one.lineage:
                return int(origin["parent_lsn"]) + 1
    return None


def _store_id(layout: Layout, expected: Sequence[Segment]) -> str:
    # Each generation wrote it down.
    for one in reversed(expected):
        rows = recovery.read(layout.path(one), one, None, _known(one, None)).rows
        for key, row in rows.items():
            if keys.parse_generation_key(key) is not None:
                found = msgpack.unpackb(row).get("store_id")
                if isinstance(found, str):
                    return found
    return os.urandom(16).hex()


def _bodies(one: Damaged, quarantined: str) -> Iterator[dict[str, Any]]:
    for first, last in one.recovered.lost:
        yield {
            "ordinal": one.segment.ordinal,
            "lineage": one.segment.lineage,
            "first_lsn": first,
            "last_lsn": last,
            "reason": "missing" if one.is_missing else "damaged",
            "sinks": [],
            "quarantine": "" if one.is_missing else quarantined,
        }


def _place(layout: Layout, one: Segment) -> Path:
    name = one.name.replace("/", "-")
    place = layout.quarantine_dir / name
    number = 0
    # A salvage that was cut short may have given the file its second name already.
    while place.exists() and not _is_same(place, layout.path(one)):
        number += 1
        place = layout.quarantine_dir / f"{name}.{number}"
    return place


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _repair(layout: Layout, one: Damaged, place: Path) -> None:
    path = layout.path(one.segment)
    scratch = layout.salvage_path
    file = None if one.is_missing else PageFile(path)
    try:
        map_bytes = _map_bytes(file, path)
        segment.create(scratch, map_bytes)
        writer = SegmentWriter(scratch, map_bytes, sync=True)
        try:
            _write(writer, file, one.recovered)
        finally:
            writer.close()
    except BaseException:
        segment.remove(scratch)
        raise
    finally:
        if file is not None:
            file.close()
    if not one.is_missing:
        _set_aside(path, place)
    segment.move(scratch, path)


def _write(writer: SegmentWriter, file: PageFile | None, recovered: Recovered) -> None:
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for kept in recovered.records if file is not None else ():
        value = file.value(kept.node) if file is not None else None
        if value is None:
            raise SidespanError(
                f"{writer.path}: LSN {kept.first_lsn} could be read and cannot any more",
                hint="the disk is failing: copy data_dir elsewhere, then salvage the copy",
            )
        batch.append((keys.record_key(kept.first_lsn), value))
        size += len(value)
        if size >= REWRITE_BATCH_BYTES:
            writer.commit(batch, {})
            batch, size = [], 0
    # The rows at the end, so that a file with a head is a whole one.
    writer.commit(batch, {**recovered.rows, keys.SALVAGED: b"1"})


def _map_bytes(file: PageFile | None, path: Path) -> int:
    meta = file.newest_meta() if file is not None else None
    length = _size(path)
    least = max(_MAP_BYTES, 2 * length)
    # What a damaged page says of it may be anything.
    return meta.map_bytes if meta is not None and length <= meta.map_bytes <= least else least


def _set_aside(path: Path, place: Path) -> None:
    if not place.exists():
        os.link(path, place)
        platform.sync_directory(place.parent)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
