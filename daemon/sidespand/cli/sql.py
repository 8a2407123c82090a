"""``sidespan sql``: a SELECT over the index, which cannot be changed that way."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from sidespand.cli import answers, arguments, exits
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table

_ROWS = 1000
_CELL_CHARACTERS_MAX = 200
_STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sql", metavar="SELECT", nargs="+", help="one statement; - reads it from stdin"
    )
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_ROWS, help="rows; default 1000"
    )
    answers.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Print the answer.

    Raises:
        InvalidRequest: It is no statement that only reads.
    """
    text = sys.stdin.read() if args.sql == [_STDIN] else " ".join(args.sql)
    return answer(args, text)


def answer(args: argparse.Namespace, text: str) -> int:
    """Print what a SELECT answers, as a table or as JSON."""
    with answers.opened(args) as asked:
        document = asked.sql(text, args.count)
    if args.json:
        print_json(document)
        return exits.OK
    _print(document, Screen())
    if document["truncated"]:
        print_note(f"only the first {len(document['rows'])} rows; -n N prints more")
    return exits.OK


def _print(document: Mapping[str, Any], screen: Screen) -> None:
    header = [safe(name) for name in document["columns"]]
    rows = [[_cell(value) for value in row] for row in document["rows"]]
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]
    flexible = widths.index(max(widths))
    head, *lines = table([header, *rows], flexible, screen.columns)
    print(screen.dim(head))
    for line in lines:
        print(line)


def _cell(value: Any) -> str:
    return "" if value is None else safe(str(value), _CELL_CHARACTERS_MAX)
