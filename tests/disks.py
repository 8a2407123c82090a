"""A small disk of a test's own, which it may fill without harm to the machine's."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sidespand.limits import KIB
from tests.toolchain import require


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


def fill(path: Path) -> None:
    """Write a file on a disk of its own until there is no room."""
    assert os.path.ismount(path.parent)
    with path.open("wb", 0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(64 * KIB))
    assert os.statvfs(path.parent).f_bavail < 64
