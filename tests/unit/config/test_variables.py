"""``${env:NAME}``: what a variable holds stands in its place, and one that is not set is told."""

from pathlib import Path

import pytest

from sidespand.config import load
from sidespand.config.variables import expand
from sidespand.errors import ConfigError
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]

HOME = {"HOME": "/home/someone", "PORT": "5", "TEAM": "a", "EMPTY": ""}
CONFIG = """
[receivers]
otlp_http = "127.0.0.1:${env:PORT}"
[secrets]
files = ["/srv/${env:TEAM}", "/srv/${env:GONE}"]
[sinks.one]
type = "otlp"
endpoint = "https://${env:NOWHERE}/x"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${env:TEAM}", "a"),
        ("x-${env:TEAM}-${env:PORT}", "x-a-5"),
        ("${env:GONE:-other}", "other"),
        ("${env:EMPTY:-other}", "other"),
        ("${env:EMPTY}", ""),
        ("${env:GONE:-}", ""),
        ("$${env:TEAM}", "${env:TEAM}"),
        ("${TEAM} $TEAM ${env:TEAM", "${TEAM} $TEAM ${env:TEAM"),
    ],
)
def test_a_text(text: str, expected: str) -> None:
    """Every reference is put in; what is none stays."""
    faults: list[str] = []
    found = expand({"a": [text, 3], text: True}, HOME, faults)
    assert (found, faults) == ({"a": [expected, 3], text: True}, [])


def test_a_variable_that_is_not_set_stops_the_start(tmp_path: Path) -> None:
    """Each is told with its key and its name, beside the other faults; none is read as empty."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG + 'colour = "${env:1}"\n[log]\nlevel = "loud"\n')
    with pytest.raises(ConfigError) as caught:
        load(path, environment=HOME)
    lines = str(caught.value).removeprefix(f"{path}: ").split("\n")
    assert lines == [
        "secrets.files[1]: the variable GONE is not set, which ${env:GONE} names",
        "sinks.one.endpoint: the variable NOWHERE is not set, which ${env:NOWHERE} names",
        "sinks.one.colour: ${env:1} names no variable",
        'log.level: expected "debug" or "info" or "warning" or "error", got \'loud\'',
    ]


def test_what_is_set_is_read(tmp_path: Path) -> None:
    """The text is then as if it stood in the file."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG)
    config = load(path, environment=HOME | {"GONE": "b", "NOWHERE": "far.example"})
    assert str(config.otlp_http) == "127.0.0.1:5"
    assert config.secret_files == (Path("/srv/a"), Path("/srv/b"))
    assert config.sinks[0].options == {"endpoint": "https://far.example/x"}


def test_check_notes_what_is_not_set_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be set where the daemon runs; the other faults are told all the same."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG.replace(":${env:PORT}", ":${env:NO_PORT}") + 'colour = "red"\n')
    monkeypatch.setenv("TEAM", "a")
    document = run("check", "--json", path).document
    assert document["faults"] == ["sinks.one.colour: unknown key"]
    for key, name in (
        ("receivers.otlp_http", "NO_PORT"),
        ("secrets.files[1]", "GONE"),
        ("sinks.one.endpoint", "NOWHERE"),
    ):
        assert (
            f"{key}: the variable {name} is not set here, and the daemon does not start without it"
            in document["warnings"]
        )


def test_config_show_tells_the_name_and_not_the_value(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes from the environment may be a secret."""
    path = tmp_path / "sidespan.toml"
    path.write_text(CONFIG + 'headers = { authorization = "${env:NOWHERE}" }\n')
    for name in ("PORT", "TEAM", "GONE", "NOWHERE"):
        monkeypatch.setenv(name, "5432")
    outcome = run("config", "show", "--config", path, "--json")
    assert outcome.document["receivers.otlp_http"] == "127.0.0.1:${env:PORT}"
    assert outcome.document["secrets.files"] == ["/srv/${env:TEAM}", "/srv/${env:GONE}"]
    assert outcome.document["sinks.one.endpoint"] == "https://${env:NOWHERE}/x"
    assert outcome.document["sinks.one.headers"] == "[REDACTED]"
    assert "5432" not in outcome.out
