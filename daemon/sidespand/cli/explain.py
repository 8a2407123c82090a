"""``sidespan explain``: all that the record says of two items, not the strongest answer alone."""

import argparse

from sidespand.cli import compare, exits, sources
from sidespand.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    compare.add_pair(parser)


def run(args: argparse.Namespace) -> int:
    """Print both verdicts, and of each item its tokens and bounds; 3 as ``compare`` does."""
    from sidespand.evidence import account, explain
    from sidespand.evidence.verdict import About, Answer, Comparer
    from sidespand.query.names import resolve_item

    evidence = sources.gather(args).evidence
    a, b = (resolve_item(evidence, text) for text in (args.a, args.b))
    comparer = Comparer(evidence)
    asked = [About.COMMIT]
    if evidence.fact(a) is not None and evidence.fact(b) is not None:
        asked.append(About.ACTIVITY)
    verdicts = [comparer.compare(a, b, about) for about in asked]
    if args.json:
        print_json(
            {
                "a": account.document(evidence, a),
                "b": account.document(evidence, b),
                **{v.about.value: explain.document(evidence, v) for v in verdicts},
            }
        )
    else:
        for verdict in verdicts:
            print(explain.text(evidence, a, b, verdict))
        print(account.text(evidence, "a", a))
        print(account.text(evidence, "b", b), end="")
    contradictory = any(verdict.verdict is Answer.CONTRADICTORY for verdict in verdicts)
    return exits.CONTRADICTORY if contradictory else exits.OK
