"""The worker process: carries what is durable to the sinks.

It reads the journal and writes only its own files, so nothing that it does can delay an
acknowledgement; it ends when the recorder is gone, whatever became of the recorder.
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from sidespand import logs, scrubbing
from sidespand.ai import normaliser
from sidespand.answers.stock import Stock
from sidespand.app import indexing
from sidespand.app.carriers import Carriers
from sidespand.app.channel import IndexFigures, SinkFigures, WorkerEnd
from sidespand.app.redacting import NodeAdmin
from sidespand.app.reloading import Reloaded, Reloader
from sidespand.app.saying import configure_logs
from sidespand.app.web_doors import WebDoors
from sidespand.config import Config, load
from sidespand.errors import SidespanError
from sidespand.journal.reader import JournalReader
from sidespand.limits import GC_ALLOCATIONS, SINK_FIGURES_S
from sidespand.lock import FileLock
from sidespand.model import Position
from sidespand.scrubbing import Secrets
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.registry import Plan
from sidespand.sinks.runner import Runner
from sidespand.sinks.tap import Tap

_log = logging.getLogger(__name__)
_EXIT_OK = 0
_EXIT_ERROR = 2


class Worker:
    """One running worker; must be made on its event loop.

    Args:
        config: Checked.
        plans: Its sinks.
        secrets: What goes nowhere.
        read: Returns the configuration as it is by then.

    Raises:
        SidespanError: There is no store to read, or a sink cannot be made.
    """

    def __init__(
        self,
        config: Config,
        plans: Sequence[Plan],
        secrets: Secrets,
        read: Callable[[], Config],
    ) -> None:
        self._required = tuple(sink.name for sink in config.sinks if sink.required)
        self._log_level = config.log_level
        self._reader = JournalReader(config.data_dir)
        self._plans = plans
        self._carriers = Carriers(config, self._reader, secrets)
        self._runner = Runner([self._carriers.make(plan) for plan in plans])
        self._reloader = Reloader(config, read, plans, self._carriers, self._runner)
        # One at a time: the next one reads what is there by then.
        self._reloading = asyncio.Lock()
        self._reload_task: asyncio.Task[None] | None = None
        self._indexer, index = None, None
        if config.index_enabled:
            self._indexer, index = indexing.begin_index(config, self._reader, secrets)
        self._index = index
        self._channel = WorkerEnd(
            advanced=self._advance,
            stopped=self._end,
            closed=lambda: self._end(0.0),
            reloading=self._on_reload,
        )
        admin = NodeAdmin(
            self._reader,
            self._runner.carriers,
            self._channel,
            self._carriers.places,
            tap=self._carriers.tap,
            index=self._indexer,
            reload=self._reload,
        )
        normalise = normaliser(config.index_attributes)
        stock = Stock(self._reader, normalise, index, secrets=secrets)
        self._doors = WebDoors(config, stock, admin)
        self._ended = asyncio.Event()
        self._grace_s = 0.0
        self._told: tuple[Mapping[str, Position], Mapping[str, SinkFigures]] = ({}, {})
        self._index_told: IndexFigures | None = None

    async def run(self, sock: socket.socket) -> None:
        """Deliver until the recorder says stop, or is gone; every cursor is saved then."""
        await self._channel.open(sock)
        self._runner.start()
        if self._indexer is not None:
            self._indexer.start()
        self._doors.start()
        self._channel.ready()
        telling = asyncio.get_running_loop().create_task(self._tell_first())
        names = [f"{plan.name} ({plan.capture})" for plan in self._plans]
        _log.info("delivering to %s", ", ".join(names) or "no sink: none is configured")
        while not self._ended.is_set():
            self._report()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SINK_FIGURES_S):
                    await self._ended.wait()
        await telling
        async with self._reloading:
            await self._doors.close()
        await self._runner.stop(self._grace_s)
        await self._carriers.close()
        if self._indexer is not None:
            await asyncio.to_thread(self._indexer.stop)
        if self._index is not None:
            self._index.close()
        self._report()
        self._channel.close()
        self._reader.close()
        _log.info("stopped")

    def _advance(self, newest: Position) -> None:
        self._runner.advance(newest)
        if self._indexer is not None:
            self._indexer.advance(newest)

    def _end(self, grace_s: float) -> None:
        if not self._ended.is_set():
            self._grace_s = grace_s
            self._ended.set()

    def _on_reload(self) -> None:
        if not self._ended.is_set():
            self._reload_task = asyncio.get_running_loop().create_task(self._reload_or_log())

    async def _reload_or_log(self) -> None:
        try:
            await self._reload()
        except SidespanError as error:
            hint = f" ({error.hint})" if error.hint else ""
            _log.error("the configuration stays as it was: %s%s", error, hint)

    async def _reload(self) -> Reloaded:
        async with self._reloading:
            done = await self._reloader.reload()
            self._required, self._log_level = done.required, done.log_level
            await self._tell()
            return done

    async def _tell_first(self) -> None:
        # The file may have changed since the recorder read it; a reload may have come before.
        async with self._reloading:
            await self._tell()

    async def _tell(self) -> None:
        body = {
            "sinks": self._required,
            "names": self._reloader.names,
            "log_level": self._log_level,
        }
        try:
            await self._channel.ask("require", body)
        except SidespanError as error:
            _log.warning("the journal still waits for the sinks required before: %s", error)

    def _report(self) -> None:
        cursors = self._runner.cursors()
        tap = self._carriers.tap
        figures = {carrier.name: _figures(carrier, tap) for carrier in self._runner.carriers}
        if cursors != self._told[0]:
            self._channel.report_cursors(cursors)
        if figures != self._told[1]:
            self._channel.report_figures(figures)
        self._told = (cursors, figures)
        if self._indexer is not None:
            index = indexing.figures(self._indexer)
            if index != self._index_told:
                self._channel.report_index(index)
            self._index_told = index


async def run_worker(
    config: Config, channel_fd: int, secrets: Secrets, read: Callable[[], Config]
) -> int:
    """Run a worker on the recorder's channel; return the process's exit status.

    Args:
        config: Checked.
        channel_fd: The worker's end of a connected socketpair; it is closed at the end.
        secrets: What goes nowhere.
        read: Returns the configuration as it is by then.

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
            await Worker(config, plans, secrets, read).run(sock)
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
    parser.add_argument("--web")
    args = parser.parse_args(argv)
    # A supervisor signals the whole group; the recorder decides, and its end is the channel's.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure("info")
    given = {"data_dir": args.data, "runtime_dir": args.run, "web.listen": args.web}
    flags = {path: flag for path, flag in given.items() if flag is not None}
    read = functools.partial(load, args.config, flags, sinks=registry.parse)
    try:
        config = read()
        secrets = scrubbing.load(config.secret_files)
        configure_logs(config, secrets, "worker")
        calm_collector()
        return uvloop.run(run_worker(config, args.channel_fd, secrets, read))
    except SidespanError as error:
        _log.error("%s%s", error, f" ({error.hint})" if error.hint else "")
        return _EXIT_ERROR
    except OSError as error:
        # A disk that fails is the recorder's to judge; it starts another worker until it gives up.
        _log.error("%s", error)
        return _EXIT_ERROR


def calm_collector() -> None:
    """Have cycles looked for a hundred times more seldom; what the index makes has hardly any."""
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, *gc.get_threshold()[1:])


def _figures(carrier: Carrier, tap: Tap | None) -> SinkFigures:
    counted = carrier.figures
    return SinkFigures(
        delivered_items=counted.delivered_items,
        rejected_items=counted.rejected_items,
        retries=counted.retries,
        missed_items=counted.missed_items,
        lag_items=carrier.lag_items,
        dropped_items=counted.dropped_items,
        failures=carrier.failures,
        oldest_age_ms=int(carrier.oldest_age_s(time.time_ns()) * 1000),
        dead_letter_bytes=carrier.dead_letters.size_bytes,
        withheld_items=counted.withheld_items,
        changed_values=counted.changed_values,
        tap_missed_records=tap.missed_records[carrier.name] if tap is not None else 0,
    )
