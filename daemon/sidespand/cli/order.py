"""``sidespan order``: a trace in one line, and what puts each item behind the one before it."""

import argparse
from itertools import pairwise
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, gone, sources
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, table
from sidespand.errors import NotFound

if TYPE_CHECKING:
    from sidespand.evidence.collection import Evidence
    from sidespand.evidence.order import Placed
    from sidespand.query.evidence import Gathered

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
    from sidespand.query.redactions import redaction_document

    gathered = sources.gather(args)
    evidence = gathered.evidence
    trace_id = _trace_id(gathered, args.trace)
    redacted = gathered.redactions.of_trace(trace_id)
    found = order(Comparer(evidence), trace_id)
    for line in gone.lines(redacted, utc=False):
        print_note(line)
    if not found.placed and not redacted:
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
                "redacted": [redaction_document(*one) for one in redacted],
            }
        )
        return exits.OK
    if not found.placed:
        print(f"trace {trace_id.hex()}: nothing of it is left")
        return exits.OK
    rows = [
        (str(one.item), _span_id(evidence, one), hlc.text(one.item.stamp), _behind(before, one))
        for before, one in pairwise((None, *found.placed))
        if one is not None
    ]
    print("\n".join(table([_HEADER, *rows], 1, Screen().columns)))
    if not found.by_hlc:
        print_note("the HLC alone would give another order: a merge was refused, or a rule broken")
    if found.circular:
        print_note("the last ones stand in or behind a circle; `sidespan violations` shows it")
    return exits.OK


def _trace_id(gathered: "Gathered", text: str) -> bytes:
    from sidespand.query.names import resolve_trace_id

    try:
        return resolve_trace_id(gathered.evidence, text)
    except NotFound:
        # Nothing of it can be read, but the log may tell why.
        named = gathered.redactions.traces(text.lower())
        if len(named) != 1:
            raise
        return named[0]


def _behind(before: "Placed | None", placed: "Placed") -> str:
    if before is not None and before.item.record.leaf == placed.item.record.leaf:
        return "same record"
    return placed.strength.label


def _span_id(evidence: "Evidence", placed: "Placed") -> str:
    fact = evidence.fact(placed.item)
    assert fact is not None
    return fact.span_id.hex()
