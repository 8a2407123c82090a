"""``sidespan ls``: the newest traces, one a line; with ``--open`` the spans that run now.

A query is answered by the daemon, else by the index. Without one and without a daemon the journal
itself is read.
"""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidespand.cli import answers, api, arguments, exits, gone, store, units
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table
from sidespand.errors import NotFound
from sidespand.limits import LIST_BYTES_MAX, LIST_QUIET_BYTES

if TYPE_CHECKING:
    from sidespand.model import OpenSpan
    from sidespand.query.summaries import TraceSummary

_COUNT = 20
_ID_CHARACTERS = 12
_OPEN_HEADER = ("TRACE", "SPAN", "START", "RUNNING", "CLIENT", "SERVICE", "NAME")
_HEADER = ("TRACE", "START", "DURATION", "SPANS", "STATUS", "SERVICES", "NAME")
_SPARE = tuple(map(_HEADER.index, ("SERVICES", "SPANS", "DURATION")))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_query(parser)
    answers.add_reading(parser)
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="lines; default 20"
    )
    parser.add_argument("--sort", metavar="ORDER", help="such as -dur, -cost or start")
    parser.add_argument("--after", metavar="PLACE", help="go on behind an earlier answer's next")
    parser.add_argument(
        "--open", action="store_true", help="list the spans that have started and not ended"
    )
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """List the traces that match; without a query the newest."""
    if args.open:
        return _run_open(args)
    asks = bool(args.query or args.sort or args.after)
    with answers.opened(args) as asked:
        if asks or (asked.api_sock is not None and not args.all):
            from sidespand.cli import ls_found

            try:
                return ls_found.run(args, asked)
            except (api.Absent, NotFound):
                # A daemon may keep no index.
                if asks or (args.run is not None and args.data is None):
                    raise
    return _run_newest(args)


def _run_newest(args: argparse.Namespace) -> int:
    from sidespand.query.documents import summary_document, walk_document
    from sidespand.query.redactions import Redactions, redaction_document
    from sidespand.query.summaries import newest_traces
    from sidespand.query.walk import Walk

    with store.opened(args) as opened:
        redactions = Redactions()
        walk = Walk(
            redactions.noting(opened.reader.newest_first()),
            quiet_bytes=None if args.all else LIST_QUIET_BYTES,
            bytes_max=None if args.all else LIST_BYTES_MAX,
        )
        summaries = newest_traces(walk, args.count)
    redacted = [redaction_document(*one) for one in redactions.all()]
    if args.json:
        traces = [summary_document(summary) for summary in summaries]
        print_json({"traces": traces, "redacted": redacted, "scan": walk_document(walk)})
        return exits.OK
    if summaries:
        _print(summaries, utc=args.utc)
    else:
        print_note("no span is recorded")
    for line in gone.lines(redacted, utc=args.utc):
        print_note(line)
    if not walk.complete:
        print_note(f"nothing before {walk.oldest} was counted; --all reads the whole journal")
    return exits.OK


def _status(summary: "TraceSummary") -> str:
    if summary.error_count:
        return f"error {summary.error_count}"
    return "ok" if summary.span_count else "unended"


def _run_open(args: argparse.Namespace) -> int:
    from sidespand import lock
    from sidespand.journal.layout import Layout
    from sidespand.query.documents import open_span_document

    with store.opened(args) as opened:
        running = lock.is_held(Layout(opened.data_dir).lock_path)
        head = opened.reader.head()
        spans = opened.reader.open_spans()
    # While the daemon runs the table is that of this moment; without it, of its last record.
    as_of_ns = time.time_ns() if running or head is None else head.wall_ns
    newest = spans[::-1][: args.count]
    if args.json:
        print_json(
            {
                "as_of_ns": str(as_of_ns),
                "running": running,
                "open_span_count": len(spans),
                "open_spans": [open_span_document(span) for span in newest],
            }
        )
        return exits.OK
    if newest:
        _print_open(newest, as_of_ns, utc=args.utc)
    state = "" if running else ", the last record: the daemon does not run"
    if running is None:
        state = ", the last record: whether the daemon runs is not known"
    listed = "" if len(newest) == len(spans) else f", the newest {len(newest)} are listed"
    moment = units.moment(as_of_ns, utc=args.utc)
    print_note(f"{len(spans)} open as of {moment}{state}{listed}")
    return exits.OK


def _print_open(spans: "Sequence[OpenSpan]", as_of_ns: int, *, utc: bool) -> None:
    screen = Screen()
    rows: list[Sequence[str]] = [_OPEN_HEADER]
    for span in spans:
        mark, peer = span.mark, span.peer
        trace_id, span_id = mark.key.trace_id.hex(), mark.key.span_id.hex()
        rows.append(
            (
                trace_id if screen.columns is None else trace_id[:_ID_CHARACTERS],
                span_id,
                units.moment(mark.start_ns, utc=utc),
                units.duration(mark.start_ns, as_of_ns),
                peer.door if peer.pid is None else f"pid {peer.pid}",
                safe(mark.service),
                safe(mark.name),
            )
        )
    header, *lines = table(rows, len(_OPEN_HEADER) - 1, screen.columns)
    print(screen.dim(header))
    for line in lines:
        print(line)


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
                _status(summary),
                safe(",".join(summary.services)),
                name if summary.root_recorded else f"{name} (root not recorded)",
            )
        )
    header, *lines = table(rows, len(_HEADER) - 1, screen.columns, _SPARE)
    print(screen.dim(header))
    for summary, line in zip(summaries, lines, strict=True):
        print(screen.red(line) if summary.error_count else line)
