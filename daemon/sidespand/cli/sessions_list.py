"""``sidespan list``: the sessions of the decision tracer in a directory, the newest first."""

import argparse
from datetime import UTC, datetime

from sidespand.cli import exits, sessions
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe, width

_NAME_COLUMNS = 50
_SIZE_COLUMNS = 8
_KIB = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sessions.add_directory(parser)


def run(args: argparse.Namespace) -> int:
    """List the files; a directory that is not there has none."""
    found = sessions.files(args.dir, ".jsonl", ".json")[::-1]
    if args.json:
        files = [
            {"file": one.name, "bytes": one.stat().st_size, "modified_s": one.stat().st_mtime}
            for one in found
        ]
        print_json({"dir": str(args.dir), "files": files})
        return exits.OK
    if not found:
        missing = not args.dir.exists()
        where = f"No trace directory found at {safe(str(args.dir))}"
        print(where if missing else "No trace files found.")
        return exits.OK
    screen = Screen()
    print(screen.bold(f"{'File':<{_NAME_COLUMNS}} {'Size':>{_SIZE_COLUMNS}}"))
    print("─" * (_NAME_COLUMNS + _SIZE_COLUMNS + 2))
    for one in found:
        about = one.stat()
        size = f"{about.st_size} B"
        if about.st_size > _KIB:
            size = f"{about.st_size / _KIB:.1f} KB"
        modified = datetime.fromtimestamp(about.st_mtime, UTC).astimezone()
        name = safe(one.name)
        # A name that is cut could not be given to `view`.
        shown = name if width(name) > _NAME_COLUMNS else fit(name, _NAME_COLUMNS)
        moment = screen.dim(f"{modified:%Y-%m-%d %H:%M}")
        print(f"{shown} {size:>{_SIZE_COLUMNS}}  {moment}")
    return exits.OK
