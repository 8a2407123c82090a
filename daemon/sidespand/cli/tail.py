"""``sidespan tail``: the newest spans, one a line, as they become durable."""

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, store, units
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe

if TYPE_CHECKING:
    from sidespand.model import Gap
    from sidespand.query.spans import Item

_COUNT = 10
_POLL_S = 0.1
_SERVICE_COLUMNS = 14
_NAME_COLUMNS = 30
_DURATION_COLUMNS = 8
_STATUS_COLUMNS = 5
_ID_CHARACTERS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    count = arguments.count_from(0)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="spans; default 10"
    )
    arguments.add_utc(parser)


def run(args: argparse.Namespace) -> int:
    """Print the newest spans, the newest last; with ``-f`` every later one, too."""
    from sidespand.model import Gap
    from sidespand.query.find import newest_items
    from sidespand.query.follow import follow
    from sidespand.query.spans import items

    with store.opened(args) as opened:
        show = _printer(args, opened)
        end = opened.reader.tail()
        for item in newest_items(opened.reader.newest_first(), end, args.count):
            show(item)
        if not args.follow:
            return exits.OK
        for batch in follow(opened.reader, end, lambda: time.sleep(_POLL_S)):
            for entry in batch:
                if isinstance(entry, Gap):
                    show(entry)
                    continue
                for item in items(entry):
                    show(item)
    return exits.OK


def _printer(args: argparse.Namespace, opened: store.Store) -> "Callable[[Item | Gap], None]":
    from sidespand.model import Gap
    from sidespand.query.documents import gap_document, span_document
    from sidespand.query.spans import decode

    screen = Screen()

    def show_json(entry: "Item | Gap") -> None:
        if isinstance(entry, Gap):
            print_json({"gap": gap_document(entry)}, indent=None)
        else:
            print_json(span_document(decode(entry), opened.node_ref), indent=None)

    def show_line(entry: "Item | Gap") -> None:
        if isinstance(entry, Gap):
            print(screen.dim(_gap_line(entry)), flush=True)
            return
        line = _line(entry, utc=args.utc)
        print(screen.red(line) if entry.status == "error" else line, flush=True)

    return show_json if args.json else show_line


def _line(item: "Item", *, utc: bool) -> str:
    span = item.span
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    return "  ".join(
        (
            units.moment(start_ns, utc=utc),
            fit(safe(item.service), _SERVICE_COLUMNS),
            fit(safe(span.name), _NAME_COLUMNS),
            fit(units.duration(start_ns, end_ns), _DURATION_COLUMNS),
            fit(item.status, _STATUS_COLUMNS),
            span.trace_id.hex()[:_ID_CHARACTERS],
            str(item.stamp.position),
        )
    )


def _gap_line(gap: "Gap") -> str:
    return f"-- {gap.reason}: {gap.lineage.hex()}:{gap.first} to {gap.last} cannot be read --"
