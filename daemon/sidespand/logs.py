"""What the daemon's processes say to their operator: one line a message, on stderr."""

import logging
from collections.abc import Callable

# C0, DEL and C1, and the separators that viewers break lines at: a peer's text must not move the
# cursor of a terminal.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {0x2028: "\\u2028", 0x2029: "\\u2029", ord("\n"): "\\n", ord("\t"): "\\t"}


class LineFormatter(logging.Formatter):
    """Writes ``LEVEL logger: message`` and a traceback as one line, without control characters.

    Args:
        scrub: Takes secrets out of a line.
    """

    def __init__(self, scrub: Callable[[str], str] = str) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return escape(self._scrub(super().format(record)))


def escape(text: str) -> str:
    r"""Return ``text`` with control characters written as ``\n``, ``\t``, ``\x1b``, ``\u2028``."""
    return text.translate(_ESCAPES)


def configure(level: str, scrub: Callable[[str], str] = str) -> None:
    """Send the process's log messages of ``level`` and above to stderr.

    Args:
        level: ``debug`` to ``error``.
        scrub: Takes secrets out of a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(scrub))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def set_level(level: str) -> None:
    """Log messages of ``level`` and above from here on."""
    logging.getLogger().setLevel(level.upper())
