"""The programs of the pages on Python run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.client.peer import Peer

DOCS = Path(__file__).parents[3] / "docs"


def programs(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found


QUICK_START, *OTHERS = programs("python.md")
PROGRAMS = [*programs("python_migrating.md"), *OTHERS]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_it_runs(program: str, tmp_path: Path) -> None:
    """By itself, without a recorder, and silently."""
    finished = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_quick_start_runs(peer: Peer) -> None:
    """It prints the id of its trace and that all is on disk; its steps belong to the trace."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUICK_START],
        env={**os.environ, "SIDESPAN_SOCKET": str(peer.path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=True,
    )  # fmt: skip

    trace_id, flushed, state = finished.stdout.split()
    assert (flushed, state) == ("True", "connected")
    spans = {span.name: span for span in peer.spans()}
    assert list(spans) == ["chat gpt-x", "execute_tool pack", "plan-trip"]
    assert {span.trace_id.hex() for span in spans.values()} == {trace_id}
