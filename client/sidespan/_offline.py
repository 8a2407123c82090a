"""A file of spans in place of a recorder: OTLP/JSON lines.

Each line is one ExportTraceServiceRequest. A span whose ``endTimeUnixNano`` is 0 is a mark: it had
started when the line was written, and what a later line says of the same span id goes on from it.
A line that cannot be read was cut by a crash or a full disk.
"""

import json
import os

from sidespan import _wire
from sidespan._limits import OFFLINE_BYTES_MAX
from sidespan._otlp_json import request_to_json
from sidespan._transport import PermanentError, RetryableError


class FileTransport:
    """Appends each step to a file, which only its owner may read; an ack means synced to disk.

    Several processes may share a file.

    Args:
        path: Of the file, made when it is missing. Its directory must exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._torn = False

    def send(self, seq: int, records: bytes) -> _wire.Ack:
        """Promise of ``Transport.send``; without a token, and each seq is written once a process.

        Raises:
            RetryableError: The file cannot be written now.
            PermanentError: It has OFFLINE_BYTES_MAX.
        """
        try:
            file = self._open()
            if seq:
                self._append(file, _lines(records))
        except OSError as error:
            raise RetryableError(f"{self._path}: {error}") from error
        return _wire.Ack()

    def close(self) -> None:
        """Promise of ``Transport.close``."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            self._file = os.open(self._path, flags, 0o600)
        return self._file

    def _append(self, file: int, lines: bytes) -> None:
        if os.fstat(file).st_size + len(lines) > OFFLINE_BYTES_MAX:
            raise PermanentError(f"{self._path}: larger than {OFFLINE_BYTES_MAX} bytes")
        # What was cut before stands on a line of its own.
        data = b"\n" + lines if self._torn else lines
        self._torn = True
        if os.write(file, data) < len(data):
            raise OSError("the disk is full")
        self._torn = False
        os.fsync(file)


def _lines(records: bytes) -> bytes:
    """Return marks, then ended spans: in the order in which a reader wants them."""
    found = dict(_wire.fields(records))
    requests = [found.get(number, b"") for number in (_wire.RECORDS_MARKS, _wire.RECORDS_TRACES)]
    return b"".join(
        json.dumps(request_to_json(body), ensure_ascii=False).encode() + b"\n"
        for body in requests
        if isinstance(body, bytes) and body
    )
