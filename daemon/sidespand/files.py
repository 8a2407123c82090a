"""Small files that must survive a crash whole."""

import os
from pathlib import Path

from sidespand import platform


def replace_file(path: Path, body: bytes) -> None:
    """Put ``body`` at ``path`` atomically and durably.

    After a crash it is the old file or the new one.

    Raises:
        OSError: The old file is still there, unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    platform.sync_directory(path.parent)
