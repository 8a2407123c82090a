"""The debug tap: a file with a copy of each record as it was handed to a sink.

    {"tap":"sidespan.tap.v1","sink":…,"kind":…,"lineage":hex,"first_lsn":text,"last_lsn":text,
     "payload":base64}

``payload`` is an OTLP request, in which sinks put their stamps afterwards. A copy that failed is
told by the next one that does not:

    {"tap":"sidespan.tap.v1","debug_tap_result":"failed_non_mutating",
     "debug_sidecar_mutated_state?":false,"missed_records":n}

Source: AITrace v0.2.0, persistence posture, whose words for a failed tap these are.
"""

import asyncio
import errno
import json
import logging
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from sidespand.limits import LINES_BYTES_MAX, TAP_FILE_BYTES_MAX, TAP_WAITING_BYTES_MAX
from sidespand.model import Gap, Record
from sidespand.sinks.erasing import Ranges, without_lines
from sidespand.sinks.line_file import LineFile

FAILED: Final = "failed_non_mutating"
_PREFIX: Final = b'{"tap":"sidespan.tap.v1"'
_log = logging.getLogger(__name__)


class Tap:
    """One tap for all sinks. Whatever becomes of it, no sink waits for it or gets other bytes.

    It looks at records and keeps nothing of theirs but copies. Implements ``ports.Erasable``.

    Args:
        path: The file; lines are added to it, and its directory must exist.
    """

    def __init__(self, path: Path) -> None:
        self.missed_records: Counter[str] = Counter()
        self._path = path
        self._file: LineFile | None = None
        self._inode = self._size = 0
        self._waiting_bytes = 0
        # Missed since the last copy that succeeded, and not told in the file yet.
        self._untold = 0
        self._failing = False
        self._disk = ThreadPoolExecutor(1, "sidespan-tap")

    def offer(self, sink: str, records: Sequence[Record]) -> None:
        """Have records copied some time later; never raises, and never waits.

        Args:
            sink: Who was handed them.
            records: As it was handed them.
        """
        size = sum(len(record.payload or b"") for record in records)
        if self._waiting_bytes + size > TAP_WAITING_BYTES_MAX:
            self._miss(sink, len(records), "its disk does not keep up")
            return
        untold, self._untold = self._untold, 0
        try:
            copied = asyncio.get_running_loop().run_in_executor(
                self._disk, self._copy, sink, records, untold
            )
        except RuntimeError as error:
            # No thread is to be had, or the tap is closed.
            self._untold = untold
            self._miss(sink, len(records), str(error))
            return
        self._waiting_bytes += size
        copied.add_done_callback(partial(self._copied, sink, len(records), size, untold))

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Remove the copies of redacted records; ``ports.Erasable`` has the contract."""
        await asyncio.get_running_loop().run_in_executor(self._disk, self._erase, gone)

    async def close(self) -> None:
        """Wait for the last copy and let go of the file; safe to repeat."""
        await asyncio.to_thread(self._disk.shutdown)
        self._drop()

    def _copied(
        self, sink: str, count: int, size: int, untold: int, done: asyncio.Future[None]
    ) -> None:
        self._waiting_bytes -= size
        error = None if done.cancelled() else done.exception()
        if error is None:
            self._failing = False
            return
        self._untold += untold
        reason = error.strerror if isinstance(error, OSError) else None
        self._miss(sink, count, reason or type(error).__name__)

    def _miss(self, sink: str, count: int, reason: str) -> None:
        self.missed_records[sink] += count
        self._untold += count
        if not self._failing:
            _log.warning("tap.path: debug_tap_result %s: %s: %s", FAILED, self._path, reason)
        self._failing = True

    def _copy(self, sink: str, records: Sequence[Record], untold: int) -> None:
        try:
            file = self._opened()
            for lines in _chunks(_lines(sink, records, untold)):
                self._size += len(lines)
                if self._size > TAP_FILE_BYTES_MAX:
                    raise OSError(errno.EFBIG, f"is over {TAP_FILE_BYTES_MAX} bytes: remove it")
                file.append(lines)
        except BaseException:
            self._drop()
            raise

    def _opened(self) -> LineFile:
        # Whoever has seen enough removes the file; another one is begun then.
        if self._file is not None and self._inode != _inode(self._path):
            self._drop()
        if self._file is None:
            self._file = LineFile(self._path, _PREFIX)
            facts = self._path.stat()
            self._inode, self._size = facts.st_ino, facts.st_size
        return self._file

    def _erase(self, gone: Sequence[Gap]) -> None:
        # The file is another one afterwards, and opened again with the next lines.
        self._drop()
        ranges = Ranges(gone)
        without_lines(self._path, _PREFIX, partial(_is_gone, ranges))

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _lines(sink: str, records: Sequence[Record], untold: int) -> Iterator[bytes]:
    if untold:
        yield _line(
            {
                "debug_tap_result": FAILED,
                "debug_sidecar_mutated_state?": False,
                "missed_records": untold,
            }
        )
    for record in records:
        header = record.header
        yield _line(
            {
                "sink": sink,
                "kind": header.kind.name.lower(),
                "lineage": header.lineage.hex(),
                "first_lsn": str(header.first_lsn),
                "last_lsn": str(header.last_lsn),
                "payload": b64encode(record.payload or b"").decode("ascii"),
            }
        )


def _line(fields: dict[str, Any]) -> bytes:
    return _PREFIX + b"," + json.dumps(fields, separators=(",", ":")).encode()[1:] + b"\n"


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for line in lines:
        if held and len(held) + len(line) > LINES_BYTES_MAX:
            yield held
            held = b""
        held += line
    yield held


def _is_gone(ranges: Ranges, line: bytes) -> bool:
    try:
        fields = json.loads(line)
        return "lineage" in fields and ranges.hold(fields["lineage"], int(fields["first_lsn"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(errno.EINVAL, "holds a line that is none of the tap's") from error
