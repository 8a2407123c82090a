"""``sidespan stats --dir DIR``: what all sessions of the decision tracer come to."""

import argparse
from collections import Counter

from sidespand.cli import exits, sessions
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe

_NAMES_SHOWN = 10
_NAME_COLUMNS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sessions.add_directory(parser)


def run(args: argparse.Namespace) -> int:
    """Print the sums; a directory that is not there has none."""
    if not args.json and not args.dir.exists():
        print(f"No trace directory found at {safe(str(args.dir))}")
        return exits.OK
    found = sessions.files(args.dir, ".jsonl")
    outcomes: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for path in found:
        for step in sessions.steps_of(path):
            outcomes[str(step.get("outcome"))] += 1
            names[str(step.get("name", "unknown"))] += 1
    if args.json:
        print_json(
            {
                "sessions": len(found),
                "steps": outcomes.total(),
                "ok": outcomes["ok"],
                "errors": outcomes["error"],
                "step_names": dict(names.most_common()),
            }
        )
        return exits.OK
    screen = Screen()
    errors = outcomes["error"]
    print(screen.bold("\n=== Trace Stats ===\n"))
    print(f"  Sessions : {len(found)}")
    print(f"  Steps    : {outcomes.total()}")
    print(f"  OK       : {screen.green(str(outcomes['ok']))}")
    print(f"  Errors   : {screen.red(str(errors)) if errors else '0'}")
    if names:
        print(f"\n  {screen.bold('Top step names:')}")
        for name, count in names.most_common(_NAMES_SHOWN):
            print(f"    {fit(safe(name), _NAME_COLUMNS)} {count}")
    print()
    return exits.OK
