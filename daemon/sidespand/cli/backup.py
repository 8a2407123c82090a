"""``sidespan backup``: copies the store to an empty directory, and checks the copy."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand.cli import arguments, checking, exits, store
from sidespand.cli.output import print_json, print_note
from sidespand.cli.progress import Progress
from sidespand.cli.units import size

if TYPE_CHECKING:
    from sidespand.journal.backup import Copied
    from sidespand.journal.layout import Layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("directory", metavar="DIR", help="where to; empty, or not there yet")


def run(args: argparse.Namespace) -> int:
    """Copy the store, whether a daemon runs or not; 1 when the copy shows that it is damaged.

    Raises:
        SidespanError: There is no store, or DIR cannot take the copy.
    """
    from sidespand.journal import backup
    from sidespand.journal.layout import Layout

    source = Layout(store.data_dir(args))
    target = Layout(Path(args.directory).expanduser().absolute())
    progress = Progress("copying", len(source.segments()))
    copied = backup.back_up(source, target, progress.tell)
    progress.end()
    findings = checking.check(target)
    backup.finish(target)
    document = {**report(target, copied, findings), "left_out": _left_out(source)}
    if args.json:
        print_json(document)
    else:
        print_copy("copied", document)
        for name in document["left_out"]:
            print_note(f"{name} is not part of a backup: keep it elsewhere")
    return exits.WRONG if findings else exits.OK


def report(
    target: "Layout", copied: "list[Copied]", findings: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what became of a copy, as JSON values."""
    end = checking.end(target)
    return {
        "path": str(target.root),
        "ok": not findings,
        "segments": len(copied),
        "bytes": sum(one.size_bytes for one in copied),
        "position": None if end is None else str(end),
        "findings": findings,
    }


def print_copy(verb: str, document: dict[str, Any]) -> None:
    """Print the same for a person."""
    what = "1 segment" if document["segments"] == 1 else f"{document['segments']} segments"
    print(f"{verb} {what}, {size(document['bytes'])}, up to {document['position']}")
    if document["ok"]:
        print("checked: nothing is wrong")
    for one in document["findings"]:
        print(f"{one['code']}  {one['where']}  {one['message']}")


def _left_out(source: "Layout") -> list[str]:
    # Who has the node's key can speak for the node.
    return [name for name in ("node.key",) if (source.root / name).exists()]
