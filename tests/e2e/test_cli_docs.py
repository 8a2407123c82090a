"""What docs/cli.md tells people to type works as it stands."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespan.tracer import Tracer
from sidespand.cli.commands import SUMMARIES
from tests.daemon import Daemon, running, wait_until

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh[^\n]*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
WAIT_S = 60.0
PROGRAM = """
import sidespan
sidespan.init("planner")
with sidespan.agent("planner"):
    asked = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]
    for _ in range(2):
        with sidespan.llm("m-1", provider="scripted", messages=asked) as call:
            call.set({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20})
            call.state("memory", {"calls": 1})
    try:
        with sidespan.tool("search"):
            raise RuntimeError("no network")
    except RuntimeError:
        pass
assert sidespan.flush()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a directory and the variables of a shell in it, beside a daemon that has a trace."""
    root = tmp_path_factory.mktemp("cli")
    shell = root / "shell"
    shell.mkdir()
    Tracer("planner", trace_dir=shell / "traces").step("choose").start().finish()
    with running(root, ["--web", "127.0.0.1:0"]) as daemon:
        environment = _environment(root, daemon)
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=WAIT_S)

        def indexed() -> bool:
            listed = _shell("sidespan ls kind:llm --json", shell, environment)
            return '"trace_id"' in listed.stdout

        wait_until(indexed, WAIT_S, "the index")
        yield shell, environment


def _environment(root: Path, daemon: Daemon) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(root),
        "XDG_CONFIG_HOME": str(root / "none"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SIDESPAN_DATA_DIR": str(daemon.data),
        "SIDESPAN_RUNTIME_DIR": str(daemon.run),
        "SIDESPAN_SOCKET": str(daemon.ingest),
    }


def _shell(
    script: str, root: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-ec", script], cwd=root, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def test_every_command_is_told_of() -> None:
    """By its name, as code."""
    told = " ".join(re.findall(r"`+[^`]+`+", PAGE))

    assert [name for name in SUMMARIES if not re.search(rf"\b{name}\b", told)] == []


@pytest.mark.slow
def test_the_examples_work_in_their_order(place: tuple[Path, dict[str, str]]) -> None:
    """Each line ends with status 0 and says something."""
    root, environment = place
    for kind, block in BLOCKS:
        for line in block.strip().splitlines() if kind == "sh" else ():
            done = _shell(line, root, environment)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert done.stdout or done.stderr or "run --" in line or "eval" in line, line


@pytest.mark.slow
@pytest.mark.parametrize("line", [block.strip() for kind, block in BLOCKS if kind != "sh"])
def test_what_runs_until_ctrl_c(place: tuple[Path, dict[str, str]], line: str) -> None:
    """It says something, and a Ctrl-C ends it."""
    root, environment = place
    process = subprocess.Popen(
        ["sh", "-ec", f"exec {line}"], cwd=root, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as output:
        ready, _, _ = select.select([output], [], [], WAIT_S)
        assert ready
        assert output.read1(1)
        if " serve " in line:
            ingest = root / "other/run/ingest.sock"
            wait_until(ingest.exists, WAIT_S, "the other daemon")
        process.send_signal(signal.SIGINT)
        output.read()
    assert process.wait(WAIT_S) in (0, 130)
