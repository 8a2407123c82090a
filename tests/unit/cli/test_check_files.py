"""``sidespan check`` opens the files that a configuration names, as the daemon would."""

from pathlib import Path

import pytest

from sidespand.config import load
from sidespand.errors import ConfigError
from sidespand.sinks import registry
from tests.certificates import Authority
from tests.unit.cli.conftest import Run

TOKEN = "0123456789abcdef0123456789abcdef"
DOORS = """
[receivers.tls]
cert_file = "{0}/server.pem"
key_file = "{0}/server.key"
client_ca_file = "{0}/authority.pem"
[receivers.tenants.shop]
token_file = "{0}/tokens"
[secrets]
files = ["{0}/secret"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with every file that ``DOORS`` names."""
    Authority(tmp_path).issue("server", ["127.0.0.1"])
    for name in ("tokens", "secret"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(f"{TOKEN}\n")
    (tmp_path / "sidespan.toml").write_text(DOORS.format(tmp_path))
    return tmp_path


def test_files_that_can_be_used_are_not_mentioned(run: Run, place: Path) -> None:
    """A sound configuration with sound files is ok, without a note."""
    outcome = run("check", place / "sidespan.toml")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(": ok\n")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("server.pem", "receivers.tls.cert_file"),
        ("server.key", "receivers.tls.key_file"),
        ("authority.pem", "receivers.tls.client_ca_file"),
        ("tokens", "receivers.tenants.shop.token_file"),
        ("secret", "secrets.files"),
    ],
)
def test_a_file_that_is_not_here_is_a_note(run: Run, place: Path, name: str, key: str) -> None:
    """The configuration may be for another machine; its key is named all the same."""
    (place / name).unlink()
    outcome = run("check", place / "sidespan.toml")
    assert outcome.status == 0
    assert outcome.out.endswith(": ok\n")
    assert outcome.err.startswith(f"note: {key}: ")
    document = run("check", "--json", place / "sidespan.toml").document
    assert document["ok"] is True
    assert document["faults"] == []
    assert [warning.split(": ")[0] for warning in document["warnings"]] == [key]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("server.pem", "no certificate", "receivers.tls.cert_file: "),
        ("server.key", None, "has mode 0644; it is a secret"),
        ("authority.pem", "no certificate", "receivers.tls.client_ca_file: "),
        ("tokens", None, "has mode 0644; it is a secret"),
        ("tokens", "short", "receivers.tenants.shop.token_file: "),
        ("secret", None, "has mode 0644; it is a secret"),
        ("secret", "short", "secrets.files: "),
    ],
)
def test_a_file_that_the_daemon_would_refuse_is_a_fault(
    run: Run, place: Path, name: str, text: str | None, said: str
) -> None:
    """What is wrong with it is told, whoever may read it, and none of what is in it."""
    path = place / name
    if text is None:
        path.chmod(0o644)
    else:
        path.write_text(text)
    outcome = run("check", place / "sidespan.toml")
    assert outcome.status == 2
    assert said in outcome.err
    assert TOKEN not in outcome.err


def test_files_are_judged_beside_faulty_keys(run: Run, place: Path) -> None:
    """One run tells the faults of keys, sinks and files."""
    path = place / "sidespan.toml"
    (place / "secret").chmod(0o644)
    (place / "server.pem").unlink()
    path.write_text(path.read_text() + '[log]\nlevel = 3\n[sinks.a]\ntype = "jsonl"\ncolour = 1\n')
    document = run("check", "--json", path).document
    assert [fault.split(": ")[0] for fault in document["faults"]] == [
        "log.level", "sinks.a.colour", "secrets.files"
    ]  # fmt: skip
    assert [note.split(": ")[0] for note in document["warnings"]] == ["receivers.tls.cert_file"]


def test_a_sink_without_a_type_is_told_every_type(tmp_path: Path) -> None:
    """The fault names all that this build has."""
    path = tmp_path / "sidespan.toml"
    path.write_text("[sinks.far]\n")
    with pytest.raises(ConfigError) as refused:
        load(path, environment={"HOME": str(tmp_path)})
    for kind in registry.TYPES:
        assert f'"{kind}"' in str(refused.value)
