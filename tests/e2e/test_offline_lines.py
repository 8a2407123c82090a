"""What a program wrote without a daemon is taken by a daemon's OTLP/HTTP door, line by line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import running
from tests.toolchain import require

PROGRAM = """
import sidespan
sidespan.init("away", mark_after_s=0)
with sidespan.trace("plan", goal="lunch"), sidespan.span("pay", durable=True) as s:
    assert s.durable
sidespan.span("left", durable=True).start()
assert sidespan.flush()
"""
WAIT_S = 30.0


@pytest.mark.slow
def test_each_line_is_a_request(tmp_path: Path) -> None:
    """A span whose start has a line of its own is there once, whole; an open one has no end."""
    require(shutil.which("curl"), "curl", "apt install curl")
    lines = tmp_path / "agent.jsonl"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**os.environ, "SIDESPAN_SOCKET": f"file://{lines}"}, check=True, timeout=WAIT_S,
    )  # fmt: skip

    with running(tmp_path) as daemon:
        for line in lines.read_bytes().splitlines():
            posted = subprocess.run(
                ["curl", "--fail", "--silent", "--show-error", "--unix-socket", daemon.http,
                 "http://localhost/v1/traces", "-H", "Content-Type: application/json",
                 "--data-binary", "@-"],
                input=line, capture_output=True, check=True, timeout=WAIT_S,
            )  # fmt: skip
            assert json.loads(posted.stdout) == {}

        def shown(command: str, *arguments: str) -> dict[str, list[dict[str, str]]]:
            finished = subprocess.run(
                [sys.executable, "-m", "sidespand", command, *arguments, "--json",
                 "--data", str(daemon.data)],
                capture_output=True, check=True, timeout=WAIT_S,
            )  # fmt: skip
            found: dict[str, list[dict[str, str]]] = json.loads(finished.stdout)
            return found

        traces = {trace["root_name"]: trace["trace_id"] for trace in shown("ls")["traces"]}
        assert set(traces) == {"plan", "left"}
        spans = {span["name"]: span for span in shown("show", traces["plan"])["spans"]}
        (left,) = shown("show", traces["left"])["spans"]

    assert set(spans) == {"plan", "pay"}
    assert spans["pay"]["parent_span_id"] == spans["plan"]["span_id"]
    assert all(int(span["end_ns"]) > 0 for span in spans.values())
    assert left["end_ns"] == "0"
