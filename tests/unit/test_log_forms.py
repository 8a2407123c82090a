"""The forms and places of log lines: JSON, the journal of systemd, files that are rotated."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import logs
from sidespand.logs import JsonFormatter, LineFormatter, LogFile


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Yield the root logger; it is as it was afterwards."""
    one = logging.getLogger()
    handlers, level = one.handlers[:], one.level
    yield one
    for handler in one.handlers:
        handler.close()
    one.handlers[:] = handlers
    one.setLevel(level)


def record(message: str, level: int = logging.WARNING) -> logging.LogRecord:
    """Return a record of ``a.b``."""
    return logging.LogRecord("a.b", level, "", 1, message, (), None)


def test_a_line_of_json_has_its_fields() -> None:
    """Moment, level, logger, process and message; a traceback as an error; no secret."""
    one = record("is s3cret\n\x9b\u2028")
    one.created = 1_700_000_000.25
    one.exc_info = (ValueError, ValueError("bad s3cret"), None)
    line = JsonFormatter(lambda text: text.replace("s3cret", "***")).format(one)
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "a.b",
        "pid": os.getpid(),
        "message": "is ***\n\x9b\u2028",
        "error": "ValueError: bad ***",
    }
    assert line.isprintable()


@given(st.text())
def test_any_message_is_one_line_of_json(text: str) -> None:
    """Nothing in it moves a terminal, and it reads back as it was."""
    line = JsonFormatter().format(record(text))
    assert line.splitlines() == [line]
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in line)
    assert json.loads(line)["message"] == text


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_the_journal_is_told_the_priority(level: str, priority: int) -> None:
    """As sd-daemon(3) has it, in front of either form."""
    one = record("x", logging.getLevelNamesMapping()[level])
    assert LineFormatter(prioritised=True).format(one) == f"<{priority}>{level} a.b: x"
    assert JsonFormatter(prioritised=True).format(one).startswith(f'<{priority}>{{"time": ')


@pytest.mark.parametrize("journal", [True, False])
def test_only_the_journal_gets_priorities(*, journal: bool) -> None:
    """Which is what JOURNAL_STREAM names; a file that stderr was turned to is not."""
    program = "import logging; from sidespand import logs; logs.configure('info'); "
    program += "logging.getLogger('x').error('loud')"
    theirs, ours = socket.socketpair()
    with theirs, ours:
        facts = os.fstat(theirs.fileno())
        named = f"{facts.st_dev}:{facts.st_ino if journal else facts.st_ino + 1}"
        subprocess.run(
            [sys.executable, "-c", program], stderr=theirs, check=True,
            env={**os.environ, "JOURNAL_STREAM": named},
        )  # fmt: skip
        assert ours.recv(4096) == (b"<3>" if journal else b"") + b"ERROR x: loud\n"


@pytest.mark.parametrize("files_max", [1, 3])
def test_files_are_rotated_by_size(tmp_path: Path, root: logging.Logger, files_max: int) -> None:
    """None is larger than its limit, there are as many as were allowed, and nobody else reads."""
    place = LogFile(tmp_path / "sidespan.log", 1000, files_max)
    logs.configure("info", file=place)
    for number in range(100):
        logging.getLogger("a").info("%03d %s", number, "x" * 50)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [
        "sidespan.log", "sidespan.log.1", "sidespan.log.2"
    ][:files_max]  # fmt: skip
    assert all(path.stat().st_size <= 1000 for path in files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    lines = [line for path in reversed(files) for line in path.read_text().splitlines()]
    numbers = [int(line.split()[3]) for line in lines]
    assert numbers == list(range(numbers[0], 100))
    assert lines[-1].endswith("Z INFO a: 099 " + "x" * 50)


def test_what_a_full_disk_has_no_room_for_goes_to_stderr(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message neither fails whoever logs it, nor is lost."""
    logs.configure("info", file=LogFile(Path("/dev/full"), 1 << 30, 1))
    logging.getLogger("a").info("kept")
    assert capsys.readouterr().err.endswith("Z INFO a: kept\n")
