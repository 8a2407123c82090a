"""Whether the disk has room for what can be made again: the index gives way before the record."""

from collections.abc import Callable
from pathlib import Path

from sidespand import platform
from sidespand.limits import INDEX_DISK_FREE_MIN, INDEX_DISK_MARGIN, INDEX_GIVE_WAY_S


class Room:
    """Watches the disk of an index.

    Args:
        directory: Where it lies; it may not exist yet.
        disk_free_min: Fraction of the disk below which the journal removes what it recorded, 0.0
            to below 1.0. The index stops earlier.
        time_s: A monotonic clock.
    """

    def __init__(self, directory: Path, disk_free_min: float, time_s: Callable[[], float]) -> None:
        self._directory = directory
        self._free_min = INDEX_DISK_MARGIN * max(disk_free_min, INDEX_DISK_FREE_MIN)
        self._time_s = time_s
        self._lacking_since_s: float | None = None

    def lacks(self) -> bool:
        """Look at the disk, and tell whether nothing more is to be written to it."""
        place = self._directory if self._directory.exists() else self._directory.parent
        free = platform.free_bytes(place)
        if free >= self._free_min * platform.disk_bytes(place):
            self._lacking_since_s = None
        elif self._lacking_since_s is None:
            self._lacking_since_s = self._time_s()
        return self._lacking_since_s is not None

    def gives_way(self) -> bool:
        """Tell whether it lacked, at the last look, for so long that the index is to go."""
        since_s = self._lacking_since_s
        return since_s is not None and self._time_s() - since_s >= INDEX_GIVE_WAY_S
