"""The README's programs do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import sidespan
from tests.unit.client.peer import Peer

README = Path(sidespan.__file__).parents[1] / "README.md"


def test_its_programs_run(peer: Peer) -> None:
    """Each Python block runs by itself, silently, and its spans arrive."""
    programs = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for program in programs:
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, "SIDESPAN_SOCKET": str(peer.path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")

    spans = {span.name: span for span in peer.spans()}
    assert list(spans) == ["plan", "cook", "call", "serve"]
    assert spans["serve"].parent_span_id == spans["call"].span_id
