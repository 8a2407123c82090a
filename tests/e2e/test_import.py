"""``sidespan import``: what a program wrote without a daemon is in the record once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidespand.limits import JSON_BYTES_MAX
from tests.daemon import Daemon, running, wait_until

PROGRAM = """
import sidespan
sidespan.init("away", mark_after_s=0)
with sidespan.trace("plan", goal="lunch"), sidespan.span("pay", durable=True) as s:
    assert s.durable
sidespan.span("left", durable=True).start()
assert sidespan.flush()
"""
WAIT_S = 30.0


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Return a file that a program wrote."""
    path = tmp_path / "agent.jsonl"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**os.environ, "SIDESPAN_SOCKET": f"file://{path}"}, check=True, timeout=WAIT_S,
    )  # fmt: skip
    return path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon."""
    with running(tmp_path) as daemon:
        yield daemon


def said(*arguments: object, status: int = 0) -> Any:
    """Return the document that a command prints, having ended as expected."""
    finished = subprocess.run(
        [sys.executable, "-m", "sidespand", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert finished.returncode == status, finished.stdout
    return json.loads(finished.stdout)


@pytest.mark.slow
def test_what_was_written_offline_is_stored_as_it_was(lines: Path, daemon: Daemon) -> None:
    """Ended spans are there whole and once; one that never ended is abandoned, not ended."""
    done = said("import", lines, "--socket", daemon.ingest)

    assert (done["ended_spans"], done["unreadable_lines"], done["refused_lines"]) == (2, [], [])
    traces = said("ls", "--data", daemon.data)["traces"]
    assert {trace["root_name"] for trace in traces} == {"plan", "left"}

    def shown() -> dict[str, Any]:
        return {
            span["name"]: span
            for trace in traces
            for span in said("show", trace["trace_id"], "--data", daemon.data)["spans"]
        }

    # It counts as gone once the import, which handed it over, is gone.
    wait_until(lambda: shown()["left"]["state"] == "abandoned", WAIT_S, "the open span's end")
    spans = shown()
    assert set(spans) == {"plan", "pay", "left"}
    assert spans["plan"]["attributes"] == {"goal": "lunch"}
    assert (spans["plan"]["state"], spans["pay"]["state"]) == ("ended", "ended")


@pytest.mark.slow
def test_importing_again_stores_only_what_is_new(lines: Path, daemon: Daemon) -> None:
    """The same lines are stored once, however often; lines that were added are stored too."""
    said("import", lines, "--socket", daemon.ingest)
    said("import", lines, "--socket", daemon.ingest)
    with lines.open("ab") as file:
        file.write(lines.read_bytes().splitlines()[-1][:40] + b"\n")

    done = said("import", lines, "--socket", daemon.ingest)

    assert done["unreadable_lines"] == [done["lines"]]
    traces = said("ls", "--data", daemon.data)["traces"]
    for trace in traces:
        assert said("show", trace["trace_id"], "--data", daemon.data)["duplicate_count"] == 0


@pytest.mark.slow
def test_a_line_that_is_too_large_is_told(lines: Path, daemon: Daemon) -> None:
    """It is named as refused, which the status says too; the others are stored."""
    with lines.open("ab") as file:
        file.write(b'{"resourceSpans": "' + b"x" * JSON_BYTES_MAX + b'"}\n')

    done = said("import", lines, "--socket", daemon.ingest, status=1)

    assert (done["unreadable_lines"], done["refused_lines"]) == ([], [done["lines"]])
    assert done["ended_spans"] == 2


@pytest.mark.slow
def test_a_file_that_is_not_there(tmp_path: Path, daemon: Daemon) -> None:
    """It is named, and the status says that nothing was found."""
    finished = subprocess.run(
        [sys.executable, "-m", "sidespand", "import", str(tmp_path / "none"),
         "--socket", str(daemon.ingest)],
        stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip

    assert finished.returncode == 1
    assert "none: No such file" in finished.stderr
