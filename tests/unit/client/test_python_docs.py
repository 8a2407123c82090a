"""The programs of the pages that say how to migrate and how to go beyond one thread."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


def programs(page: str, since: str = "") -> list[str]:
    """Return the Python blocks of a page, from a heading on."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert since in text
    found = re.findall(r"```python\n(.*?)```", text[text.index(since) :], re.DOTALL)
    assert found
    return found


PROGRAMS = [*programs("python_migrating.md"), *programs("python.md", "## Threads, pools")]


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_it_runs(program: str, tmp_path: Path) -> None:
    """By itself, without a recorder, and silently."""
    finished = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
