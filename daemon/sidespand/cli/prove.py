"""``sidespan prove``: a file that shows offline where a record stands in the log."""

import argparse
import sys
from pathlib import Path

from sidespand.cli import arguments, exits, pinned, store
from sidespand.cli.output import print_note
from sidespand.errors import NotFound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--data", metavar="DIR", help="the store; default: data_dir of the config")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument(
        "position", metavar="POSITION|SPAN|last", help="lineage:lsn, a token, or a span id"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it there")
    parser.add_argument(
        "--with-payload", action="store_true", help="put what was recorded in, and its salt"
    )
    pinned.add_key(parser)
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """Write the proof bundle of the record that holds an item.

    Raises:
        NotFound: There is no such item, or no checkpoint covers it yet.
    """
    from sidespand.answers.receipts import find_place
    from sidespand.audit import bundle
    from sidespand.files import replace_file
    from sidespand.query.coverage import cover

    with store.opened(args) as opened:
        reader = opened.reader
        place = find_place(reader, args.position, everything=args.all)
        key = pinned.key(args)
        coverage = cover(reader, place.record, key)
        position = place.position
        if coverage.signed is None:
            raise NotFound(
                f"nothing proves {position} yet: {coverage.reason}",
                hint="a running daemon signs within a second of a record, and the next one what"
                " this one left; `sidespan verify` lists what is not covered",
            )
        value = reader.value(position.lineage, position.lsn)
        assert value is not None
        made = bundle.bundle(value, str(position), coverage, with_payload=args.with_payload)
    if args.with_payload and made.payload is None:
        print_note("the payload was redacted: the bundle shows the record without it")
    text = bundle.text(made)
    if args.output is None:
        sys.stdout.write(text)
    else:
        replace_file(args.output, text.encode())
    return exits.OK
