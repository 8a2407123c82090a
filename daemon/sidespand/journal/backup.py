"""Copies a store: out of one that may be written all the while, and back into an empty directory.

A copy has the form of a store, so every command that reads a store reads it, too. It is begun with
the file UNFINISHED, which goes last of all: until then nothing opens it, and the same command
begins it anew.

Segments are copied from the oldest to the newest, so that the newest tells why an older one was
trimmed meanwhile. Were segments added, removed or rewritten while the newest was copied, what has
changed is copied again, until nothing has: the copy is the store at one moment.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidespand import platform
from sidespand.errors import ConfigError, NotFound, StoreUnreadable, Unavailable
from sidespand.files import replace_file
from sidespand.journal import restored, segment, segment_file
from sidespand.journal.end import find
from sidespand.journal.layout import Layout, Manifest, Segment
from sidespand.journal.restored import Restored
from sidespand.journal.segment import SegmentReader
from sidespand.journal.segment_file import SegmentDamaged
from sidespand.limits import BACKUP_ROUNDS_MAX, MIB, SEGMENT_BIRTH_BYTES

FORMAT = 1
# What is copied of the sinks: where each one stands, and what it refused.
SINK_FILES = ("cursor.json", "dead-letters.jsonl")
_SALT = "spill.salt"
_CHUNK_BYTES = 4 * MIB


@dataclass(frozen=True, slots=True)
class Copied:
    """A segment in a copy.

    Args:
        segment: Which one.
        size_bytes: Of its file.
        sha256: Of its file, in lower hex.
        inode: Of the file that it is of: a segment that was rewritten has another one.
    """

    segment: Segment
    size_bytes: int
    sha256: str
    inode: int


# Told of a file and its size before it is copied.
Progress = Callable[[str, int], None]
_Copy = Callable[[Layout, Layout, Segment], Copied]


def back_up(source: Layout, target: Layout, progress: Progress) -> list[Copied]:
    """Copy a store, as it is at one moment, to an empty directory; done when it is durable.

    The directory is UNFINISHED still, so that it can be checked first; ``finish`` ends that.

    Args:
        source: A daemon may run it.
        target: Its directory is made when it is missing.
        progress: Told of each file.

    Raises:
        NotFound: There is no store.
        ConfigError: The target is not empty, or in the store, and nothing was changed; or it has no
            room.
        Unavailable: The store changed faster than it could be copied. Retryable.
        OSError: A file cannot be read or written.
    """
    manifest = source.read_manifest()
    if manifest is None:
        raise NotFound(f"there is no store in {source.root}", hint="name it with --data DIR")
    claim(target, source)
    _copy_sinks(source, target)
    found: dict[Segment, Copied] = {}
    for _ in range(BACKUP_ROUNDS_MAX):
        before = _state(source)
        _copy_segments(source, target, before[0], found, progress)
        if _state(source) == before:
            break
    else:
        raise Unavailable(
            "the store changes faster than it can be copied", hint="try again when it is calmer"
        )
    copied = [found[one] for one, _ in before[0]]
    for due, path in zip(before[1], _due(target), strict=True):
        if due:
            replace_file(path, due)
    _write_list(target, manifest.store_id, copied)
    _seal(target, Manifest(manifest.store_id, tuple(one.segment for one in copied)))
    return copied


def restore(source: Layout, target: Layout, progress: Progress) -> list[Copied]:
    """Make a store of a backup, in an empty directory; done when it is durable.

    Its first start begins a new lineage that points to where the backup ends. The directory is
    UNFINISHED still, as ``back_up`` says.

    Args:
        source: The backup; it is not changed.
        target: Its directory is made when it is missing.
        progress: Told of each file.

    Raises:
        NotFound: There is no backup.
        StoreUnreadable: A file of the backup is not what was written, or its end cannot be read.
        ConfigError: The target is not empty, or in the backup, and nothing was changed; or it has
            no room.
        OSError: A file cannot be read or written.
    """
    listed = _read_list(source)
    try:
        manifest = source.read_manifest()
        end = find(source, manifest) if manifest is not None else None
    except StoreUnreadable as error:
        raise _damaged(source, str(error)) from error
    if manifest is None:
        raise _damaged(source, f"{source.manifest_path} and all segments are missing")
    claim(target, source)
    _check_room(source, target, manifest.segments)
    _copy_sinks(source, target)
    copied = []
    for one in manifest.segments:
        path = source.path(one)
        if not path.exists():
            raise _damaged(source, f"{path} is missing")
        progress(one.name, path.stat().st_size)
        made = _copied(_copy_closed, source, target, one)
        if made.sha256 != listed.get(one.name):
            raise _damaged(source, f"{path} is not what the backup wrote")
        copied.append(made)
    for mine, theirs in zip(_due(target), _due(source), strict=True):
        if theirs.exists():
            replace_file(mine, theirs.read_bytes())
    if end is not None:
        note = Restored(end.head.lineage, end.head.last_lsn, f"uid:{os.geteuid()}")
        restored.write(target, note)
    _seal(target, manifest)
    return copied


def finish(target: Layout) -> None:
    """Let a copy be used from here on; durable when this returns."""
    target.unfinished_path.unlink()
    platform.sync_directory(target.root)


def claim(target: Layout, source: Layout) -> None:
    """Make a directory the place of a copy; what an unfinished one left there is removed.

    Raises:
        ConfigError: It is not empty, or one of the two lies in the other. Nothing was changed.
        OSError: It cannot be made or written.
    """
    root, other = target.root.resolve(), source.root.resolve()
    if root == other or root in other.parents or other in root.parents:
        raise ConfigError(
            f"{target.root}: a copy cannot lie in {source.root}, nor the other way round",
            hint="name a directory elsewhere, on another disk at best",
        )
    made = list(_missing(target.root))
    target.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for directory in made:
        platform.sync_directory(directory.parent)
    entries = list(target.root.iterdir())
    if entries and not target.unfinished_path.exists():
        raise ConfigError(
            f"{target.root} is not empty", hint="name a directory that is empty or not there yet"
        )
    for entry in entries:
        if entry == target.unfinished_path:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    # The very first entry, and in one step: whatever is beside it is ours.
    os.close(os.open(target.unfinished_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    platform.sync_directory(target.root)
    target.segments_dir.mkdir(mode=0o700)


def _missing(directory: Path) -> Iterator[Path]:
    while not directory.exists():
        yield directory
        directory = directory.parent


_State = tuple[Sequence[tuple[Segment, int]], tuple[bytes, ...]]


def _state(source: Layout) -> _State:
    # Which files the store is made of, and what it still has to do with them.
    manifest = source.read_manifest()
    registered = manifest.segments if manifest is not None else ()
    oldest = min(registered, default=None)
    found = []
    for one in source.segments():
        # An older one was trimmed, and is about to go.
        if oldest is None or one >= oldest:
            try:
                found.append((one, source.path(one).stat().st_ino))
            except FileNotFoundError:
                continue
    return found, tuple(_content(path) for path in _due(source))


def _due(layout: Layout) -> tuple[Path, ...]:
    return (layout.redaction_path, layout.salvaged_path)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _copy_segments(
    source: Layout,
    target: Layout,
    wanted: Sequence[tuple[Segment, int]],
    found: dict[Segment, Copied],
    progress: Progress,
) -> None:
    for gone in found.keys() - {one for one, _ in wanted}:
        segment.remove(target.path(gone))
        del found[gone]
    _check_room(source, target, [one for one, _ in wanted if one not in found])
    newest = wanted[-1][0] if wanted else None
    # The newest of the round before may have grown.
    grown = max(found, default=None)
    for one, inode in wanted:
        known = found.get(one)
        if known is not None and known.inode == inode and one not in (newest, grown):
            continue
        try:
            progress(one.name, source.path(one).stat().st_size)
            copy = _copy_open if one == newest else _copy_closed
            found[one] = _copied(copy, source, target, one)
        except FileNotFoundError:
            # It was trimmed, or took another place: the next round knows.
            found.pop(one, None)


def _check_room(source: Layout, target: Layout, wanted: Iterable[Segment]) -> None:
    needed = sum(_used_bytes(source.path(one)) + SEGMENT_BIRTH_BYTES for one in wanted)
    free = platform.free_bytes(target.root)
    if free < needed:
        raise ConfigError(
            f"{target.root}: {needed} bytes are needed, {free} are free",
            hint="name a directory on a larger disk",
        )


def _used_bytes(path: Path) -> int:
    try:
        return min(segment_file.inspect(path).used_bytes, path.stat().st_size)
    except SegmentDamaged:
        # What is there is copied as it is.
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _copied(copy: _Copy, source: Layout, target: Layout, one: Segment) -> Copied:
    try:
        return copy(source, target, one)
    except OSError as error:
        if error.errno not in platform.NO_ROOM:
            raise
        # Somebody else took what was free when it began.
        raise ConfigError(
            f"{target.root}: {error.strerror}, in the middle of {one.name}",
            hint="free space there, and run the same command once more, or name a larger disk",
        ) from error


def _copy_closed(source: Layout, target: Layout, one: Segment) -> Copied:
    path, place = source.path(one), _made(target, one)
    digest = hashlib.sha256()
    left = size = _used_bytes(path)
    with path.open("rb") as file, place.open("wb") as copy:
        inode = os.fstat(file.fileno()).st_ino
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            copy.write(chunk)
            left -= len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    place.chmod(0o600)
    return Copied(one, size - left, digest.hexdigest(), inode)


def _copy_open(source: Layout, target: Layout, one: Segment) -> Copied:
    path, place = source.path(one), _made(target, one)
    locked = segment.lock_path(path).exists()
    try:
        reader = SegmentReader(path, locked=locked)
    except SegmentDamaged:
        return _copy_closed(source, target, one)
    try:
        inode = path.stat().st_ino
        with place.open("wb") as copy:
            reader.copy(copy.fileno())
            os.fsync(copy.fileno())
    finally:
        reader.close()
    place.chmod(0o600)
    with place.open("rb") as copy:
        digest = hashlib.file_digest(copy, "sha256").hexdigest()
        return Copied(one, copy.tell(), digest, inode)


def _made(target: Layout, one: Segment) -> Path:
    place = target.path(one)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    segment.remove(place)
    segment.create_lock(place)
    return place


def _copy_sinks(source: Layout, target: Layout) -> None:
    names = [source.sinks_dir / _SALT]
    names += [path for name in SINK_FILES for path in source.sinks_dir.glob(f"*/{name}")]
    for path in names:
        content = _content(path)
        if content:
            place = target.sinks_dir / path.relative_to(source.sinks_dir)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(place, content)
            place.chmod(0o600)


def _write_list(target: Layout, store_id: str, copied: Collection[Copied]) -> None:
    body = {
        "format": FORMAT,
        "store_id": store_id,
        "made_at_ns": str(time.time_ns()),
        "segments": [
            {"name": one.segment.name, "bytes": one.size_bytes, "sha256": one.sha256}
            for one in copied
        ],
    }
    replace_file(target.backup_path, json.dumps(body, indent=1).encode() + b"\n")


def _read_list(source: Layout) -> dict[str, str]:
    if source.unfinished_path.exists():
        raise StoreUnreadable(
            f"{source.root} is a backup that was not finished", hint="use another one"
        )
    try:
        body: Any = json.loads(source.backup_path.read_bytes())
        if body["format"] != FORMAT:
            raise StoreUnreadable(
                f"{source.backup_path} has format {body['format']}, this version reads {FORMAT}",
                hint="run the version of Sidespan that wrote it, or a later one",
            )
        return {str(one["name"]): str(one["sha256"]) for one in body["segments"]}
    except FileNotFoundError:
        raise NotFound(
            f"there is no backup in {source.root}: it has no {source.backup_path.name}",
            hint="name a directory that `sidespan backup` made",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnreadable(f"{source.backup_path} is damaged", hint="use another one") from error


def _damaged(source: Layout, what: str) -> StoreUnreadable:
    return StoreUnreadable(
        what,
        hint=f"use another backup, or take what is left: `cp -a {source.root} COPY`,"
        f" `rm COPY/{source.backup_path.name}`, `sidespan salvage --data COPY`",
    )


def _seal(target: Layout, manifest: Manifest) -> None:
    # The register last: without one, nothing takes the directory for a store.
    for directory in sorted({target.path(one).parent for one in manifest.segments}):
        platform.sync_directory(directory)
    if target.sinks_dir.exists():
        for directory in (*target.sinks_dir.iterdir(), target.sinks_dir):
            if directory.is_dir():
                platform.sync_directory(directory)
    platform.sync_directory(target.segments_dir)
    target.write_manifest(manifest)
