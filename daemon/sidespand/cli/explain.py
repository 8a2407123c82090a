"""``sidespan explain``: all that the record says of two items, not the strongest answer alone."""

import argparse

from sidespand.cli import compare, exits, sources
from sidespand.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    compare.add_pair(parser)


def run(args: argparse.Namespace) -> int:
    """Print both verdicts, and of each item its tokens and bounds; 3 as ``compare`` does."""
    from sidespand.answers import orders
    from sidespand.evidence import account, explain
    from sidespand.evidence.verdict import Answer

    evidence = sources.gather(args).evidence
    found = orders.explained(evidence, args.a, args.b)
    if args.json:
        print_json(orders.explain_document(evidence, found))
    else:
        for verdict in found.verdicts:
            print(explain.text(evidence, found.a, found.b, verdict))
        print(account.text(evidence, "a", found.a))
        print(account.text(evidence, "b", found.b), end="")
    contradictory = any(verdict.verdict is Answer.CONTRADICTORY for verdict in found.verdicts)
    return exits.CONTRADICTORY if contradictory else exits.OK
