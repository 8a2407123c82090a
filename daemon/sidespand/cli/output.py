"""What a command says: JSON for programs, safe lines for people, errors with the next step."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from sidespand.cli.text import fit, safe, width
from sidespand.errors import SidespanError

# A message may list the candidates of an ambiguous id or the faults of a configuration.
_ERROR_LINE_CHARACTERS_MAX = 500
# A path is the longest value (PATH_MAX).
_VALUE_CHARACTERS_MAX = 4096


def print_json(document: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one document; everything but printable ASCII is escaped.

    Args:
        document: What ``json`` can write.
        indent: None for one document a line.
    """
    text = json.dumps(document, indent=indent, allow_nan=False)
    # The one control character that JSON lets through; it can only stand in a string.
    print(text.replace("\x7f", "\\u007f"), flush=indent is None)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    pairs = [(safe(name), safe(value, _VALUE_CHARACTERS_MAX)) for name, value in fields]
    columns = max(width(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"{fit(name, columns)}  {value}")


def print_error(error: SidespanError) -> None:
    """Print what went wrong, and what to do next, on stderr."""
    lines = [safe(line, _ERROR_LINE_CHARACTERS_MAX) for line in str(error).split("\n")]
    print("error: " + "\n".join(lines), file=sys.stderr)
    if error.hint:
        print(f"hint: {safe(error.hint, _ERROR_LINE_CHARACTERS_MAX)}", file=sys.stderr)


def print_note(text: str) -> None:
    """Print a remark about the answer on stderr, out of the answer's way."""
    print(f"note: {safe(text, _ERROR_LINE_CHARACTERS_MAX)}", file=sys.stderr)
