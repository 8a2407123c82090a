"""``sidespan status`` tells how much the doors keep and each sink gets, of what runs."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.otlp import encoded

pytestmark = pytest.mark.slow

CONFIG = """
[receivers]
capture = "{}"
[sinks.archive]
type = "jsonl"
[sinks.shape]
type = "jsonl"
path = "{}"
capture = "{}"
"""


def status(daemon: Daemon, *flags: str) -> str:
    """Return what the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "sidespand", "status", "--data", str(daemon.data), *flags],
        capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout


def captures(daemon: Daemon) -> dict[str, Any]:
    """Return the level of the doors, and of each sink that has a cursor."""
    document = json.loads(status(daemon, "--json"))
    sinks = {name: sink["capture"] for name, sink in document["sinks"].items()}
    return {"doors": document["capture"], **sinks}


def test_levels_are_those_of_what_runs(tmp_path: Path) -> None:
    """Defaults are told, too; a reload shows, an edited file alone does not."""
    path = tmp_path / "shape.jsonl"
    text = CONFIG.format("metadata", path, "redacted")
    with running(tmp_path, config=text) as daemon:
        with doors.opened("frames", daemon) as door:
            assert door.send(encoded(2)).code == door.ok
        first = {"doors": "metadata", "archive": "full", "shape": "redacted"}
        wait_until(lambda: captures(daemon) == first, 20, "both cursors")
        lines = status(daemon).splitlines()
        assert any(line.split() == ["doors", "keep", "metadata"] for line in lines)
        assert any("gets redacted, at " in line for line in lines if "sink shape" in line)
        config = tmp_path / "sidespan.toml"
        config.write_text(CONFIG.format("metadata", path, "metadata"))
        assert captures(daemon) == first
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: captures(daemon)["shape"] == "metadata", 20, "the reload")
