"""Files that are replaced whole."""

from pathlib import Path

import pytest

from sidespand.files import replace_file


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    """Afterwards the file holds exactly the new bytes, and nothing else is left beside it."""
    path = tmp_path / "file"
    for body in (b"long old contents", b"new"):
        replace_file(path, body)
        assert path.read_bytes() == body
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """What cannot be put in place changes nothing and leaves nothing behind."""
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "file", b"new")
