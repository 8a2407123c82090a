"""``sidespan stats``: spans summed up by model, tool, agent, service and more."""

import argparse
from collections.abc import Mapping
from typing import Any

from sidespand.cli import answers, exits, figures
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table

BY = (
    "model", "tool", "agent", "service", "kind", "provider", "name", "conversation", "user",
    "prompt.version",
)  # fmt: skip
_HEADER = (
    "SPANS", "TRACES", "ERRORS", "IN", "OUT", "CACHED", "REASONING", "COST", "P50", "P95", "MAX"
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_query(parser)
    parser.add_argument("--by", choices=BY, default="model", help="default model")
    answers.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Print the sums, most spans first."""
    query = answers.query_text(args)
    with answers.opened(args) as asked:
        document = asked.stats(query, args.by)
    if args.json:
        print_json(document)
        return exits.OK
    for line in lines(document, Screen()):
        print(line)
    answers.tell_state(document)
    if not document.get("complete", True):
        print_note("older spans were left out: it would have taken too long; narrow with since:")
    return exits.OK


def lines(document: Mapping[str, Any], screen: Screen) -> list[str]:
    """Return sums as a table, the sum of all below."""
    title = str(document["by"]).upper()
    rows = [(safe(row["key"] or "-"), *_cells(row)) for row in document["rows"]]
    total = ("all", *_cells(document["total"]))
    head, *body, last = table([(title, *_HEADER), *rows, total], 0, screen.columns)
    failed = [row["errors"] > 0 for row in document["rows"]]
    shown = [screen.red(line) if bad else line for line, bad in zip(body, failed, strict=True)]
    return [screen.dim(head), *shown, screen.bold(last)]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["spans"]),
        str(row["traces"]),
        str(row["errors"]),
        *(figures.count(row[f"tokens_{name}"]) for name in ("in", "out", "cached", "reasoning")),
        figures.money(row["cost_usd"]),
        *(figures.milliseconds(row[f"{name}_ms"]) for name in ("p50", "p95", "max")),
    )
