"""The segments that one process has open to read, shared by its threads.

LMDB must not open a file twice in one process, so whoever reads takes the one that is open.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

from sidespand.journal.segment import SegmentReader
from sidespand.limits import OPEN_SEGMENTS_MAX


@dataclass(slots=True)
class _Held:
    reader: SegmentReader
    users: int = 1


class OpenSegments:
    """Opens segments, keeps the last few open, and closes none that somebody reads.

    All of its methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[Path, _Held] = OrderedDict()
        self._released = Condition()

    @contextmanager
    def using(self, path: Path, *, locked: bool) -> Iterator[SegmentReader]:
        """Lend the segment at a path, for as long as it takes to copy a batch.

        Args:
            path: Of its file.
            locked: As of ``SegmentReader``.

        Raises:
            FileNotFoundError: There is no such segment.
            SegmentDamaged: Its file is damaged.
            StoreUnreadable: It cannot be opened.
        """
        held = self._take(path, locked=locked)
        try:
            yield held.reader
        finally:
            with self._released:
                held.users -= 1
                self._released.notify_all()

    def close(self) -> None:
        """Let go of every file, as soon as nobody reads it."""
        with self._released:
            for path in list(self._held):
                self._close(path)

    def _take(self, path: Path, *, locked: bool) -> _Held:
        with self._released:
            while (held := self._held.get(path)) is not None:
                if _fits(held.reader, locked=locked):
                    break
                self._close(path)
            if held is None:
                self._make_room()
                held = self._held[path] = _Held(SegmentReader(path, locked=locked))
            else:
                held.users += 1
                self._held.move_to_end(path)
            return held

    def _make_room(self) -> None:
        for path, held in list(self._held.items()):
            # A file that was trimmed takes its room on disk until it is closed.
            wanted = len(self._held) < OPEN_SEGMENTS_MAX and not held.reader.replaced()
            if not wanted and not held.users:
                self._close(path)

    def _close(self, path: Path) -> None:
        held = self._held[path]
        self._released.wait_for(lambda: not held.users)
        # Another thread may have closed it meanwhile, and opened what is there now.
        if self._held.get(path) is held:
            held.reader.close()
            del self._held[path]


def _fits(reader: SegmentReader, *, locked: bool) -> bool:
    # One that begins with steps alone has no LSN to itself: the next one takes its place.
    return (reader.locked or not locked) and not reader.replaced()
