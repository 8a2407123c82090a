"""Tells systemd that the recorder still works, by way of the thread that commits.

An idle daemon has nothing to commit, so each sign of life goes through the write thread's queue and
comes back over the event loop: whichever of the two is stuck, no sign goes out, and systemd ends
the process after WatchdogSec. Source: sd_watchdog_enabled(3), sd_notify(3).
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping

from sidespand.app.notify import notify
from sidespand.errors import Refused

_log = logging.getLogger(__name__)
_US = 1_000_000
# A sign that comes late once must not end a busy daemon.
_SIGNS_PER_PERIOD = 3


def period_s(environment: Mapping[str, str]) -> float | None:
    """Return within which time the manager wants a sign of life; None when it wants none.

    Args:
        environment: WATCHDOG_USEC, and WATCHDOG_PID when another process may be meant.
    """
    named = environment.get("WATCHDOG_PID")
    text = environment.get("WATCHDOG_USEC", "")
    meant = named is None or named == str(os.getpid())
    if not meant or not (text.isascii() and text.isdigit() and int(text[:20])):
        return None
    return int(text[:20]) / _US


class Watchdog:
    """Sends signs of life while the write thread answers.

    Args:
        pulse: Returns what is done when the write thread has come by.
        period_s: The manager waits so long for one.
        send: Tells the manager.
    """

    def __init__(
        self,
        pulse: Callable[[], Awaitable[object]],
        period_s: float,
        send: Callable[[str], None] = notify,
    ) -> None:
        self._pulse = pulse
        self._pause_s = period_s / _SIGNS_PER_PERIOD
        self._send = send
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first sign goes out as soon as the write thread answers."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Send none any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked_s = loop.time()
            # A commit that failed was reported by the thread that made it, which is not stuck.
            with contextlib.suppress(Refused):
                await self._pulse()
            took_s = loop.time() - asked_s
            if took_s > self._pause_s:
                _log.warning("the write thread took %.1f s to answer the watchdog", took_s)
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._pause_s)
