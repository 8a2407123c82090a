"""The token of the API: made once, kept from others."""

from pathlib import Path

import pytest

from sidespand.errors import ConfigError
from sidespand.web.access import Door, load_token


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The next start finds the same one; two stores have two."""
    path = tmp_path / "api.token"
    token = load_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_token(path) == token
    assert load_token(tmp_path / "other.token") != token
    assert len(token) >= 43


@pytest.mark.parametrize("body", [b"", b"short\n", b"\xff" * 40, b"two words that are long enough"])
def test_a_file_that_holds_none(tmp_path: Path, body: bytes) -> None:
    """It is refused, not replaced, and not repeated in the message."""
    path = tmp_path / "api.token"
    path.write_bytes(body)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_token(path)
    assert "words" not in str(caught.value)
    assert path.read_bytes() == body


def test_what_others_can_read_is_no_secret(tmp_path: Path) -> None:
    """The message says how to mend it."""
    path = tmp_path / "api.token"
    load_token(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="0640") as caught:
        load_token(path)
    assert "chmod 600" in caught.value.hint


def test_a_door_without_a_token_admits_everybody() -> None:
    """Its mode, or its place, decides."""
    assert Door(("localhost",)).admits(None)
    assert not Door(("localhost",), token="x" * 20).admits(None)
