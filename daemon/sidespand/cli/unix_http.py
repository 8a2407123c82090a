"""HTTP over the Unix socket of a daemon's worker: one request on a connection."""

import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httptools

_PAUSE_S = 0.05
_INGEST = "ingest.sock"
_READ_BYTES = 1 << 16


def listens(path: Path) -> bool:
    """Tell whether a process listens on a socket, or may: who cannot look does not know."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A queue of connections that is full is not waited for.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


class UnixConnection:
    """One connection.

    Args:
        path: Of the socket.
        connect_s: How long a socket that is not there, or refuses, is waited for, as long as a
            daemon takes spans beside it.
        answer_s: How long each wait for the peer may take.
    """

    def __init__(self, path: Path, connect_s: float, answer_s: float) -> None:
        self._path = path
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._answer = _Answer()
        # The standard library's client brings TLS and mail along, which cost more than the answer.
        self._parser = httptools.HttpResponseParser(self._answer)

    def connect(self) -> None:
        """Connect; called by ``request``.

        Raises:
            OSError: Nobody listens. Nothing was sent.
        """
        deadline_s = time.monotonic() + self._connect_s
        while True:
            self._socket.close()
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(self._answer_s)
            try:
                self._socket.connect(str(self._path))
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline_s or not listens(self._path.with_name(_INGEST)):
                    raise
                # The daemon's worker is about to start.
                time.sleep(_PAUSE_S)
            else:
                return

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request; return the status of the answer, whose body is still to come.

        Args:
            method: Such as ``GET``.
            target: Route and query, quoted.
            headers: But for those of every request.
            body: Empty for none.

        Raises:
            OSError: Nobody listens or answers, or what answers does not speak HTTP.
        """
        self.connect()
        lines = {
            "Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **headers
        }  # fmt: skip
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii") + body)
        while not self._answer.begun:
            self._receive()
        return self._parser.get_status_code()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            OSError: The peer left, or was silent for too long, before the end.
        """
        while True:
            yield from self._answer.taken()
            if self._answer.complete:
                return
            self._receive()

    def read(self, bytes_max: int) -> bytes:
        """Return the body.

        Raises:
            OSError: As ``pieces``, or it has more than ``bytes_max`` bytes.
        """
        pieces = []
        for piece in self.pieces():
            pieces.append(piece)
            bytes_max -= len(piece)
            if bytes_max < 0:
                raise OSError("the answer is too long")
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the answer ends too soon")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise OSError(f"what answers does not speak HTTP: {error}") from error


class _Answer:
    """What the parser found so far."""

    def __init__(self) -> None:
        self.begun = self.complete = False
        self._pieces: list[bytes] = []

    def taken(self) -> list[bytes]:
        """Return the pieces of the body that were not taken yet."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def on_headers_complete(self) -> None:
        """Note that the status is known."""
        self.begun = True

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Note that no more will come."""
        self.complete = True
