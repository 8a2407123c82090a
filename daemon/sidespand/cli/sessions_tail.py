"""``sidespan tail --dir DIR``: the newest session of the decision tracer, as it grows."""

import argparse
import time
from collections import deque

from sidespand.cli import arguments, exits, sessions
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, safe
from sidespand.limits import MESSAGE_BYTES_MAX

_COUNT = 20
_POLL_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sessions.add_directory(parser)
    count = arguments.count_from(0)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="steps; default 20"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="that is what it does")
    parser.add_argument("--no-follow", action="store_true", help="end after the newest steps")


def run(args: argparse.Namespace) -> int:
    """Print the last steps, then each that is added, until Ctrl-C."""
    found = sessions.files(args.dir, ".jsonl")
    if not found:
        missing = f"No trace directory found at {safe(str(args.dir))}"
        print("No JSONL trace files found." if args.dir.exists() else missing)
        return exits.OK
    path = found[-1]
    screen = Screen()
    if not args.json:
        print(screen.bold(f"Tailing {safe(path.name)} — Ctrl+C to stop\n"), flush=True)

    def show(number: int | str, line: bytes) -> None:
        step = sessions.parse_step(line)
        if step is None:
            return
        if args.json:
            print_json(step, indent=None)
        else:
            print("\n".join(sessions.step_lines(screen, number, step)), flush=True)

    with path.open("rb") as file:
        newest = deque(iter(lambda: file.readline(MESSAGE_BYTES_MAX), b""), args.count)
        # A step that is being written comes with its end.
        rest = newest.pop() if newest and not newest[-1].endswith(b"\n") else b""
        for number, line in enumerate(newest, 1):
            show(number, line)
        while not args.no_follow:
            added = file.readline(MESSAGE_BYTES_MAX)
            rest += added
            if rest.endswith(b"\n"):
                show("?", rest)
                rest = b""
            elif not added:
                time.sleep(_POLL_S)
    return exits.OK
