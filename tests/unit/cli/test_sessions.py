"""The decision tracer's commands show its files as its own do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ai_trace import Tracer

from tests.unit.cli.conftest import Run
from tests.unit.cli.test_hostile import EVIL, harmless

# The real decision tracer asks for the time in a way that later Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
SEED = [sys.executable, "-W", "ignore", "-c", "from ai_trace.cli import main; main()"]


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Return a directory with a session of the real decision tracer."""
    directory = tmp_path / "traces"
    tracer = Tracer("lunch_agent", trace_dir=directory, meta={"model": "m-1"})
    with tracer.step("scan", places=["a", "b"]) as step:
        step.log(found=2, best={"name": "a"})
    with pytest.raises(RuntimeError), tracer.step("choose"):
        raise RuntimeError("closed")
    tracer.step("think").start().finish("skipped")
    tracer.save()
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("command", [["list"], ["view", "lunch"], ["stats"]])
def test_the_layout_is_the_seeds(run: Run, traces: Path, command: list[str]) -> None:
    """Character by character."""
    expected = subprocess.run(
        [*SEED, "--dir", str(traces), *command], stdout=subprocess.PIPE, text=True, timeout=30,
        check=True,
    ).stdout  # fmt: skip

    assert run(*command, "--dir", traces).out == expected


@pytest.mark.parametrize("place", ["before", "behind", "="])
@pytest.mark.parametrize("command", [["list"], ["view", "lunch"], ["stats"]])
def test_the_directory_stands_anywhere(
    run: Run, traces: Path, command: list[str], place: str
) -> None:
    """Before the command, behind it, and joined by =."""
    words: list[object] = {
        "before": ["--dir", traces, *command],
        "behind": [*command, "--dir", traces],
        "=": [f"--dir={traces}", *command],
    }[place]  # type: ignore[assignment]

    outcome = run(*words)

    assert outcome.status == 0
    assert outcome.out


def test_the_last_steps(run: Run, traces: Path) -> None:
    """`tail -n` numbers what it shows from 1, as the seed does."""
    outcome = run("tail", "-n", "2", "--no-follow", "--dir", traces)

    assert "  1. choose" in outcome.out
    assert "  2. think" in outcome.out
    assert "scan" not in outcome.out


def test_a_directory_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """It is said, with status 0, as the seed does."""
    for command in ("list", "stats", "tail"):
        outcome = run(command, "--dir", tmp_path / "none")
        assert (outcome.status, outcome.out) == (
            0, f"No trace directory found at {tmp_path / 'none'}\n"
        )  # fmt: skip


def test_a_session_that_is_not_there(run: Run, traces: Path) -> None:
    """Status 1, and the command that lists those that are."""
    outcome = run("view", "nobody", "--dir", traces)

    assert outcome.status == 1
    assert f"sidespan list --dir {traces}" in outcome.err


def test_a_name_that_is_a_pattern_is_a_name(run: Run, traces: Path) -> None:
    """Nothing else is shown for it."""
    assert run("view", "*", "--dir", traces).status == 1


def test_for_programs(run: Run, traces: Path) -> None:
    """Each command has JSON."""
    (name,) = {Path(one["file"]).stem for one in run("list", "--dir", traces, "--json").document[
        "files"]}  # fmt: skip
    viewed = run("view", name, "--dir", traces, "--json").document
    sums = run("stats", "--dir", traces, "--json").document

    assert [step["name"] for step in viewed["steps"]] == ["scan", "choose", "think"]
    assert (sums["sessions"], sums["steps"], sums["ok"], sums["errors"]) == (1, 3, 1, 1)


def test_hostile_files_are_shown_safely(run: Run, tmp_path: Path) -> None:
    """Text cannot act on the terminal, and what is no step is passed over."""
    step = {"name": EVIL, "outcome": EVIL, "duration_ms": EVIL, "context": {EVIL: EVIL},
            "logs": [{"_t": 1e400, EVIL: EVIL}, 5, {"_t": EVIL}], "error": EVIL}  # fmt: skip
    lines = [json.dumps(step), "[1]", "{", "null", "[" * 100_000, json.dumps({"logs": {}})]
    (tmp_path / "evil.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "evil.json").write_text(
        json.dumps({"agent": EVIL, "session_id": EVIL, "meta": {EVIL: EVIL}, "steps": [step, 7]}),
        encoding="utf-8",
    )
    for command in (["list"], ["view", "evil.jsonl"], ["view", "evil.json"], ["stats"],
                    ["tail", "--no-follow"]):  # fmt: skip
        outcome = run(*command, "--dir", tmp_path)
        assert outcome.status == 0
        assert harmless(outcome.out)


def test_elsewhere_a_directory_is_a_mistake(run: Run) -> None:
    """The error names the commands that take one."""
    outcome = run("--dir", "x", "ls")

    assert outcome.status == 2
    assert "list, view, tail, stats" in outcome.err
