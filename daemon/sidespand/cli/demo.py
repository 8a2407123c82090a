"""``sidespan demo``: a daemon, an agent and its worker, and what became of their spans."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sidespan
from sidespand.cli import exits
from sidespand.errors import SidespanError

_START_S_MAX = 20.0
_RUN_S_MAX = 40.0
_STOP_S_MAX = 15.0
_CONFIGURATION = """\
# Written by `sidespan demo`: everything it needs, and nothing else.
[node]
source_node_ref = "node://demo@localhost"

[sinks.archive]
type = "jsonl"
"""


class DemoFailed(SidespanError):
    """A part of the demonstration did not do its work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path(".sidespan"),
        help="where the demonstration keeps its store and sockets (default ./.sidespan)",
    )
    parser.add_argument("--json", action="store_true", help="print the trace as one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; print the trace, its receipt, and where everything lies.

    Raises:
        DemoFailed: The daemon did not start, or a program of the example failed.
    """
    root = args.data.absolute()
    places = _Places(root)
    root.mkdir(parents=True, exist_ok=True)
    places.config.write_text(_CONFIGURATION, encoding="utf-8")
    say = _say if not args.json else _say_nothing
    say(f"starting the daemon, store in {places.store}")
    with _daemon(places):
        say("running a planner (sidespan) that calls a worker (stock OpenTelemetry) over gRPC")
        _run_example(places, to_stderr=args.json)
        _wait_delivered(places)
    if args.json:
        return _sidespan(["show", "last", "--json", "--data", str(places.store)])
    print()
    _sidespan(["show", "last", "--data", str(places.store)])
    print("\nits newest span's receipt:")
    _sidespan(["receipt", "last", "--data", str(places.store)])
    print(
        f"\nstore    {places.store}\n"
        f"spans    {places.archive}\n"
        f"sockets  {places.runtime} (while a daemon runs)\n"
        f"log      {places.log}\n"
        f"\nThe daemon is stopped; everything is still there. Look again, or keep one running:\n"
        f"  {_command()} ls --data {_short(places.store)}\n"
        f"  {_command()} serve --config {_short(places.config)} --data {_short(places.store)} "
        f"--run {_short(places.runtime)}"
    )
    return exits.OK


class _Places:
    def __init__(self, root: Path) -> None:
        self.config = root / "sidespan.toml"
        self.store = root / "data"
        self.runtime = root / "run"
        self.log = root / "daemon.log"
        self.archive = self.store / "sinks/archive/spans.jsonl"
        self.worker_port = root / "worker.port"


@contextlib.contextmanager
def _daemon(places: _Places) -> Iterator[None]:
    with places.log.open("wb") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "sidespand", "serve"),
                *("--config", str(places.config)),
                *("--data", str(places.store), "--run", str(places.runtime)),
                *("--otlp-grpc", "off", "--otlp-http", "off"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        socket_path = places.runtime / "ingest.sock"

        def ready() -> bool:
            if daemon.poll() is not None:
                raise DemoFailed(
                    f"the daemon ended with status {daemon.returncode}",
                    hint=places.log.read_text(encoding="utf-8", errors="replace").strip(),
                )
            # A socket that an earlier life left behind is replaced before this one is ready.
            return socket_path.exists() and _log_says(places.log, "listening on")

        _wait(ready, _START_S_MAX, f"the daemon to start; see {places.log}")
        yield
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(_STOP_S_MAX)


def _run_example(places: _Places, *, to_stderr: bool) -> None:
    example = _example_dir()
    environment = {
        **os.environ,
        "SIDESPAN_SOCKET": str(places.runtime / "ingest.sock"),
        # All that a stock SDK needs to know.
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"unix://{places.runtime / 'grpc.sock'}",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
    }
    places.worker_port.unlink(missing_ok=True)
    worker = subprocess.Popen(
        [sys.executable, str(example / "worker.py"), "--port-file", str(places.worker_port)],
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    try:

        def listening() -> bool:
            if worker.poll() is not None:
                raise DemoFailed(f"the example's worker ended with status {worker.returncode}")
            return places.worker_port.exists() and bool(places.worker_port.read_text().strip())

        _wait(listening, _START_S_MAX, "the example's worker to start")
        address = f"127.0.0.1:{places.worker_port.read_text().strip()}"
        planner = subprocess.run(
            [sys.executable, str(example / "planner.py"), "--worker", address],
            env=environment,
            stdin=subprocess.DEVNULL,
            # What the example says to people must not get between the lines of a document.
            stdout=sys.stderr if to_stderr else None,
            timeout=_RUN_S_MAX,
            check=False,
        )
        if planner.returncode:
            raise DemoFailed(f"the example's planner ended with status {planner.returncode}")
    finally:
        # A stop in good order has the SDK hand over its last spans.
        worker.terminate()
        worker.wait(_STOP_S_MAX)


def _wait_delivered(places: _Places) -> None:
    from sidespand.journal.reader import JournalReader
    from sidespand.sinks.cursor import CursorFile

    reader = JournalReader(places.store)
    cursor = CursorFile(places.archive.parent / "cursor.json")
    try:

        def delivered() -> bool:
            position = cursor.load()
            return position is not None and position == reader.tail()

        _wait(delivered, _START_S_MAX, f"the sink to catch up; see {places.log}")
    finally:
        reader.close()


def _example_dir() -> Path:
    packaged = Path(sidespan.__file__).parent / "examples/polyglot_agent"
    if packaged.is_dir():
        return packaged
    return Path(__file__).parents[3] / "examples/polyglot_agent"


def _sidespan(arguments: list[str]) -> int:
    from sidespand.cli import main

    sys.stdout.flush()
    status = main(arguments)
    if status:
        raise DemoFailed(f"sidespan {' '.join(arguments)} ended with status {status}")
    return status


def _wait(done: Callable[[], bool], seconds_max: float, what: str) -> None:
    deadline = time.monotonic() + seconds_max
    while not done():
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {seconds_max:g} s for {what}")
        time.sleep(0.02)


def _log_says(log: Path, text: str) -> bool:
    return text in log.read_text(encoding="utf-8", errors="replace")


def _command() -> str:
    script = Path(sys.executable).with_name("sidespan")
    return _short(script) if script.exists() else "sidespan"


def _short(path: Path) -> str:
    shorter = os.path.relpath(path)
    return shorter if len(shorter) < len(str(path)) else str(path)


def _say(text: str) -> None:
    print(text, flush=True)


def _say_nothing(_text: str) -> None:
    pass
