"""The recorder process: opens journal, worker and doors, and closes them in reverse."""

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence

import uvloop
from google.protobuf.internal import api_implementation

from sidespand import __version__, logs, platform
from sidespand.admission import OtlpAdmission
from sidespand.app.doors import Doors, Readiness
from sidespand.app.notify import notify
from sidespand.app.supervisor import WorkerSupervisor
from sidespand.clock import SystemClock
from sidespand.config import Config
from sidespand.errors import ConfigError
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.lock import FileLock
from sidespand.model import NodeIdentity, Position
from sidespand.receiver.intake import Intake
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
_EXIT_OK = 0
_EXIT_IO = 74


class Recorder:
    """One running recorder.

    Args:
        config: Checked.
        worker_arguments: What the worker process is started with.

    Raises:
        SidespanError: A leaf that names what stands in the way; nothing is left open.
    """

    def __init__(self, config: Config, worker_arguments: Sequence[str]) -> None:
        self._config = config
        self._clock = SystemClock()
        self._telemetry = Telemetry()
        self._ready = Readiness()
        self.failed = asyncio.Event()
        self._runtime_lock = _own_runtime_dir(config)
        try:
            self._journal = JournalStore(
                config.data_dir,
                Options(
                    config.segment_bytes, config.segment_age_s, config.sync, config.allow_remote
                ),
                NodeIdentity(config.source_node_ref, self._clock.random_bytes(16).hex()),
                self._clock,
                committed=self._on_commit,
                fatal=self._on_fatal,
            )
        except BaseException:
            self._runtime_lock.release()
            raise
        self._worker = WorkerSupervisor(
            worker_arguments, self._telemetry, lambda: self._journal.position
        )
        intake = Intake(OtlpAdmission(), self._journal, self._telemetry)
        self._doors = Doors(config, intake, self._telemetry, self._ready)
        self._export_facts()

    async def start(self) -> None:
        """Accept requests from here on."""
        self._journal.start()
        try:
            self._worker.start()
            addresses = await self._doors.open()
        except BaseException:
            await self._worker.stop()
            self._close_journal()
            raise
        self._ready.ready = True
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
        if not self._config.sync:
            _log.warning("journal.durability is none: an acknowledgement promises NOTHING")
        notify(f"READY=1\nSTATUS=recording in generation {head.boot_generation}")

    async def stop(self) -> None:
        """Answer what was accepted, have the worker save its cursors, close the store."""
        notify("STOPPING=1")
        self._ready.ready = False
        try:
            await self._doors.close()
            await self._worker.stop()
        finally:
            self._close_journal()
        _log.info("stopped at LSN %d", self._journal.head.last_lsn)

    def _close_journal(self) -> None:
        self._journal.close()
        self._runtime_lock.release()

    def _on_commit(self, position: Position) -> None:
        self._worker.advance(position)

    def _on_fatal(self, error: Exception) -> None:
        _log.critical("commits keep failing, giving up: %s", error)
        self.failed.set()

    def _export_facts(self) -> None:
        telemetry = self._telemetry
        telemetry.follow(telemetry.last_lsn, lambda: self._journal.head.last_lsn)
        telemetry.follow(telemetry.boot_generation, lambda: self._journal.head.boot_generation)
        telemetry.follow(telemetry.inflight_bytes, lambda: self._journal.inflight_bytes)
        telemetry.durable.set(self._config.sync)


def serve(config: Config, worker_arguments: Sequence[str]) -> int:
    """Run a recorder until SIGTERM or SIGINT; return the process's exit status.

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
    logs.configure(config.log_level)
    # Every connection is a descriptor, and a journal that finds none left cannot go on.
    platform.raise_file_limit()
    # What start-up allocated stays; the collector need not walk it again.
    gc.freeze()
    return uvloop.run(_run(config, worker_arguments))


async def _run(config: Config, worker_arguments: Sequence[str]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    recorder = Recorder(config, worker_arguments)
    await recorder.start()
    waits = [loop.create_task(event.wait()) for event in (stopping, recorder.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await recorder.stop()
    return _EXIT_IO if recorder.failed.is_set() else _EXIT_OK


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
