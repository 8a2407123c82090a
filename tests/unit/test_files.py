"""Files that are made or replaced whole, and files that hold a secret."""

import os
import stat
from pathlib import Path

import pytest

from sidespand.errors import ConfigError
from sidespand.files import create_file, read_secret, replace_file
from sidespand.limits import SECRET_FILE_BYTES_MAX


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


def test_a_new_file_has_its_mode_and_its_directory_s_owner(tmp_path: Path) -> None:
    """Nothing is left beside it; what root makes in somebody's directory is theirs."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 23456)
    path = tmp_path / "file"

    create_file(path, b"body", 0o600)

    facts, owner = path.stat(), tmp_path.stat()
    assert path.read_bytes() == b"body"
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert (facts.st_uid, facts.st_gid, facts.st_nlink) == (owner.st_uid, owner.st_gid, 1)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    """What is there stays as it is, and nothing is left beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        create_file(path, b"new", 0o600)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        create_file(tmp_path / "missing" / "file", b"new", 0o600)


def test_a_secret_is_read_whole_or_refused(tmp_path: Path) -> None:
    """The message names the key and the file, and the mode or size that is wrong."""
    path = tmp_path / "secret"
    path.write_bytes(b"x" * SECRET_FILE_BYTES_MAX)
    path.chmod(0o640)

    assert read_secret("some.key", path, 0o007) == b"x" * SECRET_FILE_BYTES_MAX
    with pytest.raises(ConfigError, match=r"some\.key: .*secret has mode 0640"):
        read_secret("some.key", path, 0o077)
    path.write_bytes(b"x" * (SECRET_FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="is over"):
        read_secret("some.key", path, 0o007)
    with pytest.raises(FileNotFoundError):
        read_secret("some.key", tmp_path / "missing", 0o007)
    with pytest.raises(ConfigError, match=r"some\.key: cannot read"):
        read_secret("some.key", tmp_path, 0o007)
