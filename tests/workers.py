"""A real worker as a child process, with the test in the recorder's place."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from sidespand.app.channel import Asked, RecorderEnd, SinkFigures
from sidespand.model import Position


class WorkerProcess:
    """One worker and what it reported.

    Args:
        root: Its own directory; the store is ``root/data``, its socket in ``root/run``.
        config: The text of its configuration file.
        asked: Answers in the recorder's place.
    """

    def __init__(self, root: Path, config: str, asked: Asked | None = None) -> None:
        self.data = root / "data"
        self.run = root / "run"
        self.run.mkdir(exist_ok=True)
        self.log_path = root / "worker.log"
        self._config_path = root / "sidespan.toml"
        self._config_path.write_text(config, encoding="utf-8")
        self.ready = False
        self.gone = False
        self.cursors: dict[str, Position] = {}
        self.figures: dict[str, SinkFigures] = {}
        self.end = RecorderEnd(
            ready=lambda: setattr(self, "ready", True),
            cursors=self._on_cursors,
            figures=self._on_figures,
            closed=lambda: setattr(self, "gone", True),
            asked=asked,
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs, self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sidespand", "worker"),
                *("--channel-fd", str(theirs.fileno())),
                *("--config", str(self._config_path), "--data", str(self.data)),
                *("--run", str(self.run)),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self.end.open(ours)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process."""
        assert self._process is not None
        return self._process

    async def kill(self) -> None:
        """End it without a word, and reap it."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.end.close()

    def log(self) -> str:
        """Return what every worker in this directory wrote."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def _on_cursors(self, cursors: Mapping[str, Position]) -> None:
        self.cursors.update(cursors)

    def _on_figures(self, figures: Mapping[str, SinkFigures]) -> None:
        self.figures.update(figures)


@asynccontextmanager
async def working(
    root: Path, config: str, asked: Asked | None = None
) -> AsyncIterator[WorkerProcess]:
    """Yield a started worker; it is gone afterwards."""
    worker = WorkerProcess(root, config, asked)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.kill()
