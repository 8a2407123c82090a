"""A node and what befalls it: its daemon, its disk, its receiver, and the way between them.

Every fault is ended by who began it; what it leaves behind is the daemon's to mend. A daemon that
gave up, as it does when its disk keeps failing, is started again, as systemd does.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sidespand.limits import GIB
from tests.bench.machine import processes
from tests.bench.servers import free_ports
from tests.chaos import Chaos, chaotic
from tests.daemon import Daemon
from tests.disks import Volume, crowd, formatted
from tests.fault.power import end
from tests.fault.receiver import Receiver, receiving
from tests.toolchain import require

_CONFIG = """[journal]
segment_bytes = "1MiB"
retention_bytes = "24MiB"
disk_free_min = 0.0
[index]
retention_bytes = "256MiB"
[sinks.far]
type = "otlp"
endpoint = "http://127.0.0.1:{}"
timeout = "2s"
capture = "full"
required = true
"""
# The index gives way in parts of 131,072 items, and must have room for some of them.
_VOLUME_BYTES = 3 * GIB
_CONTROL_S_MAX = 5.0
# Calls that fail in the recorder, and in the worker, and how often.
_RECORDER_CALLS = (
    ("posix/io/sync/fdatasync", 0.02), ("posix/io/rw/pwrite", 0.02), ("posix/io/oc/open", 0.05),
)  # fmt: skip
_WORKER_CALLS = (("posix/io/sync/*", 0.1), ("posix/io/rw/pwrite", 0.05), ("posix/io/oc/open", 0.05))


class Storm:
    """One node under faults.

    Args:
        root: Of the daemon.
        volume: The disk of its store.
        receiver: Of its sink, which may lose nothing.
        chaos: The way to the receiver.
        choice: Draws how long a fault lasts, from ``hold_s``.
        hold_s: The least and the most.
    """

    def __init__(
        self,
        root: Path,
        volume: Volume,
        receiver: Receiver,
        chaos: Chaos,
        *,
        choice: random.Random,
        hold_s: tuple[float, float],
    ) -> None:
        self._volume = volume
        self._receiver = receiver
        self._chaos = chaos
        self._choice = choice
        self._hold_s = hold_s
        self._control = str(root / "fiu")
        self.restarts = 0
        chaos.harmful = False
        # Preloads what lets calls fail when it is told to (fiu-run(1)).
        prefix = ("fiu-run", "-x", "-f", self._control)
        self.daemon = Daemon(root, prefix=prefix, config=_CONFIG.format(chaos.port))
        self.mild: tuple[Callable[[], Awaitable[None]], ...] = (
            self.receiver_dies, self.connections_are_harmed, self.disk_is_full,
        )  # fmt: skip
        self.deadly: tuple[Callable[[], Awaitable[None]], ...] = (
            self.daemon_dies, self.worker_dies, self.recorder_calls_fail, self.worker_calls_fail,
        )  # fmt: skip

    async def daemon_dies(self) -> None:
        """Kill the recorder, and start it again."""
        await asyncio.to_thread(self.daemon.kill)
        await self.mend()

    async def worker_dies(self) -> None:
        """Kill the worker; the recorder starts another."""
        for pid in self._workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def receiver_dies(self) -> None:
        """Kill the receiver, and start it again after a while."""
        await self._receiver.kill()
        await self._hold()
        await self._receiver.start()

    async def connections_are_harmed(self) -> None:
        """Stall, cut, reset and half-close what goes to the receiver, for a while."""
        self._chaos.harmful = True
        await self._hold()
        self._chaos.harmful = False

    async def disk_is_full(self) -> None:
        """Take all room on the store's disk, for a while."""
        filler = self._volume.place / "filler"
        await asyncio.to_thread(crowd, filler)
        await self._hold()
        filler.unlink()

    async def recorder_calls_fail(self) -> None:
        """Let some system calls of the recorder fail, for a while."""
        await self._let_fail(self._recorders(), self._choice.choice(_RECORDER_CALLS))

    async def worker_calls_fail(self) -> None:
        """Let some system calls of the worker fail, for a while."""
        await self._let_fail(self._workers(), self._choice.choice(_WORKER_CALLS))

    async def mend(self) -> None:
        """Start the daemon again if it gave up."""
        assert self.daemon.process is not None
        if self.daemon.process.poll() is not None:
            self.restarts += 1
            await asyncio.to_thread(self.daemon.start)

    def pids(self) -> tuple[int, ...]:
        """Return the pids of recorder and worker; fewer while one of them is not there."""
        return (*self._recorders(), *self._workers())

    def _recorders(self) -> list[int]:
        with suppress(OSError, ValueError):
            return processes(self.daemon.pid)[:1]
        return []

    def _workers(self) -> list[int]:
        with suppress(OSError, ValueError):
            return processes(self.daemon.pid)[1:2]
        return []

    async def _hold(self) -> None:
        await asyncio.sleep(self._choice.uniform(*self._hold_s))

    async def _let_fail(self, pids: list[int], failing: tuple[str, float]) -> None:
        name, share = failing
        await self._tell(pids, f"enable_random name={name},probability={share}")
        await self._hold()
        await self._tell(pids, f"disable name={name}")

    async def _tell(self, pids: list[int], command: str) -> None:
        # A process that is gone meanwhile reads no commands.
        for pid in pids:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(
                    subprocess.run,
                    ["fiu-ctrl", "-f", self._control, "-c", command, str(pid)],
                    timeout=_CONTROL_S_MAX, check=False, capture_output=True,
                )  # fmt: skip


@asynccontextmanager
async def raging(
    root: Path, choice: random.Random, hold_s: tuple[float, float]
) -> AsyncIterator[tuple[Storm, Receiver, Volume]]:
    """Yield a node that runs, with its receiver and its disk; all are gone afterwards."""
    require(shutil.which("fiu-run"), "fiu-run", "apt install fiu-utils")
    (port,) = free_ports(1)
    with formatted(root / "data", "ext4", size_bytes=_VOLUME_BYTES) as volume:
        async with (
            receiving(port, root / "ids", b"no span holds this") as receiver,
            chaotic(port, choice.randrange(2**32)) as chaos,
        ):
            storm = Storm(root, volume, receiver, chaos, choice=choice, hold_s=hold_s)
            try:
                await asyncio.to_thread(storm.daemon.start)
                yield storm, receiver, volume
            finally:
                if (process := storm.daemon.process) is not None and process.poll() is None:
                    with suppress(OSError, ValueError):
                        os.kill(storm.daemon.pid, signal.SIGKILL)
                    end(storm.daemon)
