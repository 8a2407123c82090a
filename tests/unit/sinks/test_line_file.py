"""A file of lines: appended whole, mended after a crash, never mistaken for another file."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.limits import LINES_BYTES_MAX
from sidespand.sinks.line_file import LineFile, intact

PREFIX = b"{a"
ONE, TWO = b"{a: 1}\n", b"{a: 2}\n"


def mended(path: Path) -> bytes:
    """Return the last line of the file after opening it."""
    file = LineFile(path, PREFIX)
    file.close()
    return file.last_line


def test_lines_are_appended_and_the_last_one_is_found(tmp_path: Path) -> None:
    """What was appended is there in order; a later opening knows the last line."""
    path = tmp_path / "lines"
    assert mended(path) == b""
    file = LineFile(path, PREFIX)
    file.append(ONE + TWO)
    file.append(ONE)
    file.close()
    assert path.read_bytes() == ONE + TWO + ONE
    assert mended(path) == ONE


def test_what_was_appended_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has all of it before the call returns: a cursor may go beyond it then."""
    path = tmp_path / "lines"
    durable: list[int] = []
    flush = os.fdatasync

    def flushed(descriptor: int) -> None:
        flush(descriptor)
        durable.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", flushed)
    file = LineFile(path, PREFIX)
    for lines in (ONE, TWO + ONE):
        file.append(lines)
        assert durable[-1] == path.stat().st_size
    file.close()
    assert durable == [len(ONE), len(ONE + TWO + ONE)]


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Spans hold prompts: a new file can be read by nobody else."""
    mended(tmp_path / "lines")
    assert (tmp_path / "lines").stat().st_mode & 0o777 == 0o600


@given(st.integers(0, len(TWO) - 1))
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Wherever a write broke off, the file ends behind its last whole line."""
    path = tmp_path_factory.mktemp("torn") / "lines"
    path.write_bytes(ONE + TWO[:length])
    assert mended(path) == ONE
    assert path.read_bytes() == ONE


def test_a_torn_first_line_leaves_an_empty_file(tmp_path: Path) -> None:
    """A file that holds nothing but the start of a line is empty afterwards."""
    path = tmp_path / "lines"
    path.write_bytes(ONE[:-1])
    assert mended(path) == b""
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "damage", [ONE + bytes(100), ONE + bytes(100) + b"\n" + TWO, ONE + b"{a: \0\0}\n" + TWO]
)
def test_zeros_where_a_block_was_lost_are_cut_off(tmp_path: Path, damage: bytes) -> None:
    """After a power cut everything from the first lost block on is written again."""
    path = tmp_path / "lines"
    path.write_bytes(damage)
    assert mended(path) == ONE
    assert path.read_bytes() == ONE


@pytest.mark.slow
def test_a_line_longer_than_the_window_is_found(tmp_path: Path) -> None:
    """The last line may be larger than all that is looked at first."""
    path = tmp_path / "lines"
    long = PREFIX + b"x" * (5 * LINES_BYTES_MAX) + b"\n"
    path.write_bytes(ONE + long + TWO[:3])
    assert mended(path) == long
    assert path.stat().st_size == len(ONE + long)


@pytest.mark.parametrize("body", [b"root:x:0:0\n", b"root:x:0:0", b"{b: 1}\n", ONE + b"secret"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, body: bytes) -> None:
    """A path that was mistyped costs nothing."""
    path = tmp_path / "lines"
    path.write_bytes(body)
    with pytest.raises(OSError, match="other lines"):
        LineFile(path, PREFIX)
    assert path.read_bytes() == body


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    """Two sinks on one file would tear each other's lines."""
    file = LineFile(tmp_path / "lines", PREFIX)
    with pytest.raises(BlockingIOError):
        LineFile(tmp_path / "lines", PREFIX)
    file.close()
    mended(tmp_path / "lines")


def test_only_regular_files_are_written(tmp_path: Path) -> None:
    """A pipe or a directory at the path is an error, not a hang."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match=r"regular file|directory"):
            LineFile(path, PREFIX)


@given(st.binary(max_size=50))
def test_what_counts_as_intact_is_whole_lines_without_zeros(tail: bytes) -> None:
    """The intact part ends with a line, and a line more would be torn or have a hole."""
    whole = intact(tail)
    assert whole == 0 or tail[:whole].endswith(b"\n")
    assert b"\0" not in tail[:whole]
    following = tail[whole:].split(b"\n", 1)
    assert len(following) == 1 or b"\0" in following[0]
