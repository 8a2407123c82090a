"""HTTP over a Unix socket."""

import http.client
import socket
import time
from pathlib import Path

_PAUSE_S = 0.05


class UnixConnection(http.client.HTTPConnection):
    """One connection.

    Args:
        path: Of the socket.
        connect_s: How long a socket that is not there, or refuses, is waited for.
        answer_s: How long each wait for the peer may take.
    """

    def __init__(self, path: Path, connect_s: float, answer_s: float) -> None:
        super().__init__("localhost", timeout=answer_s)
        self._path = path
        self._connect_s = connect_s

    def connect(self) -> None:
        """Connect; called by ``request``."""
        deadline_s = time.monotonic() + self._connect_s
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(str(self._path))
            except (FileNotFoundError, ConnectionRefusedError):
                # The worker may be about to start.
                self.sock.close()
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return
