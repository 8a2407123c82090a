"""``sidespan demo``: a daemon, an agent and its worker, and what became of their spans."""

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sidespand.cli import exits
from sidespand.cli.demo_runs import (
    START_S_MAX,
    DemoFailed,
    Programs,
    missing_for_three_languages,
    wait,
)
from sidespand.errors import NotFound

_STOP_S_MAX = 15.0
_CONFIGURATION = """\
# Written by `sidespan demo`: everything it needs, and nothing else.
[node]
source_node_ref = "node://demo@localhost"

[sinks.archive]
type = "jsonl"
"""


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
    parser.add_argument(
        "--stay",
        action="store_true",
        help="keep the daemon running until Ctrl-C, and open the page",
    )


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
    with _ended_by_sigterm(), _daemon(places):
        programs = Programs(root, places.runtime, to_stderr=args.json)
        missing = missing_for_three_languages()
        if missing:
            say(f"the run over three languages is left out; {missing}")
        else:
            say("running a planner in Python, a worker in Elixir and a tool in Node")
            programs.three_languages()
        say("running a planner (sidespan) that calls a worker (stock OpenTelemetry) over gRPC")
        programs.two_sdks()
        _wait_delivered(places)
        if args.stay:
            _stay(places, _tell(places, three_languages=not missing))
    if args.json:
        return _sidespan(["show", "last", "--json", "--data", str(places.store)])
    if not args.stay:
        _tell(places, three_languages=not missing)
    return exits.OK


def _tell(places: "_Places", *, three_languages: bool) -> str:
    """Print what became of the spans; return the trace to look at."""
    trace_id = _show_three_languages(places.store) if three_languages else ""
    print()
    _sidespan(["show", "last", "--data", str(places.store)])
    print("\nits newest span's receipt:")
    _sidespan(["receipt", "last", "--data", str(places.store)])
    print(
        f"\nstore    {places.store}\n"
        f"spans    {places.archive}\n"
        f"sockets  {places.runtime} (while a daemon runs)\n"
        f"log      {places.log}\n"
        f"\nEverything stays there. Look again, or keep a daemon running and open the page:\n"
        f"  {_command()} ls --data {_short(places.store)}\n"
        f"  {_command()} serve --config {_short(places.config)} --data {_short(places.store)} "
        f"--run {_short(places.runtime)}"
    )
    trace_id = (
        trace_id or _document(["show", "last", "--json", "--data", str(places.store)])["trace_id"]
    )
    from sidespand.cli.open import link
    from sidespand.config import load

    config = load(
        places.config, {"data_dir": str(places.store), "runtime_dir": str(places.runtime)}
    )
    try:
        print(f"  {link(config, trace_id)}", flush=True)
    except NotFound as error:
        # Its port may be another program's.
        print(f"  (no page: {error}; {error.hint})", flush=True)
    return trace_id


def _stay(places: "_Places", trace_id: str) -> None:
    _sidespan(
        ["open", trace_id, "--data", str(places.store), "--run", str(places.runtime),
         "--config", str(places.config)]
    )  # fmt: skip
    print("\nthe daemon runs until Ctrl-C or SIGTERM", flush=True)
    signal.pause()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demonstration as Ctrl-C does, which stops its daemon."""

    def end(_number: int, _frame: object) -> None:
        # A second one must not break off the wait for the daemon.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(exits.TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Places:
    def __init__(self, root: Path) -> None:
        self.config = root / "sidespan.toml"
        self.store = root / "data"
        self.runtime = root / "run"
        self.log = root / "daemon.log"
        self.archive = self.store / "sinks/archive/spans.jsonl"


@contextlib.contextmanager
def _daemon(places: _Places) -> Iterator[None]:
    with places.log.open("wb") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "sidespand", "serve"),
                *("--config", str(places.config)),
                *("--data", str(places.store), "--run", str(places.runtime)),
                *("--otlp-grpc", "off", "--otlp-http", "off"),
                # A checkout may be copied with a demonstration in it.
                "--accept-move",
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

        wait(ready, START_S_MAX, f"the daemon to start; see {places.log}")
        yield
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(_STOP_S_MAX)


def _wait_delivered(places: _Places) -> None:
    from sidespand.journal.reader import JournalReader
    from sidespand.sinks.cursor import CursorFile

    reader = JournalReader(places.store)
    cursor = CursorFile(places.archive.parent / "cursor.json")
    try:

        def delivered() -> bool:
            position = cursor.load()
            return position is not None and position == reader.tail()

        wait(delivered, START_S_MAX, f"the sink to catch up; see {places.log}")
    finally:
        reader.close()


def _show_three_languages(store: Path) -> str:
    traces = _document(["ls", "--json", "--data", str(store)])["traces"]
    trace_id = next(each["trace_id"] for each in traces if "tool" in each["services"])
    spans = _document(["show", trace_id, "--json", "--data", str(store)])["spans"]
    ids = {span["name"]: span["span_id"] for span in spans}
    print()
    _sidespan(["show", trace_id, "--data", str(store)])
    print("\nwas the plan made before the tool was run?")
    _sidespan(["compare", ids["plan"], ids["execute_tool forecast"], "--data", str(store)])
    return str(trace_id)


def _document(arguments: list[str]) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        _sidespan(arguments)
    document: dict[str, Any] = json.loads(printed.getvalue())
    return document


def _sidespan(arguments: list[str]) -> int:
    from sidespand.cli import main

    sys.stdout.flush()
    status = main(arguments)
    if status:
        raise DemoFailed(f"sidespan {' '.join(arguments)} ended with status {status}")
    return status


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
