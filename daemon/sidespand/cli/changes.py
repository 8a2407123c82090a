"""Tells when there may be something new: as the daemon's stream says, else after a pause."""

import threading
import time
from pathlib import Path

from sidespand.cli import api
from sidespand.errors import SidespanError

_POLL_S = 0.25
# A daemon that was started again is listened to again.
_AGAIN_S = 5.0


class Changes:
    """What is waited for between two looks.

    Args:
        api_sock: Of the daemon; None to look again after each pause.
    """

    def __init__(self, api_sock: Path | None) -> None:
        self._api_sock = api_sock
        self._moved = threading.Event()
        self._listener: threading.Thread | None = None
        self._again_s = 0.0

    def wait(self, seconds_max: float) -> bool:
        """Return True when there may be something new, else False after a time at most."""
        if self._listens():
            if not self._moved.wait(seconds_max):
                return False
            # Before the look: what comes during it is looked for again.
            self._moved.clear()
            return True
        time.sleep(min(_POLL_S, seconds_max))
        return True

    def _listens(self) -> bool:
        if self._listener is not None and self._listener.is_alive():
            return True
        if self._api_sock is None or time.monotonic() < self._again_s:
            return False
        self._again_s = time.monotonic() + _AGAIN_S
        # A process that ends waits for no event.
        self._listener = threading.Thread(target=self._listen, args=(self._api_sock,), daemon=True)
        self._listener.start()
        return True

    def _listen(self, api_sock: Path) -> None:
        place = ""
        try:
            for event in api.events(api_sock, "/v1/stream", {}):
                # The last event of a batch brings another place; each heartbeat is a look in any
                # case, the first of them for what came before the stream.
                if event.kind in ("open", "heartbeat") or event.id != place:
                    self._moved.set()
                place = event.id
        except SidespanError:
            # Who waits looks again after each pause, and is told there what is wrong.
            pass
        finally:
            self._moved.set()
