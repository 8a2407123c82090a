"""Takes lines out of a file of ours, for good: they are not in it, nor in what it replaced."""

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from sidespand import platform
from sidespand.model import Gap
from sidespand.sinks.line_file import LineFile

_COPY_BYTES = 1 << 20


class Ranges:
    """LSN ranges of several lineages.

    Args:
        gone: They do not overlap.
    """

    def __init__(self, gone: Sequence[Gap]) -> None:
        found: dict[str, list[tuple[int, int]]] = {}
        for gap in gone:
            found.setdefault(gap.lineage.hex(), []).append((gap.first, gap.last))
        self._ranges = {lineage: sorted(ranges) for lineage, ranges in found.items()}

    def hold(self, lineage: str, lsn: int) -> bool:
        """Tell whether an LSN of a lineage, named in lower hex, is in one of them."""
        ranges = self._ranges.get(lineage, [])
        at = bisect_right(ranges, (lsn, 2**64))
        return at > 0 and ranges[at - 1][1] >= lsn


def without_lines(path: Path, prefix: bytes, is_gone: Callable[[bytes], bool]) -> int:
    """Write a file of lines anew without some of them, atomically and durably.

    Args:
        path: A file that ``LineFile`` writes, and nobody else just now; it may be missing.
        prefix: How every line begins.
        is_gone: Tells of a whole line whether it goes.

    Returns:
        How many went; with none, the file is left as it is.

    Raises:
        OSError: The file is what it was.
    """
    if not path.exists():
        return 0
    # Whoever else writes it is noticed, and a line that a crash tore is mended.
    LineFile(path, prefix).close()
    temporary = path.with_name(f".{path.name}.erasing")
    count = 0
    try:
        with path.open("rb", _COPY_BYTES) as lines, temporary.open("wb", _COPY_BYTES) as kept:
            os.fchmod(kept.fileno(), 0o600)
            for line in lines:
                if is_gone(line):
                    count += 1
                else:
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        if count:
            temporary.replace(path)
            platform.sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return count
