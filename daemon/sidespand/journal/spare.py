"""The next segment, made ahead by a thread of its own and written once before it is used.

Writing into space that was only allocated makes every commit convert extents through the file
system's journal; zeros written beforehand spare it that (docs/benchmarks.md). They keep ahead of
the open segment's fill, and no faster than that asks, so that they do not compete with commits.
They go past the page cache: pages that were cached would be mapped by LMDB's readers and cost every
later flush a walk over their mappings.
"""

import errno
import logging
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path

from sidespand import platform
from sidespand.clock import Clock
from sidespand.journal import segment
from sidespand.limits import KIB, MIB, PREWRITE_BYTES_PER_S_MIN, SEGMENT_BIRTH_BYTES

_log = logging.getLogger(__name__)
# Anonymous memory starts on a page, as O_DIRECT demands.
_ZEROS = mmap.mmap(-1, MIB)
# O_DIRECT writes whole blocks; the largest that disks have.
_BLOCK_BYTES = 4 * KIB
# An empty segment's own pages lie below this.
_EMPTY_BYTES = 64 * KIB
# The spare is ready when the open segment has this much of itself left.
_LEAD = 1.25


class SpareMaker:
    """Keeps one spare segment in the making.

    Args:
        path: Where it lies until it is taken.
        segment_bytes: How much of it to write.
        map_bytes: Its map size.
        fill: Tells how full the open segment is, 0.0 to 1.0.
        clock: Paces the writing.
    """

    def __init__(
        self,
        path: Path,
        segment_bytes: int,
        map_bytes: int,
        fill: Callable[[], float],
        clock: Clock,
    ) -> None:
        self._path = path
        self._segment_bytes = segment_bytes
        self._map_bytes = map_bytes
        self._fill = fill
        self._clock = clock
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._ready = threading.Lock()
        self._made = False
        self._lacking = False
        self._thread = threading.Thread(target=self._run, name="sidespan-spare", daemon=True)

    def start(self) -> None:
        """Begin making the first spare."""
        self._wanted.set()
        self._thread.start()

    def take(self, destination: Path) -> None:
        """Move a new, empty segment to ``destination`` and start on the next one.

        A spare that is not finished is used as it is; without one, a segment is made here and now.

        Raises:
            OSError: The disk has no room for a segment.
        """
        with self._ready:
            if not self._made:
                self._create()
            self._made = False
            segment.move(self._path, destination)
        self._wanted.set()

    @property
    def is_lacking(self) -> bool:
        """Whether the last try to make a segment found the disk full."""
        return self._lacking

    def retry(self) -> None:
        """Try again to make the next segment, after room was made for it."""
        self._wanted.set()

    def close(self) -> None:
        """Stop; the spare is removed, since nothing is in it."""
        self._stop.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        segment.discard(self._path)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._stop.is_set():
                return
            self._wanted.clear()
            try:
                with self._ready:
                    if self._made:
                        continue
                    self._create()
                    self._made = True
                self._write_ahead()
            except OSError as error:
                _log.warning("cannot make the next segment ahead: %s", error)

    def _create(self) -> None:
        # All of it or nothing: a segment in use must not meet a full disk.
        try:
            if platform.free_bytes(self._path.parent) < self._segment_bytes + SEGMENT_BIRTH_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            segment.create(self._path, self._map_bytes)
            allocate(self._path, self._segment_bytes)
        except OSError as error:
            self._lacking = error.errno in platform.NO_ROOM
            segment.remove(self._path)
            raise
        self._lacking = False

    def _write_ahead(self) -> None:
        try:
            descriptor = _open_direct(self._path, self._segment_bytes)
        except FileNotFoundError:
            # It was taken in the meantime.
            return
        if descriptor is not None:
            try:
                self._zero(descriptor)
            finally:
                os.close(descriptor)

    def _zero(self, descriptor: int) -> None:
        started_ns = self._clock.boottime_ns()
        offset = _EMPTY_BYTES
        while offset + _BLOCK_BYTES <= self._segment_bytes and not self._stop.is_set():
            with self._ready:
                # Once it is taken, its pages belong to the segment's writer.
                if not self._made:
                    return
                offset += os.pwrite(descriptor, _zeros(self._segment_bytes - offset), offset)
            self._pace(started_ns, offset)
        os.fsync(descriptor)

    def _pace(self, started_ns: int, written: int) -> None:
        while not self._stop.is_set():
            elapsed_s = (self._clock.boottime_ns() - started_ns) / 1e9
            asked = self._fill() * _LEAD * self._segment_bytes
            if written <= max(elapsed_s * PREWRITE_BYTES_PER_S_MIN, asked):
                return
            self._stop.wait(0.02)


def allocate(path: Path, size_bytes: int) -> None:
    """Reserve the head of a segment's file.

    Raises:
        OSError: The disk has no room.
    """
    descriptor = os.open(path, os.O_WRONLY)
    try:
        platform.allocate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def write_first(path: Path, written_bytes: int, allocated_bytes: int) -> None:
    """Write the head of a new store's first segment at once, and allocate the rest of it.

    Raises:
        OSError: The disk has no room.
    """
    descriptor = _open_direct(path, allocated_bytes)
    if descriptor is None:
        return
    try:
        offset = _EMPTY_BYTES
        while offset + _BLOCK_BYTES <= written_bytes:
            offset += os.pwrite(descriptor, _zeros(written_bytes - offset), offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_direct(path: Path, allocated_bytes: int) -> int | None:
    # Allocating first tells at once whether the disk has room.
    allocate(path, allocated_bytes)
    try:
        return os.open(path, os.O_WRONLY | os.O_DIRECT)
    except OSError:
        # A memory file system takes no direct writes, and has no extents to convert.
        return None


def _zeros(bytes_max: int) -> memoryview:
    return memoryview(_ZEROS)[: min(MIB, bytes_max // _BLOCK_BYTES * _BLOCK_BYTES)]
