"""Text for a terminal: nothing that a span holds can move the cursor, hide or reorder a line."""

import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from sidespand.plain import ELLIPSIS, safe

__all__ = ["Screen", "columns_shown", "fit", "safe", "table", "width"]

_WIDE = ("W", "F")
_ZERO_WIDTH = ("Mn", "Me", "Cf")
_GAP = "  "
_FLEXIBLE_COLUMNS_MIN = 24
_COLUMNS = 80


def width(text: str) -> int:
    """Return the columns that safe text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def fit(text: str, columns: int) -> str:
    """Return safe text padded or cut to ``columns``, which is 1 or more."""
    missing = columns - width(text)
    if missing >= 0:
        return text + " " * missing
    kept = ""
    room = columns - 1
    for character in text:
        room -= _character_width(character)
        if room < 0:
            break
        kept += character
    return kept + ELLIPSIS + " " * (columns - 1 - width(kept))


def columns_shown() -> int:
    """Return how wide the terminal is, by ``COLUMNS`` or as it says itself; 80 where none does."""
    # ``shutil`` tells it, too, but brings along everything that packs files.
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            # It is no terminal, or no file.
            columns = 0
    return columns or _COLUMNS


def table(
    rows: Sequence[Sequence[str]],
    flexible: int,
    columns: int | None,
    spare: Sequence[int] = (),
) -> list[str]:
    """Return lines with aligned cells.

    Args:
        rows: Safe cells, the header first, all rows alike in length.
        flexible: The column that gives way on a narrow terminal.
        columns: Width of the terminal; None where no line is cut.
        spare: Columns other than ``flexible`` that are left out, in this order, while a line is
            still too long.
    """
    widths = {column: max(width(row[column]) for row in rows) for column in range(len(rows[0]))}
    if columns is not None:
        wanted = widths[flexible]
        widths[flexible] = min(wanted, _FLEXIBLE_COLUMNS_MIN)
        for column in spare:
            if _length(widths) <= columns:
                break
            del widths[column]
        widths[flexible] = min(wanted, widths[flexible] + max(0, columns - _length(widths)))
    return [
        _GAP.join(fit(row[column], taken) for column, taken in widths.items()).rstrip()
        for row in rows
    ]


class Screen:
    """What stdout can show, asked once a command.

    ``columns`` is None unless stdout is a terminal: a file or a pipe gets whole lines.
    """

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        self.columns = columns_shown() if terminal else None
        self._colour = (
            terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def bold(self, text: str) -> str:
        """Return ``text`` to stand out."""
        return self._styled("1", text)

    def dim(self, text: str) -> str:
        """Return ``text`` to stand back."""
        return self._styled("2", text)

    def red(self, text: str) -> str:
        """Return ``text`` to warn."""
        return self._styled("31", text)

    def green(self, text: str) -> str:
        """Return ``text`` as what went well."""
        return self._styled("32", text)

    def cyan(self, text: str) -> str:
        """Return ``text`` as a time or a label."""
        return self._styled("36", text)

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _length(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
