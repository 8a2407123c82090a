"""``sidespan query``: the spans that match, one a line; a SELECT is answered as ``sql`` does."""

import argparse
from collections.abc import Mapping
from typing import Any

from sidespand.cli import answers, arguments, exits, figures, sql, units
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table

_COUNT = 50
_ID_CHARACTERS = 12
_HEADER = (
    "TRACE", "SPAN", "START", "DURATION", "STATUS", "KIND", "MODEL/TOOL", "TOKENS", "COST",
    "SERVICE", "NAME",
)  # fmt: skip
_SPARE = tuple(
    map(_HEADER.index, ("COST", "TOKENS", "SERVICE", "MODEL/TOOL", "TRACE", "KIND", "DURATION"))
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_query(parser)
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_COUNT, help="lines; default 50"
    )
    parser.add_argument("--sort", metavar="ORDER", help="such as -dur, cost or -start")
    parser.add_argument("--after", metavar="PLACE", help="go on behind an earlier answer's next")
    answers.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """List the spans; answer a SELECT."""
    if answers.is_select(args.query):
        return sql.answer(args, " ".join(args.query))
    query = answers.query_text(args)
    with answers.opened(args) as asked:
        document = asked.spans(query, args.sort, args.count, args.after)
    if args.json:
        print_json(document)
        return exits.OK
    if document["spans"]:
        _print(document, utc=args.utc)
    else:
        print_note("no span matches")
    if document["next"] is not None:
        print_note(f"there are more: --after {document['next']}")
    if not document.get("complete", True):
        print_note("the search was cut short: more may match; narrow it with since:")
    return exits.OK


def _print(document: Mapping[str, Any], *, utc: bool) -> None:
    screen = Screen()
    spans = document["spans"]
    rows = [_HEADER, *(_row(span, screen, utc=utc) for span in spans)]
    header, *lines = table(rows, len(_HEADER) - 1, screen.columns, _SPARE)
    print(screen.dim(header))
    for span, line in zip(spans, lines, strict=True):
        print(screen.red(line) if span["status"] == "error" else line)


def _row(span: Mapping[str, Any], screen: Screen, *, utc: bool) -> tuple[str, ...]:
    start_ns, lasted_ns = int(span["start_ns"]), span["duration_ns"]
    ended = span["state"] in ("ended", "abandoned, then ended")
    return (
        span["trace_id"] if screen.columns is None else span["trace_id"][:_ID_CHARACTERS],
        span["span_id"],
        units.moment(start_ns, utc=utc),
        "-" if lasted_ns is None else units.duration(1, int(lasted_ns) + 1),
        span["status"] if ended else span["state"],
        safe(span["ai_kind"] or span["kind"]),
        safe(span["model"] or span["tool"] or ""),
        figures.tokens(span["tokens_in"], span["tokens_out"]),
        figures.money(span["cost_usd"]),
        safe(span["service"] or ""),
        safe(span["name"] or ""),
    )
