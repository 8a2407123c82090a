"""Log lines: one a message, with nothing in them that moves a terminal."""

import logging
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from sidespand.logs import LineFormatter, escape


def line(message: str, *arguments: object, error: Exception | None = None) -> str:
    """Return what is logged for a warning of ``a.b``."""
    info = (type(error), error, None) if error is not None else None
    record = logging.LogRecord("a.b", logging.WARNING, "", 1, message, arguments, info)
    return LineFormatter().format(record)


def test_a_line_names_level_and_logger() -> None:
    """The form is LEVEL logger: message."""
    assert line("%d of %s", 3, "x") == "WARNING a.b: 3 of x"


def test_a_message_of_several_lines_is_one() -> None:
    """A peer's newline starts no line of its own that looks like ours."""
    assert line("%s", "x\nERROR a.b: forged") == "WARNING a.b: x\\nERROR a.b: forged"


def test_an_exception_is_on_the_same_line() -> None:
    """A traceback is escaped like everything else."""
    text = line("failed", error=ValueError("bad\x1b[2J"))
    assert text == "WARNING a.b: failed\\nValueError: bad\\x1b[2J"


def test_a_secret_is_in_no_line() -> None:
    """Neither of a message nor of a traceback."""
    info = (ValueError, ValueError("bad s3cret-value"), None)
    record = logging.LogRecord("a.b", logging.ERROR, "", 1, "is %s", ("s3cret-value",), info)
    text = LineFormatter(lambda line: line.replace("s3cret-value", "***")).format(record)
    assert text == "ERROR a.b: is ***\\nValueError: bad ***"


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    """C0, DEL, C1 and line separators are all written out; everything else is kept."""
    escaped = escape(text)
    assert escaped.splitlines() in ([], [escaped])
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in escaped)
    if text.isprintable():
        assert escaped == text


def test_configuring_sends_what_is_severe_enough_to_stderr() -> None:
    """Levels below the configured one are not written."""
    program = (
        "import logging; from sidespand import logs; logs.configure('warning');"
        "logging.getLogger('x').info('quiet'); logging.getLogger('x').error('loud')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("", "ERROR x: loud\n")
