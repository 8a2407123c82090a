"""What the daemon's processes say to their operator: one line a message.

On stderr by default, where the journal of systemd takes a line's priority from its beginning, or
into a file that is rotated by size.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO, TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

# C0, DEL and C1, and the separators that viewers break lines at: a peer's text must not move the
# cursor of a terminal.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {0x2028: "\\u2028", 0x2029: "\\u2029", ord("\n"): "\\n", ord("\t"): "\\t"}
# What JSON's own escapes leave as it is: JSON knows C0 alone.
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
# Of syslog(3), as sd-daemon(3) has them.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG = 7
_OWNER_ALONE = 0o600


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file for messages, in place of stderr.

    Args:
        path: This process's alone; older ones have ``.1``, ``.2`` and so on behind it.
        bytes_max: Another one is begun before it grows larger.
        files_max: How many there are, with the one that is being written; 1 or more.
    """

    path: Path
    bytes_max: int
    files_max: int


class LineFormatter(logging.Formatter):
    """Writes ``LEVEL logger: message`` and a traceback as one line, without control characters.

    Args:
        scrub: Takes secrets out of a line.
        dated: Put the moment before it.
        prioritised: Put the priority before all, as the journal of systemd reads it.
    """

    def __init__(
        self,
        scrub: Callable[[str], str] = str,
        *,
        dated: bool = False,
        prioritised: bool = False,
    ) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._scrub = scrub
        self._dated = dated
        self._prioritised = prioritised

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line = self._line(record)
        return f"<{_priority(record.levelno)}>{line}" if self._prioritised else line

    def _line(self, record: logging.LogRecord) -> str:
        line = escape(self._scrub(super().format(record)))
        return f"{_moment(record)} {line}" if self._dated else line


class JsonFormatter(LineFormatter):
    """Writes an object: ``time``, ``level``, ``logger``, ``pid``, ``message``.

    A traceback is its ``error``. The arguments are those of its base; it is always dated.
    """

    def _line(self, record: logging.LogRecord) -> str:
        document = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": self._scrub(record.getMessage()),
        }
        if record.exc_info:
            document["error"] = self._scrub(self.formatException(record.exc_info))
        return json.dumps(document, ensure_ascii=False).translate(_JSON_ESCAPES)


class _PrivateFileHandler(RotatingFileHandler):
    """Rotates by size. Its files are their owner's alone; what cannot be written goes to stderr."""

    def __init__(self, file: LogFile) -> None:
        super().__init__(
            file.path,
            maxBytes=file.bytes_max,
            backupCount=file.files_max - 1,
            encoding="utf-8",
        )

    def doRollover(self) -> None:  # noqa: N802 - the name is logging's.
        """Begin another file; without older ones this one begins anew."""
        if self.backupCount == 0:
            os.truncate(self.baseFilename, 0)
        super().doRollover()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the same.
        """Say on stderr what a full disk has no room for."""
        sys.stderr.write(self.format(record) + "\n")

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, _OWNER_ALONE)
        # Unbuffered: what a full disk did not take is not kept to be tried again.
        return TextIOWrapper(
            FileIO(descriptor, "ab"),
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,
        )


def escape(text: str) -> str:
    r"""Return ``text`` with control characters written as ``\n``, ``\t``, ``\x1b``, ``\u2028``."""
    return text.translate(_ESCAPES)


def configure(
    level: str,
    scrub: Callable[[str], str] = str,
    *,
    form: str = "text",
    file: LogFile | None = None,
) -> None:
    """Send the process's log messages of ``level`` and above to stderr, or to a file.

    Args:
        level: ``debug`` to ``error``.
        scrub: Takes secrets out of a line.
        form: ``text`` or ``json``.
        file: In place of stderr.

    Raises:
        OSError: The file cannot be written.
    """
    handler = logging.StreamHandler() if file is None else _PrivateFileHandler(file)
    make = JsonFormatter if form == "json" else LineFormatter
    handler.setFormatter(
        make(scrub, dated=file is not None, prioritised=file is None and is_journal(2))
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def set_level(level: str) -> None:
    """Log messages of ``level`` and above from here on."""
    logging.getLogger().setLevel(level.upper())


def is_journal(descriptor: int) -> bool:
    """Tell whether what is written there goes to the journal of systemd.

    Source: systemd.exec(5), JOURNAL_STREAM.
    """
    try:
        facts = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def _priority(level: int) -> int:
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
