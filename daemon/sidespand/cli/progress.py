"""How far a long command has come, on stderr: a line a second for a person who watches."""

import sys
import time

from sidespand.cli import units
from sidespand.cli.text import safe

_EVERY_S = 1.0
# A path is the longest (PATH_MAX).
_PLACE_CHARACTERS_MAX = 4096


class Progress:
    """Says how many are done, once a second at most; nothing where nobody watches.

    Args:
        what: Such as ``copying``.
        count: How many there are, as far as is known.
        quiet: Say nothing in any case.
    """

    def __init__(self, what: str, count: int, *, quiet: bool = False) -> None:
        self._what = what
        self._count = count
        self._files = 0
        self._bytes = 0
        self._told_s = time.monotonic()
        self._shown = sys.stderr.isatty() and not quiet

    def begin(self, place: str) -> None:
        """Say at once what the work is, for a command that has nothing else to say for long."""
        if self._shown:
            print(f"{self._what} {safe(place, _PLACE_CHARACTERS_MAX)}", file=sys.stderr)

    def tell(self, name: str, size_bytes: int) -> None:
        """Note that one is about to be read."""
        self._files += 1
        self._bytes += size_bytes
        now_s = time.monotonic()
        if self._shown and now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            sofar = f", {units.size(self._bytes)}" if self._bytes else ""
            line = f"{self._what} {self._files} of {max(self._count, self._files)}{sofar}: {name}"
            print(line, file=sys.stderr)

    def end(self) -> None:
        """Say that it is done, if anything was said."""
        if self._shown and self._files > 1:
            print(f"{self._what}: {self._files} files done", file=sys.stderr)
