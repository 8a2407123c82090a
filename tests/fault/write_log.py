"""``python -m tests.fault.write_log PLACE LOG SIZE``: a disk that logs every write and every flush.

``PLACE/disk`` is a file of SIZE bytes, kept in ``LOG.base`` as it was at first; a loop device on it
turns a file system's flushes into fsync (fuse(4)). What is written to ``PLACE/marks`` stands in the
log between them. Requests are taken one at a time, so the log has the order in which they came.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from tests.daemon import STOP_S_MAX, wait_until
from tests.fault.fuse import FuseServer
from tests.toolchain import require

_HEAD = struct.Struct(">BQI")
_SECTOR_BYTES = 512


class What(IntEnum):
    """One entry of the log."""

    WRITE = 1
    FLUSH = 2
    MARK = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """What came to the disk.

    Args:
        what: A write, a flush, or a mark.
        offset: Of a write, in bytes.
        data: Of a write or a mark.
    """

    what: What
    offset: int
    data: bytes


def entries(log: Path) -> list[Entry]:
    """Return what came to the disk, in its order."""
    found = []
    with log.open("rb") as source:
        while head := source.read(_HEAD.size):
            what, offset, length = _HEAD.unpack(head)
            found.append(Entry(What(what), offset, source.read(length)))
    return found


def images(
    log: Sequence[Entry], base: Path, image: Path, count: int, rng: random.Random
) -> Iterator[int]:
    """Make ``image`` what a power cut may leave, at ``count`` points of the log, one by one.

    All that came before the last flush is there. Of what came after it, some writes are there, in
    any order and some of them torn between sectors, as a disk's volatile cache leaves them.

    Yields:
        How many entries of the log had come when the power went.
    """
    first = next(number for number, one in enumerate(log) if one.what is What.MARK)
    with base.open("r+b") as durable:
        flushed = 0
        for cut in sorted(rng.sample(range(first, len(log)), count)):
            barrier = max(
                (number for number in range(flushed, cut) if log[number].what is What.FLUSH),
                default=flushed,
            )
            for one in log[flushed:barrier]:
                if one.what is What.WRITE:
                    os.pwrite(durable.fileno(), one.data, one.offset)
            flushed = barrier
            subprocess.run(["cp", "--sparse=always", str(base), str(image)], check=True)
            cached = [one for one in log[barrier:cut] if one.what is What.WRITE]
            with image.open("r+b") as disk:
                for one in _kept(cached, rng):
                    os.pwrite(disk.fileno(), one.data, one.offset)
            yield cut


def _kept(cached: list[Entry], rng: random.Random) -> list[Entry]:
    # From all of them to none, and in between each by a chance of its own.
    chance = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0])
    kept = [one for one in cached if rng.random() < chance]
    if kept and rng.random() < 0.5:
        torn = rng.randrange(len(kept))
        sectors = len(kept[torn].data) // _SECTOR_BYTES
        length = rng.randint(0, sectors) * _SECTOR_BYTES
        kept[torn] = Entry(What.WRITE, kept[torn].offset, kept[torn].data[:length])
    return kept


@contextmanager
def logging_disk(place: Path, log: Path, size_bytes: int) -> Iterator[Path]:
    """Yield a file whose writes and flushes are logged; ``marks`` lies beside it, in ``place``.

    What it holds at first is in ``log`` with the suffix ``.base``.
    """
    require(os.geteuid() == 0, "root", "run the tests as root to mount a disk")
    require(Path("/dev/fuse").exists(), "/dev/fuse", "modprobe fuse")
    place.mkdir()
    with log.with_suffix(".out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.write_log", str(place), str(log), str(size_bytes)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until((place / "disk").exists, STOP_S_MAX, f"{place} to be mounted")
        yield place / "disk"
    finally:
        if os.path.ismount(place):
            subprocess.run(["umount", str(place)], check=True, timeout=60)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def main(place: Path, log: Path, size_bytes: int) -> None:
    """Be the disk until it is unmounted."""
    live = log.with_suffix(".live")
    shutil.copyfile(log.with_suffix(".base"), live)
    with live.open("r+b", 0) as disk, log.open("wb") as written:
        server = FuseServer(place, [("disk", size_bytes), ("marks", 0)])

        def write(name: str, offset: int, data: bytes) -> None:
            if name == "disk":
                os.pwrite(disk.fileno(), data, offset)
            enter(What.WRITE if name == "disk" else What.MARK, offset, data)

        def enter(what: What, offset: int = 0, data: bytes = b"") -> None:
            written.write(_HEAD.pack(what, offset, len(data)) + data)

        server.serve(
            read=lambda _, offset, size: os.pread(disk.fileno(), size, offset),
            write=write,
            flush=lambda _: enter(What.FLUSH),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
