"""A daemon that keeps traces in files: written, verified, shown, and redacted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.otlp import export_request

pytestmark = pytest.mark.slow

TRACE = os.urandom(16)
CONFIG = """
[sinks.traces]
type = "aitrace_file"
quiet = "0s"
release_manifest_ref = "release://shop/1"

[sinks.steps]
type = "jsonl"
format = "decision-tracer"
rotate_bytes = "1KiB"

[sinks.screen]
type = "console"
verbose = true
"""


def sidespan(daemon: Daemon, *arguments: str, expect: int = 0) -> str:
    """Run a command; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "sidespand", *arguments],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_traces_reach_their_files(tmp_path: Path) -> None:
    """What is acknowledged is in a pair that verifies, in lines and on the screen, and can go."""
    message = export_request(3, trace_id=TRACE)
    message.resource_spans[0].scope_spans[0].spans[0].name = "plan\x1b[2J"
    with running(tmp_path, config=CONFIG) as daemon:
        with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
            client.hello(os.urandom(16))
            client.records(1, message.SerializeToString())
            ack = client.ack(1)
        directory = daemon.data / "sinks/traces/traces"
        wait_until(lambda: len(list(directory.glob("*.evidence.json"))) == 1, 20, "the pair")
        sidespan(daemon, "verify", str(directory))
        (receipt,) = directory.glob("*.evidence.json")
        told = json.loads(receipt.read_bytes())
        assert told["proof_posture"]["safe_action"] == "cite_evidence_receipt"
        assert told["node_evidence"]["boot_generation"] == 1
        (path,) = directory.glob(f"{TRACE.hex()}_*-{ack.last_lsn}.json")
        assert json.loads(path.read_bytes())["spans"][0]["name"] == "plan\x1b[2J"
        steps = daemon.data / "sinks/steps"
        wait_until(lambda: sum(f.stat().st_size for f in steps.glob("*.jsonl")) > 0, 20, "lines")
        wait_until(lambda: f"trace {TRACE.hex()}" in daemon.log(), 20, "the screen")
        assert "\x1b" not in daemon.log()
        report = sidespan(daemon, "show", TRACE.hex(), "--md", "--data", str(daemon.data))
        assert report.startswith("# Trace: plan\\\\x1b\\[2J")
        position = f"{ack.token.split('-')[1]}:{ack.last_lsn}"
        sidespan(
            daemon, "redact", position, "--yes", "--reason", "asked to", "--data",
            str(daemon.data), "--run", str(daemon.run),
            "--config", str(tmp_path / "sidespan.toml"),
        )  # fmt: skip
        wait_until(lambda: not list(directory.iterdir()), 20, "the files to go")
        assert not b"".join(one.read_bytes() for one in steps.glob("*.jsonl"))
