"""The node's key file: never replaced, never readable by everybody, never repeated in a message."""

import os
import stat
from pathlib import Path

import pytest

from sidespand.app import node_key
from sidespand.errors import ConfigError
from sidespand.evidence.note import Signer, parse_signer


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """It is its owner's alone, reads back as the same key, and stays."""
    path = tmp_path / "new" / "node.key"

    made = node_key.create(path, "prod/node-1")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    read = node_key.load(path, required=True)
    assert read is not None
    assert read.verifier == made.verifier
    assert parse_signer(path.read_text().rstrip("\n")).verifier == made.verifier
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="never replaced"):
        node_key.create(path, "prod/node-1")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    """Where a link stands, there is something already."""
    path = tmp_path / "node.key"
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="exists"):
        node_key.create(path, "node-1")

    assert not (tmp_path / "elsewhere").exists()


def test_no_key_is_none_unless_it_was_asked_for(tmp_path: Path) -> None:
    """A node may do without; a configured key that is missing stops the start."""
    assert node_key.load(tmp_path / "node.key", required=False) is None
    with pytest.raises(ConfigError, match="is not there") as caught:
        node_key.load(tmp_path / "node.key", required=True)
    assert "keys init" in caught.value.hint


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644])
def test_a_key_for_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    """Who may read the key may speak for the node."""
    path = tmp_path / "node.key"
    node_key.create(path, "node-1")
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}"):
        node_key.load(path, required=False)


@pytest.mark.parametrize("damage", ["cut", "name", "junk", "binary", "empty"])
def test_a_damaged_key_is_refused_without_a_word_of_it(tmp_path: Path, damage: str) -> None:
    """The start stops; no message repeats what may be most of a key."""
    text = Signer.generate("node-1").text()
    secret = text.rpartition("+")[2]
    path = tmp_path / "node.key"
    body = {
        "cut": text[:-2].encode(),
        "name": text.replace("node-1", "node-2").encode(),
        "junk": b"-----BEGIN PRIVATE KEY-----\n",
        "binary": os.urandom(32) + b"\xff",
        "empty": b"",
    }[damage]
    path.write_bytes(body)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="holds no signer key") as caught:
        node_key.load(path, required=False)

    assert secret[:8] not in str(caught.value) + caught.value.hint


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names the configuration key and the file."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError, match=r"evidence\.node_key_file: cannot write"):
        node_key.create(tmp_path / "file" / "node.key", "node-1")
