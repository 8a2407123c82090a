"""The README's programs do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import sidespan
from tests.unit.client.peer import Peer

CLIENT = Path(sidespan.__file__).parents[1]
README = CLIENT / "README.md"
SAMPLE = CLIENT / "samples/basic/agent.py"


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


def test_the_sample_runs(peer: Peer, tmp_path: Path) -> None:
    """It says that its spans are on disk, or why they are not."""

    def printed(socket: Path) -> list[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", str(SAMPLE)],
            env={**os.environ, "SIDESPAN_SOCKET": str(socket)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=True,
        ).stdout.splitlines()  # fmt: skip

    headers, outcome = printed(peer.path)
    assert "tracestate" in headers
    assert outcome == "on disk"
    spans = {span.name: span for span in peer.spans()}
    assert list(spans) == [
        "chat scripted-1", "execute_tool search", "decision take a coat", "invoke_agent packing",
    ]  # fmt: skip
    root = spans.pop("invoke_agent packing").span_id
    assert {span.parent_span_id for span in spans.values()} == {root}

    assert "No such file" in printed(tmp_path / "nobody.sock")[-1]
