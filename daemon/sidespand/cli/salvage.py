"""``sidespan salvage``: puts damaged segments together; what is lost becomes a declared gap."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from sidespand.cli import arguments, exits, store
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_json, print_note
from sidespand.cli.progress import Progress
from sidespand.errors import StoreMoved

if TYPE_CHECKING:
    from sidespand.journal.salvage import Damaged, Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what is lost, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Say what is lost, ask, and repair the store.

    Raises:
        InUse: A daemon runs it. Nothing was changed.
        SidespanError: There is no store, or it cannot be repaired.
    """
    from sidespand.app.salvaging import owned
    from sidespand.journal.layout import Layout
    from sidespand.journal.salvage import due, salvage, survey

    layout = Layout(store.data_dir(args))
    if not layout.root.is_dir():
        raise UsageError(f"there is no store in {layout.root}", hint="name it with --data DIR")
    set_aside: list[str] = []
    with owned(layout):
        progress = Progress("reading", 0)
        found = survey(layout, lambda name: progress.tell(name, 0))
        progress.end()
        document: dict[str, Any] = {"dry_run": args.dry_run, **_document(found)}
        # An earlier one may have been cut short here, or have repaired a copy.
        is_untold = bool(due(layout))
        if not args.json:
            _print_found(found, is_untold=is_untold)
        damaged = bool(found.damaged) or found.manifest_is_lost
        if args.dry_run or not (damaged or is_untold):
            if args.json:
                print_json(document)
            return exits.OK
        if damaged:
            if not args.yes and not _confirmed():
                print_note("nothing was changed")
                return exits.ERROR
            set_aside = [str(one) for one in salvage(layout, found)]
    position = _declared(args, str(layout.root))
    if args.json:
        print_json({**document, "quarantine": set_aside, "position": position})
        return exits.OK
    for path in set_aside:
        print(f"the damaged file is {path}")
    if position is not None:
        print(f"done: the log declares what is lost, up to {position}")
    else:
        start = f"sidespan serve --accept-move --data {layout.root}"
        print("done: it is a copy, or was moved, and declares what is lost when it goes on here")
        print(f"start it with: {start}")
    return exits.OK


def _declared(args: argparse.Namespace, data_dir: str) -> str | None:
    """Have the log tell of what is lost, in a generation of its own; return where it ends then.

    A copy goes on here only with leave, and tells of it then: None.
    """
    from sidespand.app.salvaging import declare

    try:
        return str(asyncio.run(declare(_config(args, data_dir))))
    except StoreMoved:
        return None


def _config(args: argparse.Namespace, data_dir: str) -> Any:
    from sidespand.config import load

    return load(args.config, {"data_dir": data_dir})


def _document(found: "Survey") -> dict[str, Any]:
    return {
        "register_lost": found.manifest_is_lost,
        "segments": [
            {
                "file": one.segment.name,
                "missing": one.is_missing,
                "newest": one.is_newest,
                "records": len(one.recovered.records),
                "lost": [
                    {
                        "lineage": one.segment.lineage.hex(),
                        "first_lsn": str(first),
                        "last_lsn": str(last),
                    }
                    for first, last in one.recovered.lost
                ],
            }
            for one in found.damaged
        ],
    }


def _print_found(found: "Survey", *, is_untold: bool) -> None:
    if found.manifest_is_lost:
        print("STORE.json is missing or damaged: it is made anew from the segments")
    for one in found.damaged:
        print(_line(one))
        lineage = one.segment.lineage.hex()
        for first, last in one.recovered.lost:
            print(f"  lost: {lineage}:{first}-{last}")
        if one.is_newest:
            print("  the log ends in it: it goes on in a new lineage, as nobody knows what is gone")
    if is_untold:
        print("the log does not tell yet of what an earlier salvage found lost")
    elif not found.damaged and not found.manifest_is_lost:
        print("nothing is damaged")


def _line(one: "Damaged") -> str:
    what = "missing" if one.is_missing else "damaged"
    return f"{one.segment.name}: {what}, {len(one.recovered.records)} whole records can be kept"


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="--yes repairs without asking")
    print("repair the store, and set the damaged files aside? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
