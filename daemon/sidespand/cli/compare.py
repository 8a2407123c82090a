"""``sidespan compare``: was a before b, how strong is the answer, and what does it rest on."""

import argparse

from sidespand.cli import arguments, exits, sources
from sidespand.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_pair(parser)
    parser.add_argument(
        "--about",
        choices=("commit", "activity"),
        help="of the records' commits, or of when the spans began; default: the stronger answer",
    )


def add_pair(parser: argparse.ArgumentParser) -> None:
    """Add two items and where to look for them."""
    arguments.add_store(parser)
    for name in ("a", "b"):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help="a position (lineage:lsn), a token, a span id or prefix of one, or last",
        )
    sources.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Print the verdict on two items; 3 when the evidence contradicts itself."""
    from sidespand.answers import orders
    from sidespand.evidence import explain
    from sidespand.evidence.verdict import Answer

    evidence = sources.gather(args).evidence
    found = orders.compare(evidence, args.a, args.b, orders.parse_about(args.about))
    (verdict,) = found.verdicts
    if args.json:
        print_json(orders.compare_document(evidence, found))
    else:
        print(explain.text(evidence, found.a, found.b, verdict), end="")
    return exits.CONTRADICTORY if verdict.verdict is Answer.CONTRADICTORY else exits.OK
