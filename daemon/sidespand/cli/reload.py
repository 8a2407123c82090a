"""``sidespan reload``: has the daemon take up its configuration as it is now."""

import argparse
from pathlib import Path

from sidespand import config
from sidespand.cli import api, exits
from sidespand.cli.output import print_json, print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--run", metavar="DIR", help="the daemon's sockets; default: runtime_dir")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Say what has changed, and what takes a restart.

    The daemon reads the file that it was started with. A fault in it changes nothing.

    Raises:
        ConfigError: The configuration cannot be used. Nothing was changed.
        InvalidRequest: The daemon says so. The same.
        SidespanError: No daemon answers, or this user may not.
    """
    flags = {"runtime_dir": args.run} if args.run is not None else {}
    settings = config.load(args.config, flags)
    done = api.post(settings.runtime_dir / "api.sock", "/v1/reload", {})
    if args.json:
        print_json(done)
        return exits.OK
    started, stopped = done["started"], done["stopped"]
    print(f"reloaded; sinks started: {_names(started)}; stopped: {_names(stopped)}")
    if done["restart"]:
        print_note(f"these take a restart: {', '.join(done['restart'])}")
    return exits.OK


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"
