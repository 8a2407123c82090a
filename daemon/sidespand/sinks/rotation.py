"""Files that a file of lines was renamed to: when, under which name, and which go.

    spans.jsonl  ─▶  spans.<unix seconds>-<lineage>-<first LSN>-<last LSN>.jsonl

The seconds are those of the last line's stamp and LSNs have 20 digits, so names sort as the log
runs, and a name says how far its file has come.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from sidespand import platform
from sidespand.sinks.line_formats import NOWHERE, Place

_NS_PER_S: Final = 10**9


class Rotation(NamedTuple):
    """When a file is renamed, and how many such are kept; None for never, and for all.

    Args:
        bytes_max: It would grow beyond.
        age_s: Its first line would be so much older than its last one.
        files_max: Renamed ones; the oldest go.
    """

    bytes_max: int | None = None
    age_s: float | None = None
    files_max: int | None = None

    def is_due(self, size: int, first_ns: int, added: int, now_ns: int) -> bool:
        """Tell whether a file that holds something is full.

        Args:
            size: Of the file, in bytes.
            first_ns: Wall clock of its first line's stamp.
            added: Bytes that shall go in.
            now_ns: Wall clock of their first stamp.
        """
        if not size:
            return False
        if self.bytes_max is not None and size + added > self.bytes_max:
            return True
        return self.age_s is not None and now_ns - first_ns >= self.age_s * _NS_PER_S


NEVER: Final = Rotation()


def rotate(path: Path, first: Place, last: Place, rotation: Rotation) -> None:
    """Rename a file whose lines are durable, for good; let the oldest go.

    Args:
        path: The file.
        first: Of its first line.
        last: Of its last one.
        rotation: How many stay.

    Raises:
        OSError: It may still have its name.
    """
    name = f"{last.wall_ns // _NS_PER_S:010d}-{last.lineage}-{first.lsn:020d}-{last.lsn:020d}"
    path.rename(path.with_name(f"{path.stem}.{name}{path.suffix}"))
    if rotation.files_max is not None:
        for old in rotated(path)[: -rotation.files_max]:
            old.unlink()
    platform.sync_directory(path.parent)


def rotated(path: Path) -> list[Path]:
    """Return the files that ``path`` was renamed to, oldest first."""
    pattern = _pattern(path)
    return sorted(one for one in path.parent.iterdir() if pattern.fullmatch(one.name))


def reached(path: Path) -> Place:
    """Return the last line's place in the newest file that ``path`` was renamed to."""
    found = rotated(path)
    match = _pattern(path).fullmatch(found[-1].name) if found else None
    if match is None:
        return NOWHERE
    return Place(match["lineage"], int(match["last"]), int(match["seconds"]) * _NS_PER_S)


def _pattern(path: Path) -> re.Pattern[str]:
    return re.compile(
        re.escape(path.stem)
        + r"\.(?P<seconds>[0-9]{10,})-(?P<lineage>[0-9a-f]{16})-[0-9]{20}-(?P<last>[0-9]{20})"
        + re.escape(path.suffix)
    )
