import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidespand import __version__
from tests.unit.cli import stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

ROOT = Path(__file__).parents[3]
READING = (["status"], ["ls"], ["show", "last"], ["tail"], ["receipt", "last"])


def test_version(run: Run) -> None:
    """It is that of the wheel."""
    outcome = run("--version")

    assert (outcome.status, outcome.out) == (0, f"sidespan {__version__}\n")


def test_help_names_every_command(run: Run) -> None:
    """And costs no command's imports."""
    outcome = run("--help")

    assert outcome.status == 0
    for name in ("serve", "demo", "status", "ls", "show", "tail", "receipt", "check", "config"):
        assert f"    {name} " in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["show"],
        ["ls", "--nope"],
        ["ls", "-n", "0"],
        ["ls", "-n", "x"],
        ["tail", "-n", "-1"],
        ["config"],
        ["config", "nope"],
        ["check"],
    ],
)
def test_wrong_usage_is_an_error_with_a_next_step(run: Run, arguments: list[str]) -> None:
    """Exit status 2, nothing on stdout, no traceback."""
    outcome = run(*arguments)

    assert outcome.status == 2
    assert outcome.out == ""
    error, hint = outcome.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert "--help" in hint


@pytest.mark.parametrize("command", READING)
def test_without_a_store_reading_is_an_error(run: Run, command: list[str], tmp_path: Path) -> None:
    """The hint says how to name one, and nothing is made."""
    outcome = run(*command, "--data", tmp_path / "none")

    assert outcome.status == 2
    assert f"error: there is no store in {tmp_path / 'none'}" in outcome.err
    assert "--data" in outcome.err
    assert not (tmp_path / "none").exists()


@pytest.mark.fault(24)
@pytest.mark.parametrize("command", READING)
def test_a_newer_store_is_refused(run: Run, command: list[str], tmp_path: Path) -> None:
    """A later version's store is not guessed at."""
    (tmp_path / "STORE.json").write_text('{"format": 99}', encoding="utf-8")

    outcome = run(*command, "--data", tmp_path)

    assert outcome.status == 2
    assert "store format 99" in outcome.err


def test_what_the_system_refuses_is_an_error_with_its_path(run: Run, tmp_path: Path) -> None:
    """An error of the file system is no traceback."""
    stores.write(tmp_path, samples.request(samples.span(1)))
    (tmp_path / "seg").rename(tmp_path / "gone")
    (tmp_path / "seg").touch()

    outcome = run("ls", "--data", tmp_path)

    assert outcome.status == 2
    assert outcome.err.startswith(f"error: {tmp_path / 'seg'}: ")


@pytest.mark.parametrize("command", READING[2:])
def test_a_store_without_spans(run: Run, command: list[str], tmp_path: Path) -> None:
    """There is no last span to be found; a tail is merely empty."""
    stores.write(tmp_path)

    outcome = run(*command, "--data", tmp_path)

    assert outcome.status == (0 if command == ["tail"] else 1)
    assert outcome.out == ""


def test_the_store_is_that_of_the_configuration(
    run: Run, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --data it is the file's, or the environment's."""
    config = tmp_path / "sidespan.toml"
    config.write_text(f'data_dir = "{data_dir}"\n', encoding="utf-8")

    assert run("status", "--json", "--config", config).document["data_dir"] == str(data_dir)
    assert run("ls", "--config", config, "--data", tmp_path).status == 2
    monkeypatch.setenv("SIDESPAN_DATA_DIR", str(data_dir))
    assert run("status", "--json").document["data_dir"] == str(data_dir)


def test_a_faulty_configuration_is_no_matter_to_who_names_the_store(
    run: Run, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on while the daemon's own configuration is broken."""
    monkeypatch.setenv("SIDESPAN_DATA_DIR", "/nonexistent")
    monkeypatch.setenv("SIDESPAN_JOURNAL_DURABILITY", "perhaps")

    assert run("ls", "--data", data_dir).status == 0
    assert run("ls").status == 2


@pytest.mark.slow
def test_importing_the_command_line_brings_nothing_heavy() -> None:
    """The first output must come within 150 ms: libraries load in the command that needs them."""
    heavy = ("grpc", "lmdb", "google.protobuf", "opentelemetry", "asyncio", "sidespand.journal")
    program = f"""
import sys
from sidespand.cli import main
assert main(["--help"]) == 0
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    print(f"--help took {(time.perf_counter() - started) * 1000:.0f} ms")

    assert done.stderr == "[]\n"


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    """As in `sidespan ls | head -1`: no traceback, and the status of a broken pipe."""
    spans = [samples.span(n, trace=n) for n in range(1, 3000)]
    stores.write(tmp_path, samples.request(*spans))
    command = [sys.executable, "-m", "sidespand", "ls", "-n", "3000", "--data", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()

    assert (process.returncode, error) == (141, "")


@pytest.mark.slow
def test_a_terminal_without_the_characters_shows_escapes(data_dir: Path) -> None:
    """A locale that cannot encode a tree's lines does not end the command."""
    done = subprocess.run(
        [sys.executable, "-m", "sidespand", "show", "last", "--data", str(data_dir)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )

    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"orphan" in done.stdout
