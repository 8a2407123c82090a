"""The node key that the operator pinned; without one a log vouches for itself."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespand.evidence.note import Verifier

_KEY_CHARACTERS_MAX = 4096


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the key that the operator pinned."""
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="the node's verifier key, as `sidespan keys show` prints it, or a file that holds it",
    )


def key(args: argparse.Namespace) -> "Verifier | None":
    """Return the key that the arguments name; None when they name none.

    Raises:
        Malformed: It is no key, nor a file that holds one.
    """
    text = args.key
    if text is None:
        return None
    from sidespand.evidence import note
    from sidespand.evidence.failures import Malformed

    try:
        return note.parse_verifier(text)
    except Malformed:
        try:
            with Path(text).open(encoding="ascii") as file:
                return note.parse_verifier(file.read(_KEY_CHARACTERS_MAX).strip())
        except (OSError, ValueError):
            raise Malformed(
                "--key is neither a verifier key nor a file that holds one",
                hint="`sidespan keys show` prints it on the node",
            ) from None
