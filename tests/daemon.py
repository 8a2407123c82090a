"""A real daemon as a child process, for tests that need one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_S_MAX = 20.0
STOP_S_MAX = 15.0


def wait_until(true: Callable[[], bool], seconds_max: float, what: str) -> None:
    """Return as soon as ``true`` says so.

    Raises:
        AssertionError: It did not within ``seconds_max``.
    """
    deadline = time.monotonic() + seconds_max
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds_max} s for {what}"
        time.sleep(0.01)


class Daemon:
    """One ``sidespan serve``, started ready and ended by pid.

    Args:
        root: Its own directory; the store is ``root/data``, the sockets are in ``root/run``.
        arguments: Further flags.
        prefix: A command that starts it, such as strace.
        environment: Variables beside the process's own.
        config: The text of its configuration file.
    """

    def __init__(
        self,
        root: Path,
        arguments: Sequence[str] = (),
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        config: str = "",
    ) -> None:
        self.data = root / "data"
        self.run = root / "run"
        self.ingest = self.run / "ingest.sock"
        self.grpc = self.run / "grpc.sock"
        self.http = self.run / "http.sock"
        self.log_path = root / "daemon.log"
        config_path = root / "sidespan.toml"
        config_path.write_text(config, encoding="utf-8")
        command = [
            *prefix, sys.executable, "-m", "sidespand", "serve", "--config", str(config_path),
            "--data", str(self.data), "--run", str(self.run),
        ]  # fmt: skip
        for door in ("--otlp-grpc", "--otlp-http", "--web"):
            if door not in arguments:
                command += [door, "off"]
        self.command = [*command, *arguments]
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Daemon":
        """Start it and wait until it can accept."""
        self.spawn()
        self.wait_ready()
        return self

    def spawn(self) -> None:
        """Start the process."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True,
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Wait until the last door is open."""

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the daemon ended:\n{self.log()}"
            # A file may be left of a life that ended; only a daemon that is ready accepts.
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(self.ingest)) == 0

        wait_until(ready, START_S_MAX, f"the daemon to start:\n{self.log()}")

    @property
    def pid(self) -> int:
        """The recorder's pid; a tracer before it counts as its parent."""
        assert self.process is not None
        return int((self.data / "LOCK").read_text(encoding="ascii"))

    def kill(self) -> None:
        """End the recorder as a power cut ends a process."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(STOP_S_MAX)

    def terminate(self) -> int:
        """Stop it as systemd does; return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(STOP_S_MAX)

    def log(self) -> str:
        """Return what it wrote."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def metrics(self, port: int) -> str:
        """Return ``/metrics`` from its TCP port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def running(
    root: Path,
    arguments: Sequence[str] = (),
    *,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    config: str = "",
) -> Iterator[Daemon]:
    """Yield a daemon that is ready; it is gone afterwards. Arguments as in ``Daemon``."""
    root.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(root, arguments, prefix=prefix, environment=environment, config=config)
    try:
        yield daemon.start()
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            try:
                daemon.terminate()
            except subprocess.TimeoutExpired:
                daemon.kill()
                raise
