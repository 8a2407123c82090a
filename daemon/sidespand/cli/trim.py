"""``sidespan trim``: removes the oldest segments before their time."""

import argparse
import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sidespand.cli import api, arguments, exits, store, units
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_json, print_note
from sidespand.cli.users import user
from sidespand.errors import InUse

if TYPE_CHECKING:
    from sidespand.config import Config

_SCALES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("--run", metavar="DIR", help="the sockets of the daemon that runs it")
    parser.add_argument(
        "--before",
        metavar="WHEN",
        required=True,
        help="lineage:lsn, a moment such as 2026-11-21T08:00:00+00:00, or an age such as 3d",
    )
    parser.add_argument(
        "--force", action="store_true", help="remove what required sinks have not passed, too"
    )
    parser.add_argument("--actor", metavar="NAME", help="who; default: your user name")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Say what goes, ask, and remove it; 1 when a required sink keeps some of it.

    Raises:
        SidespanError: There is no store, or the recorder cannot do it now.
    """
    with store.opened(args) as opened:
        store_id, data_dir = opened.reader.store_id, opened.data_dir
    request = {
        "store_id": store_id,
        "actor": args.actor or user(),
        "force": args.force,
        **_before(args.before),
    }
    config = _config(args, str(data_dir))
    if args.dry_run or not args.yes:
        outcome = _trim(config, {**request, "dry_run": True})
        if args.dry_run or not outcome["removed"]:
            return _show(args, outcome)
        _print(outcome)
        if not _confirmed():
            print_note("nothing was changed")
            return exits.ERROR
    return _show(args, _trim(config, {**request, "dry_run": False}))


def _before(text: str) -> dict[str, str]:
    from sidespand.query.names import parse_position

    if parse_position(text) is not None:
        return {"before": text}
    if text[:-1].isascii() and text[:-1].isdigit() and text[-1:] in _SCALES:
        seconds = int(text[:-1][:12]) * _SCALES[text[-1]]
        return {"before_ns": str(max(0, _now_ns() - seconds * 1_000_000_000))}
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--before: {text[:64]!r} is neither a position, a moment nor an age",
            hint="write lineage:lsn, 2026-11-21T08:00:00+00:00 or 3d",
        ) from None
    return {"before_ns": str(max(0, int(moment.timestamp() * 1e9)))}


def _now_ns() -> int:
    from sidespand.clock import SystemClock

    return SystemClock().wall_ns()


def _trim(config: "Config", request: dict[str, Any]) -> dict[str, Any]:
    from sidespand.app.trimming_alone import trim_alone

    try:
        return asyncio.run(trim_alone(config, request))
    except InUse:
        return api.post(config.runtime_dir / "api.sock", "/v1/trim", request)


def _config(args: argparse.Namespace, data_dir: str) -> "Config":
    from sidespand.config import load

    flags = {"data_dir": data_dir}
    if args.run is not None:
        flags["runtime_dir"] = args.run
    return load(args.config, flags)


def _show(args: argparse.Namespace, outcome: dict[str, Any]) -> int:
    if args.json:
        print_json(outcome)
    else:
        _print(outcome)
    return exits.WRONG if outcome["kept_by"] else exits.OK


def _print(outcome: dict[str, Any]) -> None:
    verb = "would remove" if outcome["dry_run"] else "removed"
    for one in outcome["removed"]:
        what = "1 segment" if one["segments"] == 1 else f"{one['segments']} segments"
        lsns = f"{one['lineage']}:{one['first_lsn']}-{one['last_lsn']}"
        print(f"{verb} {what}, {units.size(one['bytes'])}: {lsns}")
    if not outcome["removed"]:
        print("no whole segment lies before that; the one that is being written stays")
    if outcome["lost_to"]:
        print_note(f"sinks that never got all of it: {', '.join(outcome['lost_to'])}")
    if outcome["kept_by"]:
        print_note(f"the rest is kept for {outcome['kept_by']} (--force removes it)")


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="--yes removes without asking")
    print("remove that for good? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
