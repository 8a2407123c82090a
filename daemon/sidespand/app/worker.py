"""The worker process: carries what is durable to the sinks.

It reads the journal and writes only its own files, so nothing that it does can delay an
acknowledgement; it ends when the recorder is gone, whatever became of the recorder.
"""

import argparse
import asyncio
import contextlib
import functools
import logging
import random
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from sidespand import logs
from sidespand.app.channel import SinkFigures, WorkerEnd
from sidespand.app.redacting import NodeAdmin
from sidespand.config import Config, load
from sidespand.errors import ConfigError, SidespanError
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.limits import SINK_FIGURES_S
from sidespand.lock import FileLock
from sidespand.model import Position
from sidespand.receiver.listener import Ownership, UnixPath
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.registry import Plan
from sidespand.sinks.runner import Runner
from sidespand.web.app import make_app
from sidespand.web.server import ApiServer

_log = logging.getLogger(__name__)
_EXIT_OK = 0
_EXIT_ERROR = 2
# The names by which the API may be called.
_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Worker:
    """One running worker; must be made on its event loop.

    Args:
        config: Checked.
        plans: Its sinks.

    Raises:
        SidespanError: There is no store to read, or a sink cannot be made.
    """

    def __init__(self, config: Config, plans: Sequence[Plan]) -> None:
        self._reader = JournalReader(config.data_dir)
        sinks_dir = Layout(config.data_dir).sinks_dir
        self._runner = Runner([self._carrier(sinks_dir / plan.name, plan) for plan in plans])
        self._channel = WorkerEnd(
            advanced=self._runner.advance, stopped=self._end, closed=lambda: self._end(0.0)
        )
        admin = NodeAdmin(self._reader, self._runner.carriers, self._channel)
        # Whoever may connect may redact: its owner alone.
        self._api_path = UnixPath(config.runtime_dir / "api.sock", Ownership(mode=0o600))
        self._api = ApiServer(make_app(admin, _HOSTS), self._listeners())
        self._ended = asyncio.Event()
        self._grace_s = 0.0
        self._told: tuple[Mapping[str, Position], Mapping[str, SinkFigures]] = ({}, {})

    async def run(self, sock: socket.socket) -> None:
        """Deliver until the recorder says stop, or is gone; every cursor is saved then."""
        await self._channel.open(sock)
        self._runner.start()
        self._api.start()
        self._channel.ready()
        names = [carrier.name for carrier in self._runner.carriers]
        _log.info("delivering to %s", ", ".join(names) or "no sink: none is configured")
        while not self._ended.is_set():
            self._report()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SINK_FIGURES_S):
                    await self._ended.wait()
        self._api_path.discard()
        await self._api.close()
        await self._runner.stop(self._grace_s)
        self._report()
        self._channel.close()
        self._reader.close()
        _log.info("stopped")

    def _listeners(self) -> list[socket.socket]:
        try:
            return [self._api_path.listen()]
        except (OSError, ConfigError) as error:
            # Delivering matters more.
            _log.error("the API is off: %s: %s", self._api_path.public, error)
            return []

    def _end(self, grace_s: float) -> None:
        if not self._ended.is_set():
            self._grace_s = grace_s
            self._ended.set()

    def _report(self) -> None:
        cursors = self._runner.cursors()
        figures = {carrier.name: _figures(carrier) for carrier in self._runner.carriers}
        if cursors != self._told[0]:
            self._channel.report_cursors(cursors)
        if figures != self._told[1]:
            self._channel.report_figures(figures)
        self._told = (cursors, figures)

    def _carrier(self, place: Path, plan: Plan) -> Carrier:
        sink = registry.build(plan, place, functools.cache(self._reader.generation))
        cursor = CursorFile(place / "cursor.json")
        return Carrier(plan.name, sink, self._reader, cursor, uniform=random.uniform)


async def run_worker(config: Config, channel_fd: int) -> int:
    """Run a worker on the recorder's channel; return the process's exit status.

    Args:
        config: Checked.
        channel_fd: The worker's end of a connected socketpair; it is closed at the end.

    Raises:
        ConfigError: A sink cannot be used. Nothing was delivered.
        InUse: Another worker has the store. The same.
        StoreUnreadable, StoreTooNew: There is no store to read. The same.
    """
    plans = registry.parse(config.sinks)
    lock = FileLock(
        config.data_dir / "WORKER.lock", f"the cursors in {config.data_dir}", "data_dir"
    )
    try:
        with socket.socket(fileno=channel_fd) as sock:
            sock.set_inheritable(False)
            await Worker(config, plans).run(sock)
    finally:
        lock.release()
    return _EXIT_OK


def main(argv: Sequence[str]) -> int:
    """Be the worker that a recorder starts; return the exit status.

    Args:
        argv: ``--channel-fd N`` and the flags by which the recorder found its configuration.
    """
    parser = argparse.ArgumentParser("sidespand worker")
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--run")
    args = parser.parse_args(argv)
    # A supervisor signals the whole group; the recorder decides, and its end is the channel's.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure("info")
    given = {"data_dir": args.data, "runtime_dir": args.run}
    try:
        config = load(args.config, {path: flag for path, flag in given.items() if flag is not None})
        logs.configure(config.log_level)
        return uvloop.run(run_worker(config, args.channel_fd))
    except SidespanError as error:
        _log.error("%s%s", error, f" ({error.hint})" if error.hint else "")
        return _EXIT_ERROR


def _figures(carrier: Carrier) -> SinkFigures:
    counted = carrier.figures
    return SinkFigures(
        delivered_items=counted.delivered_items,
        rejected_items=counted.rejected_items,
        retries=counted.retries,
        missed_items=counted.missed_items,
        lag_items=carrier.lag_items,
    )
