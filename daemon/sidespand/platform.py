"""Facts that only Linux tells, behind functions that say what they mean."""

import ctypes
import errno
import os
import resource
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from sidespand.errors import ConfigError

# stat(2): the unit of st_blocks, whatever the file system's own.
_BLOCK_BYTES = 512
# struct ucred: pid_t is signed, uid_t and gid_t are not.
_UCRED = struct.Struct("iII")
# struct statx: stx_mask; stx_ino; stx_btime as seconds and nanoseconds.
_STATX = struct.Struct("=I28xQ40xqI")
_STATX_BYTES = 256
_STATX_INO = 0x100
_STATX_BTIME = 0x800
_AT_FDCWD = -100
# The socket module does not know it, and takes no answer longer than 1024 bytes.
_SO_PEERGROUPS = 59
_PEERGROUPS_BYTES_MAX = 1024
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


class _Timex(ctypes.Structure):
    # struct timex is 208 bytes on 64-bit Linux; what follows the status is not read.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


_STA_UNSYNC = 0x0040
# The kernel calls a clock unsynchronised from 16 s on (NTP_PHASE_LIMIT); older ones take any value.
_MAXERROR_US_MAX = 16_000_000

# Below this the call costs more than the search saves.
_CALL_PAYS_BYTES = 1024
# PyDLL keeps the GIL: the search is shorter than handing it over.
_libc = ctypes.PyDLL(None, use_errno=True)
_memmem = _libc.memmem
_memmem.restype = ctypes.c_void_p
_memmem.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)


def contains(haystack: bytes, needle: bytes) -> bool:
    """Tell whether ``needle`` is in ``haystack``, several times faster than ``in`` on span data."""
    if len(haystack) < _CALL_PAYS_BYTES:
        return needle in haystack
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


def file_limit() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def peer_credentials(connection: socket.socket) -> Credentials:
    """Return the peer of a connected Unix socket (SO_PEERCRED, unix(7))."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(raw))


def peer_groups(connection: socket.socket) -> frozenset[int]:
    """Return the groups of a connected Unix socket's peer, its primary one among them.

    A process with more than 256 supplementary groups is known by its primary one alone.

    Source: unix(7) SO_PEERCRED, and SO_PEERGROUPS of Linux 4.13.
    """
    primary = peer_credentials(connection).gid
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _PEERGROUPS_BYTES_MAX)
    except OSError:
        return frozenset((primary,))
    return frozenset((primary, *struct.unpack(f"{len(raw) // 4}I", raw)))


def boot_id() -> bytes:
    """Return the 16 bytes that the kernel drew at boot."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return bytes.fromhex(text.strip().replace("-", ""))


def machine_id() -> bytes | None:
    """Return the 16 bytes by which the installation on this machine is known, or None.

    Only of a machine that systemd has booted (sd_booted(3)): elsewhere, as in most containers, the
    file is the image's and says nothing of the machine.
    """
    if not Path("/run/systemd/system").is_dir():
        return None
    try:
        return bytes.fromhex(Path("/etc/machine-id").read_text(encoding="ascii").strip()) or None
    except (OSError, ValueError):
        return None


class Birth(NamedTuple):
    """What a file keeps when it is renamed, and no copy of it has.

    Args:
        inode: Its number.
        born_ns: When it was made, since the Unix epoch; None where the file system does not say.
    """

    inode: int
    born_ns: int | None


def birth(path: Path) -> Birth:
    """Return how the file or directory at ``path`` came to be (statx(2)).

    Raises:
        OSError: It is not there.
    """
    inode = path.stat().st_ino
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    asked = (_AT_FDCWD, os.fsencode(path), 0, _STATX_INO | _STATX_BTIME, buffer)
    if not hasattr(_libc, "statx") or _libc.statx(*asked) != 0:
        return Birth(inode, None)
    mask, inode, seconds, nanoseconds = _STATX.unpack_from(buffer)
    # A file that an image's builder wrote may have the epoch for its birth.
    born_ns = seconds * 1_000_000_000 + nanoseconds if mask & _STATX_BTIME else 0
    return Birth(inode, born_ns or None)


def boottime_ns() -> int:
    """Return nanoseconds since boot, suspended time included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def allocate(descriptor: int, size_bytes: int) -> None:
    """Reserve the file's first ``size_bytes``, so that writing there cannot meet a full disk.

    Raises:
        OSError: ENOSPC and the like; the file may be longer than before.
    """
    os.posix_fallocate(descriptor, 0, size_bytes)


def clock_error_us() -> int | None:
    """Return how far CLOCK_REALTIME may be off, in microseconds, by the word of its time daemon.

    Returns:
        The kernel's maximum error; None where no daemon disciplines the clock, or where this
        process may not ask, as in some containers.

    Source: adjtimex(2), with no mode set: it only reads.
    """
    state = _Timex()
    status = _libc.adjtimex(ctypes.byref(state))
    maxerror = int(state.maxerror)
    if status < 0 or state.status & _STA_UNSYNC or not 0 <= maxerror <= _MAXERROR_US_MAX:
        return None
    return maxerror


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


def free_bytes_of(descriptor: int) -> int:
    """Return the same of the file system of an open file."""
    facts = os.fstatvfs(descriptor)
    return facts.f_bavail * facts.f_frsize


# What says that a disk, or a user's share of it, is full.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def disk_bytes(path: Path) -> int:
    """Return the size of the file system of ``path``, without what only root may use."""
    facts = os.statvfs(path)
    return (facts.f_blocks - facts.f_bfree + facts.f_bavail) * facts.f_frsize


def occupied_bytes(facts: os.stat_result) -> int:
    """Return what a file occupies on disk: less than its length where it has holes."""
    return facts.st_blocks * _BLOCK_BYTES


def used_bytes(directory: Path) -> int:
    """Return what the files below ``directory`` occupy on disk, however long they say they are."""
    used = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                used += occupied_bytes((Path(parent) / name).lstat())
            except FileNotFoundError:
                continue
    return used


def sync_directory(path: Path) -> None:
    """Make the entries of directory ``path`` durable (fsync(2), notes)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ProcessId(NamedTuple):
    """Names a process for ever: pids are used again.

    Args:
        pid: In this pid namespace.
        started_ticks: Clock ticks from boot to its start; None where that cannot be read.
    """

    pid: int
    started_ticks: int | None


class Process:
    """A handle of a process.

    Args:
        descriptor: A pidfd, which is closed with this object; -1 of a process that is gone.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the process has exited."""
        return self._descriptor

    def has_exited(self) -> bool:
        """Tell whether it has, whether or not its parent has noticed."""
        if self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def process_id(pid: int | None) -> ProcessId | None:
    """Return the name of a running process; None for one of another pid namespace."""
    return ProcessId(pid, _started_ticks(pid)) if pid else None


def open_process(named: ProcessId) -> Process | None:
    """Return a handle of a process, alive or not; None where the kernel gives none.

    Source: pidfd_open(2). A pid that has been used again is told by the start time in proc(5).
    """
    try:
        process = Process(os.pidfd_open(named.pid))
    except ProcessLookupError:
        return Process(-1)
    except OSError:
        return None
    started_ticks = _started_ticks(named.pid)
    if None not in (started_ticks, named.started_ticks) and started_ticks != named.started_ticks:
        process.close()
    return process


def _started_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is a name in parentheses, which may hold anything; the start is the 22nd.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])
