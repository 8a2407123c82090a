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
            help="a position (lineage:lsn), a token, or a span id or prefix of one",
        )
    sources.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Print the verdict on two items; 3 when the evidence contradicts itself."""
    from sidespand.evidence import explain
    from sidespand.evidence.verdict import About, Answer, Comparer
    from sidespand.query.names import resolve_item

    evidence = sources.gather(args).evidence
    a, b = (resolve_item(evidence, text) for text in (args.a, args.b))
    about = None if args.about is None else About(args.about)
    verdict = Comparer(evidence).compare(a, b, about)
    if args.json:
        print_json({"a": str(a), "b": str(b), **explain.document(evidence, verdict)})
    else:
        print(explain.text(evidence, a, b, verdict), end="")
    return exits.CONTRADICTORY if verdict.verdict is Answer.CONTRADICTORY else exits.OK
