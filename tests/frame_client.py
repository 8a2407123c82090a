"""A blocking frame client for tests, written from proto/README.md with the generated messages."""

import socket
import struct
from pathlib import Path
from typing import Self

from sidespan.v1.recorder_pb2 import Ack, Hello, HelloAck, Nack, Records

HEAD = struct.Struct(">IBQ")
HELLO, RECORDS, BYE = 1, 2, 3
HELLO_ACK, ACK, NACK, CONTROL = 16, 17, 18, 19


def frame(number: int, seq: int, body: bytes) -> bytes:
    """Return one frame."""
    return HEAD.pack(9 + len(body), number, seq) + body


class FrameClient:
    """One connection.

    Args:
        path: The daemon's ingest.sock.
        timeout_s: Of every read and write.
    """

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hello(self, instance_id: bytes, acked_seq: int = 0) -> HelloAck:
        """Open a session and return the answer.

        Raises:
            EOFError: The daemon is stopping.
        """
        hello = Hello(
            instance_id=instance_id, protocol_version_min=1, protocol_version_max=1,
            client="test/0", acked_seq=acked_seq,
        )  # fmt: skip
        self.send(HELLO, 0, hello.SerializeToString())
        number, _, body = self.receive()
        if number == CONTROL:
            raise EOFError("the daemon is stopping")
        assert number == HELLO_ACK, (number, body)
        return HelloAck.FromString(body)

    def send(self, number: int, seq: int, body: bytes) -> None:
        """Send one frame."""
        self.socket.sendall(frame(number, seq, body))

    def records(
        self, seq: int, traces: bytes = b"", marks: bytes = b"", ended: bytes = b""
    ) -> None:
        """Send RECORDS without waiting."""
        records = Records(traces=traces, marks=marks, ended=ended)
        self.send(RECORDS, seq, records.SerializeToString())

    def receive(self) -> tuple[int, int, bytes]:
        """Return type, seq and body of the next frame.

        Raises:
            EOFError: The daemon closed the connection.
        """
        length, number, seq = HEAD.unpack(self._exactly(HEAD.size))
        return number, seq, self._exactly(length - 9)

    def ack(self, seq: int) -> Ack:
        """Return the ACK of ``seq``, which must come next."""
        number, found, body = self.receive()
        assert (number, found) == (ACK, seq), (number, found, body)
        return Ack.FromString(body)

    def nack(self, seq: int) -> Nack:
        """Return the NACK of ``seq``, which must come next."""
        number, found, body = self.receive()
        assert (number, found) == (NACK, seq), (number, found, body)
        return Nack.FromString(body)

    def closed(self) -> bool:
        """Tell whether the daemon has closed the connection; it must within the timeout."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        return True

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the daemon closed the connection")
            self._buffer += more
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found
