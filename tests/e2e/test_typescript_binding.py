"""The TypeScript binding: its own tests, which bring up the daemon of this environment."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon, running

README = Path(__file__).parents[2] / "bindings/typescript/README.md"
WAIT_S = 300.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon."""
    with running(tmp_path) as daemon:
        yield daemon


def run(command: list[str], cwd: Path, **environment: str) -> str:
    """Return what a command prints; fail with it when the command fails."""
    finished = subprocess.run(
        command, cwd=cwd, env={**os.environ, "SIDESPAN_TEST_PYTHON": sys.executable, **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@pytest.mark.slow
def test_npm_test(built: Path) -> None:
    """It compiles strictly, and its tests pass against this daemon with none left out."""
    printed = run(["npm", "run", "test:built"], built)

    assert re.search(r"fail 0\b", printed), printed
    assert re.search(r"skipped 0\b", printed), printed


@pytest.mark.slow
def test_readme_programs_run(built: Path, daemon: Daemon) -> None:
    """Every program in the README runs as it stands, and its spans arrive."""
    programs = re.findall(r"```js\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(programs) == 3

    for number, program in enumerate(programs):
        path = built / f"dist/readme{number}.mjs"
        path.write_text(program, encoding="utf-8")
        assert run(["node", str(path)], built, SIDESPAN_SOCKET=str(daemon.ingest)) == ""

    listed = run(
        [sys.executable, "-m", "sidespand", "ls", "--json", "--data", str(daemon.data)], built
    )
    assert "agent.handle_message" in listed
    assert "ask" in listed


@pytest.mark.slow
def test_sample_runs(built: Path, daemon: Daemon) -> None:
    """The sample prints a token for the next process, and that its spans are on disk."""
    printed = run(["node", "samples/basic/agent.mjs"], built, SIDESPAN_SOCKET=str(daemon.ingest))

    assert "tracestate: 'sidespan=1-" in printed
    assert printed.endswith("on disk\n")
