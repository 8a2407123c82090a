"""``sidespan order``: a trace in one line, and what puts each item behind the one before it."""

import argparse
from itertools import pairwise
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, gone, sources
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, table

if TYPE_CHECKING:
    from sidespand.evidence.order import Placed

_HEADER = ("POSITION", "SPAN", "HLC", "STRENGTH")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument(
        "trace", metavar="TRACE", help="a trace id, a unique prefix of one, or last"
    )
    sources.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Print the items of a trace in an order that contradicts nothing in the record."""
    from sidespand import hlc
    from sidespand.answers import orders

    gathered = sources.gather(args)
    evidence = gathered.evidence
    found = orders.ordered(gathered, args.trace)
    placed = found.ordering.placed
    document = orders.order_document(evidence, found)
    for line in gone.lines(document["redacted"], utc=False):
        print_note(line)
    if args.json:
        print_json(document)
        return exits.OK
    if not placed:
        print(f"trace {found.trace_id.hex()}: nothing of it is left")
        return exits.OK
    rows = [
        (
            str(one.item),
            orders.span_id(evidence, one),
            hlc.text(one.item.stamp),
            _behind(before, one),
        )
        for before, one in pairwise((None, *placed))
        if one is not None
    ]
    print("\n".join(table([_HEADER, *rows], 1, Screen().columns)))
    if not found.ordering.by_hlc:
        print_note("the HLC alone would give another order: a merge was refused, or a rule broken")
    if found.ordering.circular:
        print_note("the last ones stand in or behind a circle; `sidespan violations` shows it")
    return exits.OK


def _behind(before: "Placed | None", placed: "Placed") -> str:
    if before is not None and before.item.record.leaf == placed.item.record.leaf:
        return "same record"
    return placed.strength.label
