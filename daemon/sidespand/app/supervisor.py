"""Keeps the worker process alive, tells it how far it may read, and hears what it delivered.

    start ──▶ exec'd child on a socketpair ──ends──▶ wait, longer each time ──▶ start …

The child is exec'd, never forked: neither gRPC nor LMDB survives a fork.
"""

import asyncio
import contextlib
import logging
import random
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from sidespand.app.channel import Asked, RecorderEnd
from sidespand.app.worker_metrics import WorkerMetrics
from sidespand.backoff import delay_s
from sidespand.limits import STOP_WORKER_S, WORKER_STEADY_S
from sidespand.model import Position
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
# What the worker is given of the stop's time; the rest is for saving and leaving.
_DELIVER_SHARE = 0.5


class WorkerSupervisor:
    """One worker after another, until ``stop``.

    Args:
        arguments: The flags by which a worker finds its configuration.
        telemetry: Counts starts, and shows what sinks did.
        position: Tells the newest durable position.
        cursors: Takes the durable cursor of each sink that has told one.
        asked: Answers what the worker asks.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        telemetry: Telemetry,
        position: Callable[[], Position],
        *,
        cursors: Callable[[Mapping[str, Position]], None],
        asked: Asked,
    ) -> None:
        self._cursors = cursors
        self._asked = asked
        self._arguments = arguments
        self._metrics = WorkerMetrics(telemetry)
        self._position = position
        self._channel: RecorderEnd | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the worker; from here on one is running, or about to."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    def advance(self, newest: Position) -> None:
        """Let the worker read up to ``newest``."""
        if self._channel is not None:
            self._channel.advance(newest)

    def reload(self) -> None:
        """Have the worker read its configuration again; one that starts does so anyway."""
        if self._channel is not None:
            self._channel.reload()

    async def stop(self) -> None:
        """Have the worker deliver what it can and save its cursors; kill it when it is late."""
        self._stopping = True
        if self._keeper is None:
            return
        if self._channel is not None:
            self._channel.stop(STOP_WORKER_S * _DELIVER_SHARE)
        if self._process is None:
            self._keeper.cancel()
        try:
            await asyncio.wait_for(asyncio.shield(self._keeper), STOP_WORKER_S)
        except TimeoutError:
            _log.warning("the worker did not stop in %g s and is killed", STOP_WORKER_S)
            self._kill()
            await self._keeper
        except asyncio.CancelledError:
            if not self._keeper.cancelled():
                raise

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            try:
                how = f"ended with status {await self._run_once()}"
            except OSError as error:
                # No process or no descriptor is to be had; that passes.
                how = f"cannot be started: {error}"
            if self._stopping:
                return
            failures = 1 if loop.time() - began > WORKER_STEADY_S else failures + 1
            wait = delay_s(failures, random.uniform)
            _log.error("the worker %s, starting another in %.1f s", how, wait)
            await asyncio.sleep(wait)

    async def _run_once(self) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sidespand",
                "worker",
                "--channel-fd",
                str(theirs.fileno()),
                *self._arguments,
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
            )
        self._metrics.begin()
        channel = RecorderEnd(
            ready=lambda: None,
            cursors=self._cursors,
            figures=self._metrics.sinks,
            closed=self._on_closed,
            indexed=self._metrics.index,
            asked=self._asked,
        )
        ours.setblocking(False)
        await channel.open(ours)
        self._channel = channel
        channel.advance(self._position())
        if self._stopping:
            channel.stop(STOP_WORKER_S * _DELIVER_SHARE)
        try:
            return await self._process.wait()
        finally:
            self._channel = None
            channel.close()
            self._process = None

    def _on_closed(self) -> None:
        # A worker that closed its end, or sent nonsense, serves nobody any more. While it stops it
        # closes its end first, and then leaves by itself.
        if not self._stopping:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
