"""The frames of ingest.sock: ``u32 length | u8 type | u64 seq | protobuf body``, big-endian.

The length counts what follows it. seq is 0 except on RECORDS, ACK and NACK. A connection opens with
HELLO and HELLO_ACK; the seq that was under way when an older one broke is either durable by then or
sent again.
"""

import contextlib
import os
import socket
import struct
from enum import IntEnum
from typing import BinaryIO

from sidespan import _wire
from sidespan._limits import (
    CONNECT_TIMEOUT_S,
    GOODBYE_TIMEOUT_S,
    REPLY_BYTES_MAX,
    REPLY_TIMEOUT_S,
    RETRY_DELAY_MAX_S,
)
from sidespan._platform import in_forked_children
from sidespan._transport import PermanentError, RetryableError, default_socket

_HEADER = struct.Struct(">IBQ")
# A program that has SIGPIPE end it must not end when a daemon does.
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
# Type and seq, which the length counts.
_COUNTED_HEADER_BYTES = _HEADER.size - 4

# A child of a fork must not hold its parent's connections: the recorder would never see the parent
# go.
_open_sockets: set[socket.socket] = set()


class FrameType(IntEnum):
    """What a frame is; up to 15 from the client, from 16 on from the recorder."""

    HELLO = 1
    RECORDS = 2
    BYE = 3
    HELLO_ACK = 16
    ACK = 17
    NACK = 18
    CONTROL = 19


class FramesTransport:
    """Speaks frames over a Unix socket.

    Args:
        path: Of the socket; empty for the default, which is looked for at each connect.
        instance_id: 16 random bytes that name the sequence of seqs.
    """

    def __init__(self, path: str, instance_id: bytes) -> None:
        self._path = path
        self._instance_id = instance_id
        self._connection: _Connection | None = None
        # The highest seq that has been decided: with one under way, the one before it.
        self._decided_seq = 0

    def send(self, seq: int, records: bytes) -> _wire.Ack:
        """Promise of ``Transport.send``; a connection that broke while idle is replaced."""
        self._decided_seq = max(self._decided_seq, seq - 1)
        if self._connection is not None:
            with contextlib.suppress(OSError, ValueError):
                return self._exchange(self._connection, seq, records)
            self._drop()
        try:
            return self._exchange(self._connect(), seq, records)
        except (OSError, ValueError) as error:
            self._drop()
            raise RetryableError(f"{self._path or default_socket()}: {error}") from error

    def close(self) -> None:
        """Promise of ``Transport.close``."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.set_timeout(GOODBYE_TIMEOUT_S)
                self._connection.write(FrameType.BYE, 0, b"")
            self._drop()

    def _connect(self) -> "_Connection":
        connection = _Connection(self._path or default_socket())
        self._connection = connection
        connection.write(
            FrameType.HELLO, 0, _wire.encode_hello(self._instance_id, self._decided_seq)
        )
        kind, body = connection.read_answer(0)
        if kind == FrameType.NACK:
            self._drop()
            nack = _wire.decode_nack(body)
            # The refusal of a session uses no seq up; another recorder may take it.
            wait_s = max(nack.retry_after_ms / 1000, RETRY_DELAY_MAX_S)
            raise RetryableError(f"session refused: {nack.text}", wait_s)
        if kind != FrameType.HELLO_ACK:
            raise ValueError(f"frame of type {kind} in answer to HELLO")
        connection.hello = _wire.decode_hello_ack(body)
        return connection

    def _exchange(self, connection: "_Connection", seq: int, records: bytes) -> _wire.Ack:
        if seq <= connection.hello.last_seq:
            return _wire.Ack(token=connection.hello.token)
        connection.write(FrameType.RECORDS, seq, records)
        kind, body = connection.read_answer(seq)
        if kind == FrameType.ACK:
            return _wire.decode_ack(body)
        if kind != FrameType.NACK:
            raise ValueError(f"frame of type {kind} in answer to RECORDS")
        nack = _wire.decode_nack(body)
        if nack.retry_after_ms == 0:
            raise PermanentError(f"records refused: {nack.text}")
        if nack.code == _wire.OUT_OF_ORDER:
            # The recorder has forgotten this instance; the next HELLO tells it how far we are.
            self._drop()
        raise RetryableError(f"records not taken: {nack.text}", nack.retry_after_ms / 1000)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """One connected socket.

    Every method raises OSError when it broke and ValueError when the peer left the protocol.
    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _open_sockets.add(self._socket)
        self._reader: BinaryIO = self._socket.makefile("rb")
        self.hello = _wire.HelloAck(0, "")
        self.set_timeout(CONNECT_TIMEOUT_S)
        try:
            self._socket.connect(path)
        except OSError:
            self.close()
            raise
        self.set_timeout(REPLY_TIMEOUT_S)

    def set_timeout(self, timeout_s: float) -> None:
        """Bound each later wait for the peer."""
        self._socket.settimeout(timeout_s)

    def write(self, kind: FrameType, seq: int, body: bytes) -> None:
        """Hand one frame to the kernel."""
        header = _HEADER.pack(_COUNTED_HEADER_BYTES + len(body), kind, seq)
        self._socket.sendall(header + body, _NO_SIGNAL)

    def read_answer(self, seq: int) -> tuple[int, bytes]:
        """Return type and body of the frame that answers ``seq``.

        A CONTROL needs no answer: the end of the connection, which follows it, is noticed by
        itself.
        """
        while True:
            length, kind, answered = _HEADER.unpack(self._read(_HEADER.size))
            if not _COUNTED_HEADER_BYTES <= length <= REPLY_BYTES_MAX:
                raise ValueError(f"frame of {length} bytes")
            body = self._read(length - _COUNTED_HEADER_BYTES)
            if kind == FrameType.CONTROL:
                continue
            if answered != seq:
                raise ValueError(f"answer to seq {answered}, expected {seq}")
            return kind, body

    def close(self) -> None:
        """Let go of the socket."""
        self._reader.close()
        self._socket.close()
        _open_sockets.discard(self._socket)

    def _read(self, count: int) -> bytes:
        data = self._reader.read(count)
        if len(data) < count:
            raise ConnectionResetError("the recorder closed the connection")
        return data


def _close_inherited() -> None:
    for inherited in _open_sockets:
        # Not close(): the object counts its readers, and those stay behind with the parent's
        # thread.
        with contextlib.suppress(OSError):
            os.close(inherited.detach())
    _open_sockets.clear()


in_forked_children(_close_inherited)
