"""The example programs that ``sidespan demo`` runs against its daemon."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import sidespan
from sidespand.errors import SidespanError

START_S_MAX = 20.0
_COMPILE_S_MAX = 120.0
_RUN_S_MAX = 40.0
_STOP_S_MAX = 15.0
_PACKAGED = Path(sidespan.__file__).parent / "examples"
_CHECKOUT = Path(__file__).parents[3]


class DemoFailed(SidespanError):
    """A part of the demonstration did not do its work."""


class Programs:
    """Runs examples.

    Args:
        root: Where they may leave files.
        runtime: The daemon's sockets.
        to_stderr: Whether what they say to people would get between the lines of a document.
    """

    def __init__(self, root: Path, runtime: Path, *, to_stderr: bool) -> None:
        self._root = root
        self._stdout = sys.stderr if to_stderr else None
        self._environment = {
            **os.environ,
            "SIDESPAN_SOCKET": str(runtime / "ingest.sock"),
            # All that a stock SDK needs to know.
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"unix://{runtime / 'grpc.sock'}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }

    def two_sdks(self) -> None:
        """Run a planner that calls a worker with the stock OpenTelemetry SDK over gRPC.

        Raises:
            DemoFailed: One of them failed.
        """
        packaged = _PACKAGED / "polyglot_agent"
        example = packaged if packaged.is_dir() else _CHECKOUT / "examples/polyglot_agent"
        worker = [sys.executable, str(example / "worker.py")]
        with self._server("worker", worker) as address:
            self._finish([sys.executable, str(example / "planner.py"), "--worker", address])

    def three_languages(self) -> None:
        """Run a planner in Python, a worker in Elixir and a tool in Node, joined by HTTP headers.

        Raises:
            DemoFailed: One of them failed.
        """
        example = _CHECKOUT / "examples/three_languages"
        mix = {"MIX_ENV": "prod", "MIX_BUILD_PATH": str(self._root / "elixir")}
        elixir = _CHECKOUT / "bindings/elixir"
        compiled = subprocess.run(
            [shutil.which("mix") or "mix", "compile"], cwd=elixir, env={**self._environment, **mix},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=_COMPILE_S_MAX, check=False,
        )  # fmt: skip
        if compiled.returncode:
            raise DemoFailed("the Elixir client does not compile", hint=compiled.stdout.strip())
        with self._server("tool", ["node", str(example / "tool.mjs")]) as tool:
            worker = ["mix", "run", "--no-compile", str(example / "worker.exs"), "--tool", tool]
            with self._server("worker", worker, cwd=elixir, environment=mix) as address:
                self._finish([sys.executable, str(example / "planner.py"), "--worker", address])

    @contextlib.contextmanager
    def _server(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[str]:
        port_file = self._root / f"{name}.port"
        port_file.unlink(missing_ok=True)
        server = subprocess.Popen(
            [*command, "--port-file", str(port_file)],
            cwd=cwd,
            env={**self._environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            # Elixir reports its own stop there.
            stderr=subprocess.DEVNULL if environment else None,
        )
        try:

            def listening() -> bool:
                if server.poll() is not None:
                    raise DemoFailed(f"the example's {name} ended with status {server.returncode}")
                return port_file.exists() and bool(port_file.read_text().strip())

            wait(listening, START_S_MAX, f"the example's {name} to start")
            yield f"127.0.0.1:{port_file.read_text().strip()}"
        finally:
            # A stop in good order hands over the last spans.
            server.terminate()
            server.wait(_STOP_S_MAX)

    def _finish(self, command: Sequence[str]) -> None:
        finished = subprocess.run(
            command, env=self._environment, stdin=subprocess.DEVNULL, stdout=self._stdout,
            timeout=_RUN_S_MAX, check=False,
        )  # fmt: skip
        if finished.returncode:
            raise DemoFailed(f"the example's planner ended with status {finished.returncode}")


def missing_for_three_languages() -> str:
    """Return what the three-language run lacks here, for people; empty for nothing."""
    if not (_CHECKOUT / "examples/three_languages").is_dir():
        return "it needs a checkout of the repository"
    for tool, hint in (("mix", "apt install elixir"), ("node", "install Node 20 or later")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: {hint}"
    if not (_CHECKOUT / "bindings/typescript/dist/esm").is_dir():
        return "the Node client is not built: cd bindings/typescript && npm ci && npm run build"
    return ""


def wait(done: Callable[[], bool], seconds_max: float, what: str) -> None:
    """Wait until ``done`` says so.

    Raises:
        DemoFailed: It did not in time.
    """
    deadline = time.monotonic() + seconds_max
    while not done():
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {seconds_max:g} s for {what}")
        time.sleep(0.02)
