"""``sidespan ls``: the newest traces, one a line."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, store, units
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table
from sidespand.limits import LIST_BYTES_MAX, LIST_QUIET_BYTES

if TYPE_CHECKING:
    from sidespand.query.summaries import TraceSummary

_COUNT = 20
_ID_CHARACTERS = 12
_HEADER = ("TRACE", "START", "DURATION", "SPANS", "STATUS", "SERVICES", "NAME")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="traces; default 20"
    )
    arguments.add_utc(parser)
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """List the traces that were written to last, the newest first."""
    from sidespand.query.documents import summary_document, walk_document
    from sidespand.query.summaries import newest_traces
    from sidespand.query.walk import Walk

    with store.opened(args) as opened:
        walk = Walk(
            opened.reader.newest_first(),
            quiet_bytes=None if args.all else LIST_QUIET_BYTES,
            bytes_max=None if args.all else LIST_BYTES_MAX,
        )
        summaries = newest_traces(walk, args.count)
    if args.json:
        traces = [summary_document(summary) for summary in summaries]
        print_json({"traces": traces, "scan": walk_document(walk)})
        return exits.OK
    if summaries:
        _print(summaries, utc=args.utc)
    else:
        print_note("no span is recorded")
    if not walk.complete:
        print_note(f"nothing before {walk.oldest} was counted; --all reads the whole journal")
    return exits.OK


def _print(summaries: "Sequence[TraceSummary]", *, utc: bool) -> None:
    screen = Screen()
    rows: list[Sequence[str]] = [_HEADER]
    for summary in summaries:
        trace_id = summary.trace_id.hex()
        name = safe(summary.root_name)
        rows.append(
            (
                trace_id if screen.columns is None else trace_id[:_ID_CHARACTERS],
                units.moment(summary.start_ns, utc=utc),
                units.duration(summary.start_ns, summary.end_ns),
                str(summary.span_count),
                f"error {summary.error_count}" if summary.error_count else "ok",
                safe(",".join(summary.services)),
                name if summary.root_recorded else f"{name} (root not recorded)",
            )
        )
    header, *lines = table(rows, len(_HEADER) - 1, screen.columns)
    print(screen.dim(header))
    for summary, line in zip(summaries, lines, strict=True):
        print(screen.red(line) if summary.error_count else line)
