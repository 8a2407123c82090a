"""``config init`` and ``check``."""

import re
import tomllib
from pathlib import Path

import pytest

from sidespand import config
from sidespand.cli.config import default_path, render
from sidespand.config.keys import KEYS
from tests.unit.cli.conftest import Run

FAULTY = """
data_dri = "/x"
[journal]
segment_bytes = "3"
[sinks.a]
type = "otpl"
[sinks.b]
type = "jsonl"
colour = "red"
[sinks.Bad]
type = "jsonl"
[sinks.c]
"""


def uncommented(text: str) -> str:
    """Return the file with every setting in force; prose has a blank after its #."""
    return re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)


def test_the_file_holds_every_key_with_its_meaning() -> None:
    """As an example that is not in force, below a sentence."""
    text = render()

    for key in KEYS:
        assert f"# {key.text}\n#{key.example.splitlines()[-1]}\n" in text


def test_the_file_changes_nothing_as_it_is(tmp_path: Path) -> None:
    """It loads, and everything keeps its default."""
    path = tmp_path / "sidespan.toml"
    path.write_text(render(), encoding="utf-8")
    empty = tmp_path / "empty.toml"
    empty.touch()

    written, without = (config.load(file, environment={}) for file in (path, empty))

    assert written._replace(source=empty) == without


def test_every_example_in_the_file_is_a_sound_setting(run: Run, tmp_path: Path) -> None:
    """With each # taken away the file passes its check, sinks included."""
    path = tmp_path / "sidespan.toml"
    path.write_text(uncommented(render()), encoding="utf-8")

    assert len(tomllib.loads(path.read_text(encoding="utf-8"))["sinks"]) == 2
    outcome = run("check", path)
    assert (outcome.status, outcome.out) == (0, f"{path}: ok\n")


def test_init_writes_once_and_again_only_by_force(run: Run, tmp_path: Path) -> None:
    """What a person has edited is not lost by a second call."""
    path = tmp_path / "new" / "sidespan.toml"

    assert run("config", "init", path).out == f"wrote {path}\n"
    path.write_text("mine", encoding="utf-8")
    refused = run("config", "init", path)
    assert refused.status == 2
    assert "--force" in refused.err
    assert path.read_text(encoding="utf-8") == "mine"
    assert run("config", "init", "--force", "--json", path).document == {"path": str(path)}
    assert path.read_text(encoding="utf-8") == render()


def test_init_to_stdout(run: Run) -> None:
    """A single dash prints the file."""
    assert run("config", "init", "-").out == render()
    assert run("config", "init", "-", "--json").document == {"path": None, "text": render()}


def test_init_where_it_cannot_write(run: Run) -> None:
    """A path that cannot be is an error, not a traceback."""
    outcome = run("config", "init", "/dev/null/sidespan.toml")

    assert outcome.status == 2
    assert "/dev/null/sidespan.toml" in outcome.err


def test_the_default_path_is_where_the_daemon_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's is in /etc; a user's is below XDG_CONFIG_HOME, and found there."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_path({"XDG_CONFIG_HOME": str(tmp_path)}) == Path("/etc/sidespan/sidespan.toml")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    path = default_path({"XDG_CONFIG_HOME": str(tmp_path)})
    path.parent.mkdir()
    path.touch()

    assert config.default_path({"XDG_CONFIG_HOME": str(tmp_path)}) == path


def test_check_tells_every_fault_at_once(run: Run, tmp_path: Path) -> None:
    """Faults of the daemon's keys and of each sink, by their path in the file."""
    path = tmp_path / "faulty.toml"
    path.write_text(FAULTY, encoding="utf-8")

    outcome = run("check", path)
    document = run("check", "--json", path)

    assert (outcome.status, outcome.out) == (2, "")
    for key in (
        "data_dri: unknown key, did you mean data_dir?",
        "journal.segment_bytes: ",
        "sinks.a.type: ",
        "sinks.b.colour: ",
        "sinks.Bad: ",
        "sinks.c.type: ",
    ):
        assert f"\n{key}" in outcome.err
    assert document.status == 2
    assert document.document["ok"] is False
    assert len(document.document["faults"]) == 6


def test_check_judges_the_file_not_the_moment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment neither adds a fault nor hides one."""
    sound, faulty = tmp_path / "sound.toml", tmp_path / "faulty.toml"
    sound.touch()
    faulty.write_text('[log]\nlevel = "loud"\n', encoding="utf-8")
    monkeypatch.setenv("SIDESPAN_LOG_LEVEL", "shout")
    assert run("check", sound).status == 0
    monkeypatch.setenv("SIDESPAN_LOG_LEVEL", "info")
    assert run("check", faulty).status == 2


@pytest.mark.parametrize("text", ["a = ", "\xff", "sinks = 3", "sinks = { a = 1 }"])
def test_check_of_what_is_no_configuration(run: Run, tmp_path: Path, text: str) -> None:
    """Broken TOML, broken text and tables that are none."""
    path = tmp_path / "broken.toml"
    path.write_text(text, encoding="latin-1")

    outcome = run("check", path)

    assert outcome.status == 2
    assert outcome.err.startswith(f"error: {path}:\n")


def test_check_of_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """A missing file or a directory is named."""
    for path in (tmp_path / "none.toml", tmp_path):
        outcome = run("check", path)
        assert outcome.status == 2
        assert str(path) in outcome.err
