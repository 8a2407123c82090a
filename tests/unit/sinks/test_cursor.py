"""Cursor files: what was saved is loaded, and nothing else is believed."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.model import Position
from sidespand.sinks.cursor import CursorFile, contradicts

LINEAGE = bytes.fromhex("00112233445566aa")
HERE = Position(3, LINEAGE, 100)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """The last saved position comes back, up to the largest LSN."""
    cursor = CursorFile(tmp_path / "cursor.json")
    cursor.save(Position(1, LINEAGE, 7))
    last = Position(2, bytes(8), 2**64 - 1)
    cursor.save(last)
    assert CursorFile(tmp_path / "cursor.json").load() == last
    assert [file.name for file in tmp_path.iterdir()] == ["cursor.json"]


def test_the_file_is_readable_by_people(tmp_path: Path) -> None:
    """The form is the documented one: an LSN as text, a lineage in hex."""
    CursorFile(tmp_path / "cursor.json").save(Position(1, LINEAGE, 7), {"all": 5})
    text = (tmp_path / "cursor.json").read_text(encoding="utf-8")
    assert text == (
        '{"ordinal": 1, "lineage": "00112233445566aa", "lsn": "7", "streams": {"all": "5"}}\n'
    )


def test_the_streams_come_back(tmp_path: Path) -> None:
    """What each stream ended with is known again after a restart; without a word of it, nothing."""
    file = CursorFile(tmp_path / "cursor.json")
    file.save(Position(1, LINEAGE, 7), {"spans": 7, "logs": 3})
    again = CursorFile(tmp_path / "cursor.json")
    assert again.load() == Position(1, LINEAGE, 7)
    assert again.streams == {"spans": 7, "logs": 3}


def test_a_new_sink_has_no_cursor(tmp_path: Path) -> None:
    """Without a file there is no cursor, and no complaint."""
    assert CursorFile(tmp_path / "cursor.json").load() is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"ordinal": 1, "lineage": "00112233445566aa"}',
        b'{"ordinal": 0, "lineage": "00112233445566aa", "lsn": "7"}',
        b'{"ordinal": 1, "lineage": "0011", "lsn": "7"}',
        b'{"ordinal": 1, "lineage": "00112233445566aa", "lsn": "-1"}',
        b'{"ordinal": 1, "lineage": "00112233445566aa", "lsn": "18446744073709551616"}',
        b'{"ordinal": 1, "lineage": 5, "lsn": "7"}',
    ],
)
def test_a_damaged_cursor_is_logged_and_starts_over(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is no cursor counts as none."""
    path = tmp_path / "cursor.json"
    path.write_bytes(body)
    with caplog.at_level(logging.WARNING):
        assert CursorFile(path).load() is None
    assert "damaged" in caplog.text


@given(st.binary(max_size=100))
def test_arbitrary_bytes_never_raise(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    """Whatever is in the file, loading gives a position or none."""
    path = tmp_path_factory.mktemp("cursor") / "cursor.json"
    path.write_bytes(body)
    CursorFile(path).load()


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (HERE, False),
        (HERE._replace(lsn=99), False),
        (HERE._replace(lsn=101), True),
        (HERE._replace(ordinal=2, lineage=bytes(8), lsn=500), False),
        (HERE._replace(ordinal=4, lsn=1), True),
        (HERE._replace(lineage=bytes(8), lsn=1), True),
    ],
)
def test_a_cursor_contradicts_a_log_that_it_cannot_be_of(
    cursor: Position, *, expected: bool
) -> None:
    """Ahead of the log or of another lineage under the same number contradicts; behind does not."""
    assert contradicts(cursor, HERE) is expected
