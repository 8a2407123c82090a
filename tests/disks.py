"""Small disks of a test's own, to fill and to break without harm to the machine's."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sidespand.limits import KIB, MIB
from tests.daemon import wait_until
from tests.toolchain import require

_SIZE_BYTES = {"ext4": 64 * MIB, "xfs": 320 * MIB}
_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-e", "remount-ro"],
    # Below 300 MiB mkfs.xfs refuses; the file is sparse.
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
_PACKAGE = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}
# FS_IOC_SHUTDOWN and the flag by which the file system's own log is lost as well
# (ioctl_xfs_goingdown(2)).
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_UNMOUNT_S_MAX = 15.0
_CLOSE_S_MAX = 60.0


@contextlib.contextmanager
def mounted(place: Path, size_bytes: int) -> Iterator[Path]:
    """Yield ``place`` as a disk of ``size_bytes``; it is unmounted afterwards."""
    require(os.geteuid() == 0, "root", "run the tests as root to mount a disk")
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "sidespan-test", str(place)],
        check=True,
    )
    try:
        # Were it not mounted, the test would fill the machine's own disk.
        assert os.path.ismount(place)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def crowd(path: Path) -> None:
    """Write a file on a disk of its own until there is no room; others may make some meanwhile."""
    assert os.path.ismount(path.parent)
    free = os.statvfs(path.parent)
    with path.open("wb", 0) as filler, contextlib.suppress(OSError):
        # Most of it at once, where the file system can.
        with contextlib.suppress(OSError):
            os.posix_fallocate(filler.fileno(), 0, max(free.f_bavail * free.f_frsize, 1))
        filler.seek(0, os.SEEK_END)
        while True:
            filler.write(bytes(64 * KIB))


def fill(path: Path) -> None:
    """Write a file on a disk of its own until there is no room."""
    crowd(path)
    assert os.statvfs(path.parent).f_bavail < 64


class Volume:
    """A file system of its own on a loop device, whose power can be cut.

    Args:
        image: The file that is the disk.
        place: Where it is mounted.
        kind: ``ext4`` or ``xfs``.
    """

    def __init__(self, image: Path, place: Path, kind: str) -> None:
        self.image = image
        self.place = place
        self.kind = kind

    def mount(self, *options: str) -> None:
        """Mount it; what its log holds is recovered."""
        given = ",".join(("loop", *options))
        subprocess.run(
            ["mount", "-t", self.kind, "-o", given, str(self.image), str(self.place)],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        # Were it not mounted, the test would write to the machine's own disk.
        assert os.path.ismount(self.place)

    def unmount(self) -> None:
        """Unmount it, as soon as nobody has it open, and wait until it is closed.

        A mount namespace that was made meanwhile has a copy of the mount. While that lives, the
        same image would be mounted again as it was left, instead of as it lies on the disk.
        """
        backing = Path("/sys/block", self.device().name, "loop/backing_file")

        def gone() -> bool:
            ended = subprocess.run(["umount", str(self.place)], capture_output=True, check=False)
            return ended.returncode == 0

        def closed() -> bool:
            try:
                return backing.read_text(encoding="utf-8").strip() != str(self.image)
            except OSError:
                return True

        wait_until(gone, _UNMOUNT_S_MAX, f"{self.place} to be let go of")
        wait_until(closed, _CLOSE_S_MAX, f"{self.image} to be closed")

    def device(self) -> Path:
        """Return the loop device that it is mounted from."""
        found = subprocess.run(
            ["findmnt", "-n", "-o", "SOURCE", "--mountpoint", str(self.place)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return Path(found.stdout.strip())

    def cut_power(self) -> None:
        """Have it forget at once all that was not flushed; every later call fails with EIO."""
        assert os.path.ismount(self.place)
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def start_again(self) -> None:
        """Unmount it after a power cut, and mount it as the next boot does."""
        self.unmount()
        self.mount()


def make_image(image: Path, kind: str, *options: str, size_bytes: int | None = None) -> None:
    """Make a file that holds an empty file system; arguments as in ``formatted``."""
    require(os.geteuid() == 0, "root", "run the tests as root to mount a disk")
    require(Path("/dev/loop-control").exists(), "the loop device", "modprobe loop")
    require(shutil.which(_MAKE[kind][0]), _MAKE[kind][0], f"apt install {_PACKAGE[kind]}")
    with image.open("wb") as disk:
        disk.truncate(size_bytes or _SIZE_BYTES[kind])
    subprocess.run([*_MAKE[kind], *options, str(image)], check=True, capture_output=True)


@contextlib.contextmanager
def formatted(
    place: Path, kind: str, *options: str, size_bytes: int | None = None
) -> Iterator[Volume]:
    """Yield a new volume, mounted at ``place``; it is unmounted afterwards.

    Args:
        place: Made here.
        kind: ``ext4`` or ``xfs``.
        options: Further ones of mkfs.
        size_bytes: Of the disk; the least that its kind takes in good order by default.
    """
    image = place.with_name(place.name + f".{kind}")
    make_image(image, kind, *options, size_bytes=size_bytes)
    place.mkdir()
    volume = Volume(image, place, kind)
    volume.mount()
    place.chmod(0o700)
    try:
        yield volume
    finally:
        if os.path.ismount(place):
            volume.unmount()
