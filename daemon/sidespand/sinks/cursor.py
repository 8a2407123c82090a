"""How far a sink has come, in a file of its own: ``<data>/sinks/<name>/cursor.json``.

{"ordinal": 1, "lineage": "<16 hex>", "lsn": "<decimal>", "streams": {"all": "<decimal>"}}

``streams`` has the newest item of that lineage in each stream of the sink: one, or one a kind.
"""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from sidespand.files import replace_file
from sidespand.limits import CURSOR_FILE_BYTES_MAX
from sidespand.model import Position

_log = logging.getLogger(__name__)
_LINEAGE_BYTES = 8
_LSN_MAX = 2**64 - 1


class CursorFile:
    """One cursor. Its methods block.

    Args:
        path: Its file; the directory must exist.
    """

    def __init__(self, path: Path) -> None:
        self.streams: dict[str, int] = {}
        self._path = path
        # A save whose caller was cancelled goes on in its thread; the next one waits for it.
        self._saving = threading.Lock()

    @property
    def place(self) -> Path:
        """The directory of everything that its sink keeps."""
        return self._path.parent

    def load(self) -> Position | None:
        """Return the saved cursor, and learn ``streams``.

        Returns:
            None when there is none, or it is damaged, which is logged.

        Raises:
            OSError: The file is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                raw = file.read(CURSOR_FILE_BYTES_MAX)
        except FileNotFoundError:
            return None
        try:
            position, self.streams = parse(raw)
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("%s is damaged: delivering from the oldest record again", self._path)
            return None
        return position

    def save(self, position: Position, streams: Mapping[str, int] | None = None) -> None:
        """Make ``position`` the cursor; it is durable when this returns.

        Raises:
            OSError: The cursor is what it was.
        """
        body = {
            "ordinal": position.ordinal,
            "lineage": position.lineage.hex(),
            "lsn": str(position.lsn),
            "streams": {name: str(lsn) for name, lsn in (streams or {}).items()},
        }
        with self._saving:
            replace_file(self._path, json.dumps(body).encode() + b"\n")


def contradicts(cursor: Position, place: Position) -> bool:
    """Tell whether ``cursor`` cannot be of the log that has ``place`` at or after it.

    It is ahead of that place, or names another lineage under the same number.
    """
    if cursor.ordinal != place.ordinal:
        return cursor.ordinal > place.ordinal
    return cursor.lineage != place.lineage or cursor.lsn > place.lsn


def parse(raw: bytes) -> tuple[Position, dict[str, int]]:
    """Return the cursor and the streams in a file's content.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is none.
    """
    body = json.loads(raw)
    position = Position(int(body["ordinal"]), bytes.fromhex(body["lineage"]), int(body["lsn"]))
    if position.ordinal < 1 or len(position.lineage) != _LINEAGE_BYTES:
        raise ValueError("no such lineage")
    if not 0 <= position.lsn <= _LSN_MAX:
        raise ValueError("no such LSN")
    streams = {str(name): int(lsn) for name, lsn in body.get("streams", {}).items()}
    if not all(0 <= lsn <= position.lsn for lsn in streams.values()):
        raise ValueError("no such LSN")
    return position, streams
