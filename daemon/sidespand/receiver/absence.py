"""Decides when a client that is away has abandoned the spans it left open.

    away, its process is gone                          now
    away without goodbye, its process lives            when it goes, at the latest after the grace
    away after a goodbye, its process lives            when it goes
    away, its process is unknown                       after the grace
    the daemon was away                                after the grace, which starts with the daemon

Whoever says HELLO in time goes on as if nothing had been.
"""

import asyncio
import logging
from collections.abc import Callable

from sidespand import platform
from sidespand.errors import Unavailable
from sidespand.limits import AWAY_S_MAX, SILENT_S_MAX
from sidespand.platform import Process, ProcessId
from sidespand.ports import OpenSpanTable

_log = logging.getLogger(__name__)
_RETRY_S = 1.0

_GONE = "its process is gone"
_NOT_BACK = "it did not come back in time"
_NOT_BACK_AFTER_RESTART = "it did not come back after a restart of the daemon"
_SILENT = "nothing more was heard of it"


class _Absence:
    """What one instance that is away is waited for with."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._process: Process | None = None

    def wait(self, seconds: float, ended: Callable[[], None]) -> None:
        """Call ``ended`` when the time has passed."""
        self._timer = self._loop.call_later(seconds, ended)

    def watch(self, process: Process, exited: Callable[[], None]) -> None:
        """Call ``exited`` when the process has."""
        self._process = process
        self._loop.add_reader(process.fileno(), exited)

    def end(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._loop.remove_reader(self._process.fileno())
            self._process.close()
            self._process = None


class Absences:
    """The instances with open spans that are away. All methods run on the event loop.

    Args:
        table: Knows the open spans.
        abandoned: Called with the number of spans of each instance that is given up.
        away_s_max: The grace of clients with a session, in seconds.
        silent_s_max: The same without one.
    """

    def __init__(
        self,
        table: OpenSpanTable,
        abandoned: Callable[[int], None],
        *,
        away_s_max: float = AWAY_S_MAX,
        silent_s_max: float = SILENT_S_MAX,
    ) -> None:
        self._table = table
        self._abandoned = abandoned
        self.away_s_max = away_s_max
        self.silent_s_max = silent_s_max
        self._away: dict[bytes, _Absence] = {}
        self._giving_up: dict[bytes, asyncio.Task[None]] = {}
        self._closed = False

    def start(self) -> None:
        """Begin the grace of every instance that had open spans when the daemon ended."""
        for instance_id, away_s_max in self._table.open_instances().items():
            self._wait(instance_id, away_s_max, _NOT_BACK_AFTER_RESTART)

    def present(self, instance_id: bytes) -> None:
        """Note that an instance is here."""
        absence = self._away.pop(instance_id, None)
        if absence is not None:
            absence.end()
        giving_up = self._giving_up.get(instance_id)
        if giving_up is not None:
            giving_up.cancel()

    def away(self, instance_id: bytes, process_id: ProcessId | None, *, said_goodbye: bool) -> None:
        """Note that an instance is not here any more; what it sent is decided.

        Args:
            instance_id: Of the client.
            process_id: The client's; None when it is unknown.
            said_goodbye: Its connection ended with BYE.
        """
        if self._closed or not self._table.open_count(instance_id):
            return
        process = platform.open_process(process_id) if process_id is not None else None
        if process is None:
            self._wait(instance_id, self.away_s_max, _NOT_BACK)
        elif process.has_exited():
            process.close()
            self._give_up(instance_id, _GONE)
        else:
            absence = self._absence(instance_id)
            absence.watch(process, lambda: self._give_up(instance_id, _GONE))
            if not said_goodbye:
                absence.wait(self.away_s_max, lambda: self._give_up(instance_id, _NOT_BACK))

    def heard(self, instance_id: bytes) -> None:
        """Note a step of an instance that has no session."""
        if not self._closed and self._table.open_count(instance_id):
            self._wait(instance_id, self.silent_s_max, _SILENT)

    async def close(self) -> None:
        """Wait for nobody any more; what is being written is written."""
        self._closed = True
        for absence in self._away.values():
            absence.end()
        self._away.clear()
        running = list(self._giving_up.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _wait(self, instance_id: bytes, seconds: float, reason: str) -> None:
        absence = self._absence(instance_id)
        absence.wait(seconds, lambda: self._give_up(instance_id, reason))

    def _absence(self, instance_id: bytes) -> _Absence:
        self.present(instance_id)
        absence = self._away[instance_id] = _Absence(asyncio.get_running_loop())
        return absence

    def _give_up(self, instance_id: bytes, reason: str) -> None:
        self.present(instance_id)
        task = asyncio.get_running_loop().create_task(self._abandon(instance_id, reason))
        self._giving_up[instance_id] = task
        task.add_done_callback(lambda done: self._gave_up(instance_id, done))

    def _gave_up(self, instance_id: bytes, task: asyncio.Task[None]) -> None:
        if self._giving_up.get(instance_id) is task:
            del self._giving_up[instance_id]
        if not task.cancelled() and task.exception() is not None:
            _log.error("open spans could not be abandoned", exc_info=task.exception())

    async def _abandon(self, instance_id: bytes, reason: str) -> None:
        count = self._table.open_count(instance_id)
        while True:
            try:
                receipt = await self._table.abandon(instance_id, reason)
            except Unavailable:
                # The disk is full or failing; nothing was forgotten.
                await asyncio.sleep(_RETRY_S)
                continue
            if receipt.last_lsn:
                self._abandoned(count)
                _log.warning(
                    "client instance %s: %d open spans abandoned, %s",
                    instance_id.hex(),
                    count,
                    reason,
                )
            return
