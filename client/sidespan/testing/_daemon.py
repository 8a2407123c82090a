"""The daemon's side of the frames, in a thread of the test: it stores in memory."""

import contextlib
import os
import socket
import struct
import threading
from typing import BinaryIO

from sidespan import _wire
from sidespan._frames import FrameType
from sidespan._protobuf import length_delimited, varint
from sidespan.testing._spans import CapturedSpan, decode_request

_HEADER = struct.Struct(">IBQ")
_COUNTED_HEADER_BYTES = 9
_FRAME_BYTES_MAX = 64 * 1024 * 1024
_ID_BYTES = 24
_INVALID, _OUT_OF_ORDER = 1, 4


class FakeDaemon:
    """Takes spans, marks and ends as the real one does, and keeps its promises of once and order.

    What it has acknowledged it keeps across ``stop`` and ``start``. It stamps nothing: its tokens
    have the form of real ones and say nothing.

    Args:
        path: Of the Unix socket.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._changed = threading.Condition()
        self._spans: list[CapturedSpan] = []
        self._marks: list[CapturedSpan] = []
        self._open: dict[bytes, CapturedSpan] = {}
        self._last_seq: dict[bytes, int] = {}
        self._lsn = 0
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    @property
    def address(self) -> str:
        """For ``sidespan.init(socket=…)``."""
        return f"unix://{self.path}"

    @property
    def spans(self) -> list[CapturedSpan]:
        """Every span that has ended and is stored, in order."""
        with self._changed:
            return list(self._spans)

    @property
    def marks(self) -> list[CapturedSpan]:
        """Every mark that is stored, in order; a span has one when it starts and one an update."""
        with self._changed:
            return list(self._marks)

    @property
    def open(self) -> list[CapturedSpan]:
        """The first mark of every span that has not ended."""
        with self._changed:
            return list(self._open.values())

    def wait_for(self, spans: int = 0, marks: int = 0, timeout_s: float = 10.0) -> bool:
        """Wait until so many are stored; False when they are not in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: len(self._spans) >= spans and len(self._marks) >= marks, timeout_s
            )

    def start(self) -> "FakeDaemon":
        """Listen, and serve each connection in a thread."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(
            target=self._accept, args=(self._listener,), name="fake daemon", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Close every connection, without a word, and take the socket away."""
        if self._listener is None:
            return
        os.unlink(self.path)  # noqa: PTH108 - As ``bind`` made it.
        with self._changed:
            sockets = [self._listener, *self._connections]
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._changed:
                    self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that leaves the protocol, or goes, is let go.
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as reader:
            self._session(connection, reader)
        with self._changed:
            self._connections.discard(connection)
        connection.close()

    def _session(self, connection: socket.socket, reader: BinaryIO) -> None:
        instance_id = b""
        while header := reader.read(_HEADER.size):
            length, kind, seq = _HEADER.unpack(header)
            if not _COUNTED_HEADER_BYTES <= length <= _FRAME_BYTES_MAX:
                raise ValueError(f"frame of {length} bytes")
            body = reader.read(length - _COUNTED_HEADER_BYTES)
            with self._changed:
                if kind == FrameType.HELLO:
                    instance_id, answer = self._greet(body)
                elif kind == FrameType.RECORDS and instance_id and seq:
                    answer = self._record(instance_id, seq, body)
                else:
                    # BYE, or a client that leaves the protocol.
                    return
                self._changed.notify_all()
            connection.sendall(answer)

    def _greet(self, body: bytes) -> tuple[bytes, bytes]:
        hello = dict(_wire.fields(body))
        instance_id, acked_seq = hello.get(1, b""), hello.get(5, 0)
        if not isinstance(instance_id, bytes) or not isinstance(acked_seq, int):
            raise ValueError("not a Hello")
        last_seq = self._last_seq.setdefault(instance_id, acked_seq)
        ack = b"\x08\x01\x10" + varint(last_seq) + length_delimited(b"\x2a", self._token())
        return instance_id, _frame(FrameType.HELLO_ACK, 0, ack)

    def _record(self, instance_id: bytes, seq: int, body: bytes) -> bytes:
        last_seq = self._last_seq[instance_id]
        if seq > last_seq + 1:
            return _frame(FrameType.NACK, seq, _nack(_OUT_OF_ORDER, "a seq is owed", 1))
        first_lsn = 0
        if seq == last_seq + 1:
            self._last_seq[instance_id] = seq
            try:
                fields = dict(_wire.fields(body))
                spans = _spans_of(fields, _wire.RECORDS_TRACES)
                marks = _spans_of(fields, _wire.RECORDS_MARKS)
            except (ValueError, LookupError) as error:
                return _frame(FrameType.NACK, seq, _nack(_INVALID, str(error), 0))
            first_lsn = self._lsn + 1 if spans or marks else 0
            self._store(spans, marks, fields.get(_wire.RECORDS_ENDED, b""))
        ack = b""
        if first_lsn:
            ack = b"\x08" + varint(first_lsn) + b"\x10" + varint(self._lsn)
        ack += length_delimited(b"\x2a", self._token())
        return _frame(FrameType.ACK, seq, ack)

    def _store(self, spans: list[CapturedSpan], marks: list[CapturedSpan], ended: object) -> None:
        self._spans += spans
        self._marks += marks
        self._lsn += len(spans) + len(marks)
        for mark in marks:
            self._open.setdefault(bytes.fromhex(mark.trace_id + mark.span_id), mark)
        for at in range(0, len(ended) if isinstance(ended, bytes) else 0, _ID_BYTES):
            self._open.pop(ended[at : at + _ID_BYTES], None)  # type: ignore[index]

    def _token(self) -> bytes:
        return f"1-{0xFA4E:016x}-{self._lsn:x}-{0:024x}-{0:032x}".encode()


def _spans_of(fields: dict[int, int | bytes], number: int) -> list[CapturedSpan]:
    body = fields.get(number, b"")
    return decode_request(body) if isinstance(body, bytes) else []


def _nack(code: int, text: str, retry_after_ms: int) -> bytes:
    nack = b"\x08" + varint(code) + length_delimited(b"\x12", text.encode())
    return nack + (b"\x18" + varint(retry_after_ms) if retry_after_ms else b"")


def _frame(kind: FrameType, seq: int, body: bytes) -> bytes:
    return _HEADER.pack(_COUNTED_HEADER_BYTES + len(body), kind, seq) + body
