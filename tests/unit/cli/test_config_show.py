"""``config show``: what holds, from wherever it came, and no secret."""

from pathlib import Path

import pytest

from sidespand.config.keys import KEYS
from tests.unit.cli.conftest import Run

CONFIG = """
[receivers]
otlp_grpc = "127.0.0.1:5"
socket_mode = "0600"
[receivers.tenants.team-a]
users = [1, 2]
token_file = "/srv/token"
[sinks.archive]
type = "jsonl"
path = "/srv/spans.jsonl"
[sinks.collector]
type = "otlp"
endpoint = "https://user:hunter2@collector.example/v1"
headers = { authorization = "Bearer hunter2" }
api_key = "hunter2"
nested = { x-token = "hunter2", kept = 1 }
"""


def test_every_key_has_its_value(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment goes before the file, the file before defaults."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("SIDESPAN_LOG_LEVEL", "error")

    document = run("config", "show", "--config", path, "--json").document

    assert {key.path for key in KEYS} <= set(document)
    assert document["receivers.otlp_grpc"] == "127.0.0.1:5"
    assert document["receivers.socket_mode"] == "0600"
    assert document["log.level"] == "error"
    assert document["receivers.tls.cert_file"] is None
    assert document["receivers.tenants.team-a.uids"] == [1, 2]
    assert document["receivers.tenants.team-a.token_file"] == "/srv/token"
    assert document["sinks.archive.path"] == "/srv/spans.jsonl"


def test_no_secret_is_shown(run: Run, tmp_path: Path) -> None:
    """Neither for people nor for programs; what is no secret is."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG, encoding="utf-8")
    for form in ([], ["--json"]):
        outcome = run("config", "show", "--config", path, *form)

        assert outcome.status == 0
        assert "hunter2" not in outcome.out
        assert outcome.out.count("[REDACTED]") == 4
        assert "https://[REDACTED]@collector.example/v1" in outcome.out


def test_a_fault_is_told(run: Run, tmp_path: Path) -> None:
    """What could not be started is not shown as if it could."""
    path = tmp_path / "sidespan.toml"
    path.write_text("[receivers]\nsocket_mode = 660\n", encoding="utf-8")

    outcome = run("config", "show", "--config", path)

    assert (outcome.status, outcome.out) == (2, "")
    assert "receivers.socket_mode" in outcome.err
