"""The files of the decision tracer, shown as its own command shows them.

Text of a file never reaches the terminal unescaped, and a file may hold anything: what is no step
is passed over.
Source: ai-decision-tracer 0.2.0, ``ai_trace.cli``.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sidespand.cli.text import Screen, safe
from sidespand.limits import IMPORT_DOCUMENT_BYTES_MAX, MESSAGE_BYTES_MAX

_DIRECTORY: Final = "traces"
_ERROR_CHARACTERS: Final = 120
_LINE_CHARACTERS_MAX: Final = 2000

Step = Mapping[str, Any]


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add where the sessions are."""
    parser.add_argument(
        "--dir", metavar="DIR", type=Path, default=Path(_DIRECTORY),
        help="where the decision tracer's files are; default ./traces",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def files(directory: Path, *endings: str) -> list[Path]:
    """Return the files of a directory that end so, the newest last."""
    found = [path for ending in endings for path in directory.glob(f"*{ending}") if path.is_file()]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


def steps_of(path: Path) -> Iterator[Step]:
    """Yield the steps of a file of lines."""
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(MESSAGE_BYTES_MAX), b""):
            step = parse_step(line)
            if step is not None:
                yield step


def parse_step(line: bytes) -> Step | None:
    """Return the step that a line is; None for anything else."""
    try:
        step = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return step if isinstance(step, dict) else None


def snapshot(path: Path) -> Mapping[str, Any] | None:
    """Return the document that a file is; None for anything else."""
    with path.open("rb") as file:
        body = file.read(IMPORT_DOCUMENT_BYTES_MAX)
    return parse_step(body)


def step_lines(screen: Screen, number: int | str, step: Step) -> Iterator[str]:
    """Yield how one step is shown; the last line is empty."""
    outcome = step.get("outcome", "?")
    icon = {"ok": screen.green("✔"), "error": screen.red("✘")}.get(str(outcome), "·")
    name = screen.bold(_shown(step.get("name", "?")))
    lasted = screen.dim(_shown(f"{step.get('duration_ms', '?')} ms"))
    yield f"  {icon} {number:>3}. {name} {lasted}"
    context = step.get("context")
    if isinstance(context, dict) and context:
        yield f"       {screen.dim('ctx: ' + _values(context))}"
    logs = step.get("logs")
    for entry in logs if isinstance(logs, list) else ():
        if isinstance(entry, dict):
            said = {key: value for key, value in entry.items() if key != "_t"}
            yield f"       {screen.cyan(clock(entry.get('_t')))}  {_values(said)}"
    if step.get("error"):
        yield f"       {screen.red('err: ' + _shown(step['error'], _ERROR_CHARACTERS))}"
    yield ""


def clock(moment_s: Any) -> str:
    """Return a time of day in UTC; a dash for what is none."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(moment_s, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
    except (TypeError, ValueError, OverflowError, OSError):
        return "—"


def _values(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{_shown(key)}={_shown(repr(value))}" for key, value in values.items())


def _shown(value: Any, characters_max: int = _LINE_CHARACTERS_MAX) -> str:
    return safe(str(value), characters_max)
