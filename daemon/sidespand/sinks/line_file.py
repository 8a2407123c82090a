"""A file of lines that is appended to, flushed, and mended after a crash."""

import errno
import fcntl
import os
import stat
from pathlib import Path

from sidespand import platform
from sidespand.limits import LINES_BYTES_MAX

_WINDOW_BYTES = 2 * LINES_BYTES_MAX
_WRITE_BYTES_MAX = 1 << 30


class LineFile:
    """An open file of which this process is the only writer. Its methods block.

    At most LINES_BYTES_MAX, or one longer line, is written between two flushes: so much of the end
    may be damaged by a power cut, and so much is looked at when the file is opened.

    Args:
        path: It is made when it is missing, readable by its owner alone; its directory must exist.
        prefix: How every line begins.

    Raises:
        OSError: It cannot be opened, is no regular file, has another writer, or holds other lines.
            Nothing in it was changed.
    """

    def __init__(self, path: Path, prefix: bytes) -> None:
        self.last_line = b""
        self.size = 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._mend(path, prefix)
            os.fsync(self._descriptor)
            platform.sync_directory(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, lines: bytes) -> None:
        """Write whole lines behind the others; they are durable when this returns.

        Raises:
            OSError: Some of them may be in the file; it must be opened anew before more is written.
        """
        left = memoryview(lines)
        while left:
            left = left[os.write(self._descriptor, left[:_WRITE_BYTES_MAX]) :]
        os.fdatasync(self._descriptor)
        self.size += len(lines)

    def close(self) -> None:
        """Let another process write it."""
        os.close(self._descriptor)

    def _mend(self, path: Path, prefix: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        window = _WINDOW_BYTES
        while True:
            start = max(0, size - window)
            tail = os.pread(self._descriptor, size - start, start)
            whole = intact(tail)
            begin = tail.rfind(b"\n", 0, max(0, whole - 1)) + 1
            if start == 0 or (whole and begin):
                break
            window *= 2
        self.last_line = tail[begin:whole]
        torn = tail[whole : whole + len(prefix)]
        foreign = self.last_line and not self.last_line.startswith(prefix)
        if foreign or not prefix.startswith(torn.rstrip(b"\0")):
            raise OSError(errno.EINVAL, "holds other lines than this sink writes", str(path))
        self.size = start + whole
        if self.size < size:
            os.ftruncate(self._descriptor, self.size)


def intact(tail: bytes) -> int:
    """Return how many bytes of a file's end are whole lines as they were written.

    A crash leaves a last line without its end; a power cut also leaves zeros where a block never
    reached the disk.
    """
    hole = tail.find(b"\0")
    return tail.rfind(b"\n", 0, hole if hole >= 0 else len(tail)) + 1
