"""HTTP over the Unix socket of a daemon's worker."""

import http.client
import socket
import time
from pathlib import Path

_PAUSE_S = 0.05
_INGEST = "ingest.sock"


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


class UnixConnection(http.client.HTTPConnection):
    """One connection.

    Args:
        path: Of the socket.
        connect_s: How long a socket that is not there, or refuses, is waited for, as long as a
            daemon takes spans beside it.
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
                self.sock.close()
                if time.monotonic() > deadline_s or not listens(self._path.with_name(_INGEST)):
                    raise
                # The daemon's worker is about to start.
                time.sleep(_PAUSE_S)
            else:
                return
