"""Asks a running daemon, over its ``api.sock``."""

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any

from sidespand.errors import NotFound, SidespanError
from sidespand.limits import API_ANSWER_S, API_CONNECT_S

_PAUSE_S = 0.05


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=API_ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Connect; called by ``request``."""
        deadline_s = time.monotonic() + API_CONNECT_S
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


def post(api_sock: Path, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the daemon's answer to one request.

    Args:
        api_sock: Its socket.
        route: Such as ``/v1/redact``.
        body: What JSON holds.

    Raises:
        NotFound: The daemon says so. Not retryable.
        SidespanError: It cannot be reached, or refuses.
    """
    connection = _UnixConnection(api_sock)
    try:
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = json.loads(response.read())
    except (OSError, http.client.HTTPException) as error:
        raise SidespanError(
            f"the daemon does not answer on {api_sock}: {error}",
            hint="name its runtime directory with --run DIR, or stop it and ask again",
        ) from error
    except ValueError as error:
        raise SidespanError(f"{api_sock} is not answered by this version of Sidespan") from error
    finally:
        connection.close()
    if response.status == http.HTTPStatus.OK and isinstance(found, dict):
        return found
    told = found.get("error", {}) if isinstance(found, dict) else {}
    leaf = NotFound if response.status == http.HTTPStatus.NOT_FOUND else SidespanError
    message = str(told.get("message", f"{api_sock}: HTTP status {response.status}"))
    raise leaf(message, hint=str(told.get("hint", "")))
