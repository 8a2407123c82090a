"""``sidespan view``: a session of the decision tracer, step by step."""

import argparse
import glob
from pathlib import Path

from sidespand.cli import exits, sessions
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, safe
from sidespand.errors import NotFound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sessions.add_directory(parser)
    parser.add_argument("session", metavar="SESSION", help="a file, or a part of its name")


def run(args: argparse.Namespace) -> int:
    """Print the session.

    Raises:
        NotFound: There is none of that name.
    """
    path = _found(args.session, args.dir)
    is_lines = path.suffix == ".jsonl"
    document = {} if is_lines else sessions.snapshot(path) or {}
    given = sessions.steps_of(path) if is_lines else document.get("steps")
    steps = [step for step in given or () if isinstance(step, dict)]
    if args.json:
        head = {key: document.get(key) for key in ("agent", "session_id", "meta")}
        print_json({"file": str(path), **head, "steps": steps})
        return exits.OK
    screen = Screen()
    if is_lines:
        print(screen.bold(f"\n=== {safe(path.name)} ===\n"))
    else:
        agent, session_id = document.get("agent", "unknown"), document.get("session_id", "")
        print(screen.bold(f"\n=== {safe(str(agent))} / {safe(str(session_id))} ==="))
        meta = document.get("meta")
        for key, value in meta.items() if isinstance(meta, dict) else ():
            print(screen.dim(f"  {safe(str(key))}: {safe(str(value))}"))
        print()
    for number, step in enumerate(steps, 1):
        for line in sessions.step_lines(screen, number, step):
            print(line)
    return exits.OK


def _found(session: str, directory: Path) -> Path:
    path = Path(session)
    if path.is_file():
        return path
    named = [one for one in directory.glob(f"*{glob.escape(Path(session).name)}*") if one.is_file()]
    known = [one for one in named if one.suffix in (".jsonl", ".json")]
    if not known:
        raise NotFound(
            f"Session not found: {session}", hint=f"`sidespan list --dir {directory}` lists them"
        )
    return max(known, key=lambda one: one.stat().st_mtime)
