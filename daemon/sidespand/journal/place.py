"""Where a store lies: what stays when its directory is renamed, and no copy of it has.

Each generation writes its place down, and the next one compares. A copy that was made beneath the
file system (an image of the disk, a snapshot of the machine) has the same place: only an anchor or
an outside reader can tell it apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sidespand import platform

_MACHINE_DOMAIN = b"sidespan/machine/1"
_MACHINE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store lies.

    Args:
        inode: Of its directory of segments.
        born_ns: When that directory was made; None where the file system does not say.
        machine: 16 bytes that name the machine and do not disclose its id (machine-id(5)); None
            where that is unknown.
    """

    inode: int
    born_ns: int | None
    machine: bytes | None

    def body(self) -> dict[str, Any]:
        """Return what the GEN record keeps of it."""
        return {"inode": self.inode, "born_ns": self.born_ns, "machine": self.machine}


def read(segments_dir: Path) -> Place:
    """Return the place of the store whose segments are in ``segments_dir``.

    Raises:
        OSError: The directory is not there.
    """
    birth = platform.birth(segments_dir)
    machine_id = platform.machine_id()
    machine = sha256(_MACHINE_DOMAIN + machine_id).digest()[:_MACHINE_BYTES] if machine_id else None
    return Place(birth.inode, birth.born_ns, machine)


def difference(recorded: Mapping[str, Any] | None, now: Place) -> str | None:
    """Return in words how ``now`` is not the recorded place; None when nothing says so.

    The birth of the directory decides. Device numbers change at a reboot, and the inode's number
    may where a file system does not store it: it counts only where births are unknown.

    Args:
        recorded: What ``Place.body`` made; None when nothing was recorded.
        now: Where the store lies.
    """
    if recorded is None:
        return None
    born_ns, machine = recorded.get("born_ns"), recorded.get("machine")
    if born_ns is not None and now.born_ns is not None:
        if born_ns != now.born_ns:
            return "its directory was made anew"
    elif recorded.get("inode") != now.inode:
        return "its directory is another one"
    if machine is not None and now.machine is not None and machine != now.machine:
        return "it is on another machine"
    return None
