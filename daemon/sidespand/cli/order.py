"""``sidespan order``: a trace in one line, and what puts each item behind the one before it."""

import argparse
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, sources
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, table
from sidespand.errors import NotFound

if TYPE_CHECKING:
    from sidespand.evidence.collection import Evidence
    from sidespand.evidence.order import Placed

_HEADER = ("POSITION", "SPAN", "HLC", "STRENGTH")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("trace", metavar="TRACE", help="a trace id, or a unique prefix of one")
    sources.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Print the items of a trace in an order that contradicts nothing in the record."""
    from sidespand import hlc
    from sidespand.evidence.order import order
    from sidespand.evidence.verdict import Comparer
    from sidespand.query.names import resolve_trace_id

    evidence = sources.gather(args).evidence
    trace_id = resolve_trace_id(evidence, args.trace)
    found = order(Comparer(evidence), trace_id)
    if not found.placed:
        raise NotFound(
            f"nothing that was read is of trace {trace_id.hex()}",
            hint="name its nodes' stores with --store, or read all of them with --all",
        )
    if args.json:
        print_json(
            {
                "trace_id": trace_id.hex(),
                "items": [
                    {
                        "position": str(one.item),
                        "span_id": _span_id(evidence, one),
                        "hlc": hlc.text(one.item.stamp),
                        "node": evidence.nodes.get(one.item.record.header.lineage),
                        "strength": one.strength.label,
                    }
                    for one in found.placed
                ],
                "by_hlc": found.by_hlc,
                "circular": found.circular,
            }
        )
        return exits.OK
    rows = [
        (str(one.item), _span_id(evidence, one), hlc.text(one.item.stamp), one.strength.label)
        for one in found.placed
    ]
    print("\n".join(table([_HEADER, *rows], 1, Screen().columns)))
    if not found.by_hlc:
        print_note("the HLC alone would give another order: a merge was refused, or a rule broken")
    if found.circular:
        print_note("the last ones stand in or behind a circle; `sidespan violations` shows it")
    return exits.OK


def _span_id(evidence: "Evidence", placed: "Placed") -> str:
    fact = evidence.fact(placed.item)
    assert fact is not None
    return fact.span_id.hex()
