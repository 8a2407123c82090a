"""``sidespan violations``: what in the record contradicts the rules that its evidence rests on."""

import argparse
from typing import TYPE_CHECKING

from sidespand.cli import arguments, exits, sources
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, table
from sidespand.errors import SidespanError

if TYPE_CHECKING:
    from sidespand.evidence.violations import Range

_HEADER = ("CODE", "POSITION", "WHAT")


class UnusableRange(SidespanError):
    """The text names no part of a log."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument(
        "--within",
        metavar="LINEAGE:FIRST-LAST",
        help="only what is about these LSNs of this lineage",
    )
    parser.add_argument(
        "--marked-kind",
        metavar="KIND",
        action="append",
        default=[],
        choices=("internal", "server", "client", "producer", "consumer"),
        help="a kind of span that must have been announced by a mark",
    )
    sources.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings by lineage and LSN; none is a fault of this command's."""
    from sidespand.evidence.violations import violations

    within = None if args.within is None else _range(args.within)
    evidence = sources.gather(args).evidence
    found = violations(evidence, within, marked_kinds=frozenset(args.marked_kind))
    if args.json:
        documents = [
            {
                "code": one.code.value,
                "position": f"{one.lineage.hex()}:{one.lsn}",
                "message": one.message,
            }
            for one in found
        ]
        print_json({"violations": documents})
    elif found:
        rows = [(one.code.value, f"{one.lineage.hex()}:{one.lsn}", one.message) for one in found]
        print("\n".join(table([_HEADER, *rows], 2, Screen().columns)))
    else:
        print("no violation in what was read")
    return exits.OK


def _range(text: str) -> "Range":
    from sidespand.evidence.violations import Range
    from sidespand.query.names import parse_position

    head, _, last = text.partition("-")
    place = parse_position(head)
    if place is None or not (last.isascii() and last.isdigit() and len(last) <= len(str(2**64))):
        raise UnusableRange(
            f"not a part of a log: {text[:64]!r}", hint="such as 7f3ac2d19b04e65a:1-200"
        )
    return Range(place[0], place[1], int(last))
