"""``sidespan restore``: makes a store of a backup; its first start begins a new lineage."""

import argparse
from pathlib import Path

from sidespand.cli import checking, exits
from sidespand.cli.backup import print_copy, report
from sidespand.cli.output import print_json
from sidespand.cli.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("backup", metavar="BACKUP", help="a directory that `backup` made")
    parser.add_argument("directory", metavar="DIR", help="the new store; empty, or not there yet")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Copy a backup and check the copy; 1 when it shows that the backup is damaged.

    Raises:
        SidespanError: There is no backup, it is damaged, or DIR cannot take it.
    """
    from sidespand.journal import backup
    from sidespand.journal.layout import Layout

    source = Layout(Path(args.backup).expanduser().absolute())
    target = Layout(Path(args.directory).expanduser().absolute())
    progress = Progress("restoring", len(source.segments()))
    copied = backup.restore(source, target, progress.tell)
    progress.end()
    findings = checking.check(target)
    backup.finish(target)
    document = report(target, copied, findings)
    if args.json:
        print_json(document)
    else:
        print_copy("restored", document)
        print(f"start it with: sidespan serve --data {target.root}")
    return exits.WRONG if findings else exits.OK
