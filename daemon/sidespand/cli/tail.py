"""``sidespan tail``: the newest spans, one a line, as they become durable.

With a query, or a daemon whose store is not named, the daemon or the index tells; else the journal
is read. On a terminal the spans that run are drawn below the lines.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sidespand.cli import answers, api, arguments, exits, store, units
from sidespand.cli.live import Live, Running
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe
from sidespand.errors import NotFound

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
    answers.add_query(parser)
    answers.add_reading(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    count = arguments.count_from(0)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="spans; default 10"
    )


def run(args: argparse.Namespace) -> int:
    """Print the newest spans, the newest last; with ``-f`` every later one, too."""
    with answers.opened(args) as asked:
        if args.query or asked.api_sock is not None:
            from sidespand.cli import tail_found

            try:
                return tail_found.run(args, asked)
            except (api.Absent, NotFound):
                # A daemon may keep no index.
                if args.query or (args.run is not None and args.data is None):
                    raise
    return _run_journal(args)


def _run_journal(args: argparse.Namespace) -> int:
    from sidespand.model import Gap
    from sidespand.query.find import newest_items
    from sidespand.query.follow import follow
    from sidespand.query.spans import items

    live = Live(Screen())
    with store.opened(args) as opened:
        show = _printer(args, opened, live)
        end = opened.reader.tail()
        for item in newest_items(opened.reader.newest_first(), end, args.count):
            show(item)
        if not args.follow:
            return exits.OK
        parents: dict[tuple[bytes, int], str] = {}

        def wait() -> None:
            if live.drawing and not args.json:
                live.draw(_running(opened, parents), time.time_ns())
            time.sleep(_POLL_S)

        try:
            for batch in follow(opened.reader, end, wait):
                for entry in batch:
                    if isinstance(entry, Gap):
                        show(entry)
                        continue
                    for item in items(entry):
                        show(item)
        finally:
            live.close()
    return exits.OK


def _running(opened: store.Store, parents: dict[tuple[bytes, int], str]) -> Iterator[Running]:
    """Yield the spans that are open; whose parts they are is read once of their marks."""
    from sidespand.answers.receipts import find_place
    from sidespand.errors import SidespanError

    spans = opened.reader.open_spans()
    places = {(span.lineage, span.lsn) for span in spans}
    for gone in parents.keys() - places:
        del parents[gone]
    for span in spans:
        place = (span.lineage, span.lsn)
        if place not in parents:
            try:
                name = f"{span.lineage.hex()}:{span.lsn}"
                item = find_place(opened.reader, name, everything=False).item
                parents[place] = item.parent_span_id.hex() if item is not None else ""
            except SidespanError:
                parents[place] = ""
        mark = span.mark
        yield Running(
            mark.key.trace_id.hex(),
            mark.key.span_id.hex(),
            parents[place],
            mark.name,
            mark.service,
            mark.start_ns,
        )


def _printer(
    args: argparse.Namespace, opened: store.Store, live: Live
) -> "Callable[[Item | Gap], None]":
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
            live.say(screen.dim(_gap_line(entry)))
            return
        line = _line(entry, utc=args.utc)
        live.say(screen.red(line) if entry.status == "error" else line)

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
