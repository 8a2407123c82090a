"""Facts that only Linux tells, behind functions that say what they mean."""

import ctypes
import os
import resource
import socket
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from sidespand.errors import ConfigError

# struct ucred: pid_t is signed, uid_t and gid_t are not.
_UCRED = struct.Struct("iII")
_REMOTE_FILESYSTEMS = {
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb2",
    0x01021997: "9p",
    0x65735546: "fuse",
    0x00C36400: "ceph",
}


class Credentials(NamedTuple):
    """Who is at the other end of a Unix socket, as the kernel saw it at connect."""

    pid: int
    uid: int
    gid: int


# PyDLL keeps the GIL: the search is shorter than handing it over.
_libc = ctypes.PyDLL(None, use_errno=True)
_memmem = _libc.memmem
_memmem.restype = ctypes.c_void_p
_memmem.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)


def contains(haystack: bytes, needle: bytes) -> bool:
    """Tell whether ``needle`` is in ``haystack``, several times faster than ``in`` on span data."""
    return _memmem(haystack, len(haystack), needle, len(needle)) is not None


def require_linux() -> None:
    """Raise ConfigError elsewhere than on Linux."""
    if not sys.platform.startswith("linux"):
        raise ConfigError(
            f"the Sidespan daemon runs on Linux, this is {sys.platform}",
            hint="the client library works here; point it at the daemon of a Linux host",
        )


def raise_file_limit() -> None:
    """Let this process have as many descriptors as it may: the soft limit serves select(2) only."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def peer_credentials(connection: socket.socket) -> Credentials:
    """Return the peer of a connected Unix socket (SO_PEERCRED, unix(7))."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(raw))


def boot_id() -> bytes:
    """Return the 16 bytes that the kernel drew at boot."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return bytes.fromhex(text.strip().replace("-", ""))


def boottime_ns() -> int:
    """Return nanoseconds since boot, suspended time included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def allocate(descriptor: int, size_bytes: int) -> None:
    """Reserve the file's first ``size_bytes``, so that writing there cannot meet a full disk.

    Raises:
        OSError: ENOSPC and the like; the file may be longer than before.
    """
    os.posix_fallocate(descriptor, 0, size_bytes)


def remote_filesystem(path: Path) -> str | None:
    """Return the name of the network file system that holds ``path``; None for a local one."""
    # struct statfs is below 256 bytes on every Linux; f_type is its first word.
    buffer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(path), buffer) != 0:
        return None
    word = struct.unpack_from("@l", buffer.raw)[0]
    return _REMOTE_FILESYSTEMS.get(word & 0xFFFFFFFF)


def free_bytes(path: Path) -> int:
    """Return the bytes that an unprivileged writer may still use on the file system of ``path``."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def sync_directory(path: Path) -> None:
    """Make the entries of directory ``path`` durable (fsync(2), notes)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
