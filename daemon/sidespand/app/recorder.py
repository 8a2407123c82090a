"""The recorder process: opens journal, worker and doors, and closes them in reverse."""

import asyncio
import errno
import gc
import logging
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial

import uvloop
from google.protobuf.internal import api_implementation

from sidespand import __version__, logs, platform, scrubbing
from sidespand.app import node_key
from sidespand.app.checkpointer import Checkpointer
from sidespand.app.doors import Doors
from sidespand.app.housekeeper import Housekeeper
from sidespand.app.intake import make_intake
from sidespand.app.notify import notify
from sidespand.app.opening import node_identity, open_journal
from sidespand.app.saying import configure_logs
from sidespand.app.supervisor import WorkerSupervisor
from sidespand.app.watchdog import Watchdog, period_s
from sidespand.clock import Clock, SystemClock
from sidespand.config import Config
from sidespand.errors import ConfigError
from sidespand.lock import FileLock
from sidespand.model import ControlBody, Position
from sidespand.receiver.credentials import load_keys
from sidespand.scrubbing import Secrets
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
_EXIT_OK = 0
_EXIT_IO = 74
_LEFT_OUT = {
    "metadata": "what people and models said is not kept",
    "off": "NOTHING that clients send is kept",
}


class Recorder:
    """One running recorder.

    Args:
        config: Checked.
        worker_arguments: What the worker process is started with.
        accept_move: Whether a store that is a copy, or was moved, may go on here.
        clock: Of all stamps; the machine's own by default.
        secrets: What no sender is told.

    Raises:
        SidespanError: A leaf that names what stands in the way; nothing is left open.
    """

    def __init__(
        self,
        config: Config,
        worker_arguments: Sequence[str],
        *,
        accept_move: bool = False,
        clock: Clock | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._telemetry = Telemetry()
        self._ready = False
        self.failed = asyncio.Event()
        # What governed records may name.
        self._sinks = {sink.name for sink in config.sinks}
        node_signer = node_key.load(config.node_key_path, required=config.node_key_file is not None)
        identity = node_identity(config, self._clock)
        keys = load_keys(config)
        self._runtime_lock = _own_runtime_dir(config)
        try:
            self._journal = open_journal(
                config,
                identity,
                self._clock,
                committed=self._on_commit,
                fatal=self._on_fatal,
                accept_move=accept_move,
            )
        except BaseException:
            self._runtime_lock.release()
            raise
        self._checkpointer = Checkpointer(self._journal, identity, node_signer, self._telemetry)
        self._housekeeper = Housekeeper(self._journal, config, self._clock, self._telemetry)
        self._worker = WorkerSupervisor(
            worker_arguments,
            self._telemetry,
            lambda: self._journal.position,
            cursors=self._housekeeper.note_cursors,
            asked=self._answer,
        )
        intake = make_intake(config, self._journal, self._telemetry, secrets, self._sinks)
        self._doors = Doors(
            config,
            keys,
            intake,
            self._telemetry,
            open_spans=self._journal,
            ready=self._is_ready,
        )
        period = period_s(os.environ)
        self._watchdog = Watchdog(self._journal.pulse, period) if period is not None else None
        self._export_facts()

    async def start(self) -> None:
        """Accept requests from here on."""
        self._journal.start()
        try:
            # What was to be redacted must not be delivered.
            await self._housekeeper.start()
            self._worker.start()
            await self._checkpointer.start()
            addresses = await self._doors.open()
        except BaseException:
            await self._checkpointer.close()
            await self._worker.stop()
            await self._housekeeper.close()
            self._close_journal()
            raise
        self._ready = True
        head = self._journal.head
        _log.info(
            "sidespan %s recording: node %s, lineage %s, generation %d, next LSN %d",
            __version__,
            self._config.source_node_ref,
            head.lineage.hex(),
            head.boot_generation,
            head.next_lsn,
        )
        _log.info("listening on %s; store %s", ", ".join(addresses), self._config.data_dir)
        if self._journal.begun is not None and self._journal.begun["parent_lineage"]:
            _warn_of_lineage(self._journal.begun)
        for address in self._config.exposed:
            _log.warning(
                "receivers.insecure_listen: ANYBODY who reaches %s may write here, unseen", address
            )
        if self._config.capture in _LEFT_OUT:
            level = self._config.capture
            _log.warning("receivers.capture is %s: %s", level, _LEFT_OUT[level])
        if not self._config.sync:
            _log.warning("journal.durability is none: an acknowledgement promises NOTHING")
        notify(f"READY=1\nSTATUS=recording in generation {head.boot_generation}")
        if self._watchdog is not None:
            self._watchdog.start()

    def reload(self) -> None:
        """Have the worker take up another configuration; a faulty one changes nothing."""
        _log.info("reloading the configuration")
        self._worker.reload()

    async def stop(self) -> None:
        """Answer what was accepted, have the worker save its cursors, close the store."""
        notify("STOPPING=1")
        self._ready = False
        # From here on TimeoutStopSec counts.
        if self._watchdog is not None:
            await self._watchdog.close()
        try:
            await self._doors.close()
            # While the worker may still read it, so that sinks end where the log does ...
            await self._checkpointer.close()
            await self._worker.stop()
            await self._housekeeper.close()
            # ... and once more where something was trimmed or redacted since.
            await self._checkpointer.close()
        finally:
            self._close_journal()
        _log.info("stopped at LSN %d", self._journal.head.last_lsn)

    async def _answer(self, verb: str, body: ControlBody) -> ControlBody:
        answer = await self._housekeeper.answer(verb, body)
        if verb == "require":
            # In place: admission holds it.
            self._sinks.clear()
            self._sinks.update(str(name) for name in body["names"])
            logs.set_level(str(body["log_level"]))
        return answer

    def _close_journal(self) -> None:
        self._journal.close()
        self._runtime_lock.release()

    def _on_commit(self, position: Position) -> None:
        self._checkpointer.advance()
        self._housekeeper.advance()
        self._worker.advance(position)

    def _on_fatal(self, error: Exception) -> None:
        _log.critical("commits keep failing, giving up: %s", error)
        self.failed.set()

    def _export_facts(self) -> None:
        telemetry = self._telemetry
        telemetry.follow(telemetry.last_lsn, lambda: self._journal.head.last_lsn)
        telemetry.follow(telemetry.boot_generation, lambda: self._journal.head.boot_generation)
        telemetry.follow(telemetry.lineage_ordinal, lambda: self._journal.head.ordinal)
        telemetry.follow(telemetry.hlc_lead, self._hlc_lead_s)
        telemetry.follow(telemetry.failing_anchors, lambda: self._journal.failing_anchor_count)
        telemetry.follow(telemetry.inflight_bytes, lambda: self._journal.inflight_bytes)
        telemetry.follow(telemetry.open_spans, lambda: self._journal.open_span_count)
        telemetry.follow(telemetry.ready, self._is_ready)
        telemetry.durable.set(self._config.sync)
        telemetry.build.info({"version": __version__})

    def _is_ready(self) -> bool:
        return self._ready and self._journal.accepts

    def _hlc_lead_s(self) -> float:
        head = self._journal.head
        return (head.stamp.wall_ns - head.wall_ns) / 1e9


def serve(
    config: Config,
    worker_arguments: Sequence[str],
    *,
    accept_move: bool = False,
    clock: Clock | None = None,
) -> int:
    """Run a recorder until SIGTERM or SIGINT; return the process's exit status.

    Args:
        config: Checked.
        worker_arguments: What the worker process is started with.
        accept_move: Whether a store that is a copy, or was moved, may go on here.
        clock: Of all stamps; the machine's own by default.

    Returns:
        0 after a clean stop, 74 when the disk kept failing.

    Raises:
        SidespanError: It could not start; nothing is left open.
    """
    platform.require_linux()
    if api_implementation.Type() != "upb":
        raise ConfigError(
            f"protobuf runs its {api_implementation.Type()} backend, which hostile input can stall",
            hint="install protobuf's wheel and unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
        )
    secrets = scrubbing.load(config.secret_files)
    configure_logs(config, secrets)
    # Every connection is a descriptor, and a journal that finds none left cannot go on.
    platform.raise_file_limit()
    # What start-up allocated stays; the collector need not walk it again.
    gc.freeze()
    recorder = partial(
        Recorder, config, worker_arguments, accept_move=accept_move, clock=clock, secrets=secrets
    )
    return uvloop.run(_run(recorder))


async def _run(make: Callable[[], Recorder]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    recorder = make()
    await recorder.start()
    # Until here it ends the start, as SIGHUP does by default.
    loop.add_signal_handler(
        signal.SIGHUP, lambda: stopping.set() if _hung_up() else recorder.reload()
    )
    waits = [loop.create_task(event.wait()) for event in (stopping, recorder.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await recorder.stop()
    return _EXIT_IO if recorder.failed.is_set() else _EXIT_OK


def _hung_up() -> bool:
    # The kernel sends SIGHUP, too, when the terminal is gone from which we were started.
    try:
        os.tcgetpgrp(0)
    except OSError as error:
        return error.errno == errno.EIO
    return False


def _warn_of_lineage(origin: ControlBody) -> None:
    seen = origin["anchored_lsn"]
    _log.warning(
        "a new lineage begins (%s): the one before is left at %s:%d; %s",
        origin["reason"],
        origin["parent_lineage"].hex(),
        origin["parent_lsn"],
        f"its anchor was at LSN {seen}" if seen else "no anchor knew more of it",
    )


def _own_runtime_dir(config: Config) -> FileLock:
    try:
        config.runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        return FileLock(
            config.runtime_dir / "LOCK", f"the sockets in {config.runtime_dir}", "runtime_dir"
        )
    except OSError as error:
        raise ConfigError(
            f"runtime_dir: cannot use {config.runtime_dir}: {error.strerror}",
            hint="choose a directory that this user may write, with --run DIR",
        ) from error
