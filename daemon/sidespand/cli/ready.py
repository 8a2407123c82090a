"""``sidespan ready``: whether the daemon can accept durably, as an exit status."""

import argparse
import math
import time
from pathlib import Path

from sidespand import config
from sidespand.cli import api, exits

_PAUSE_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--run", metavar="DIR", help="the sockets; default: runtime_dir")
    parser.add_argument(
        "--wait", metavar="S", type=_seconds, default=0.0, help="wait so long for it (default: 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Say whether what is sent now becomes durable; 0 when it does, 1 when it does not."""
    flags = {"runtime_dir": args.run} if args.run is not None else {}
    door = config.load(args.config, flags).runtime_dir / "http.sock"
    deadline_s = time.monotonic() + args.wait
    while True:
        try:
            api.text(door, "/readyz")
        except api.Absent as error:
            if time.monotonic() >= deadline_s:
                print(f"not ready: {error}")
                return exits.NOT_FOUND
        else:
            print("ready")
            return exits.OK
        time.sleep(_PAUSE_S)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError("expected a number of seconds")
    return seconds
