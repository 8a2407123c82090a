"""One owner for a store, for sockets, for a worker's files: a flock that ends with its process."""

import fcntl
import os
import time
from pathlib import Path

from sidespand.errors import InUse

_TRIES = 5
_PAUSE_S = 0.02


class FileLock:
    """Held from construction until ``release`` or the process's end (flock(2)).

    Args:
        path: The lock file; it is made, never removed, and names its owner's pid.
        subject: What it guards, for the message.
        key: The configuration key to change.

    Raises:
        InUse: Another process holds it; it was not disturbed.
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, subject: str, key: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire()
        except OSError as error:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise InUse(
                f"{subject}: in use by process {owner or 'unknown'}",
                hint=f"stop that process, or set another {key}",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _acquire(self) -> None:
        # Whoever asks whether the owner lives takes a shared lock for a moment.
        for _ in range(_TRIES - 1):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            else:
                return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)


def is_held(path: Path) -> bool | None:
    """Tell whether the lock at ``path`` has an owner; None when this user may not ask.

    The lock is taken, shared, and let go at once: only an owner that starts in this very moment
    notices, and tries again.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
