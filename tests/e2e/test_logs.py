"""What a daemon logs: levels that a reload changes, forms, files of each process, the journal."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, running, wait_until

pytestmark = pytest.mark.slow
WAIT_S = 20.0


def lines(text: str) -> list[Any]:
    """Return what each line of JSON says."""
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_of_both_processes_is_json(tmp_path: Path) -> None:
    """Recorder and worker write objects alone, under their own pids."""
    with running(tmp_path, config='[log]\nformat = "json"\n') as daemon:
        wait_until(lambda: "delivering to" in daemon.log(), WAIT_S, "the worker")
        recorder = daemon.pid
        assert daemon.terminate() == 0
    said = lines(daemon.log())
    assert all(one.keys() == {"time", "level", "logger", "pid", "message"} for one in said)
    by_pid = {one["pid"]: one["logger"] for one in said}
    assert len(by_pid) == 2
    assert by_pid[recorder].startswith("sidespand.app.recorder")


def test_each_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Off systemd messages go into files, and a SIGHUP changes what is severe enough."""
    place = tmp_path / "logs"
    place.mkdir()
    config = f'[log]\nfile = "{place}/sidespan.log"\nlevel = "LEVEL"\n'
    with running(tmp_path, config=config.replace("LEVEL", "error")) as daemon:
        ours, theirs = place / "sidespan.log", place / "worker-sidespan.log"
        wait_until(theirs.exists, WAIT_S, "the worker")
        reload(daemon, config.replace("LEVEL", "info"))
        wait_until(lambda: "sinks: none" in theirs.read_text(), WAIT_S, "the reload")
        assert daemon.terminate() == 0
    assert "INFO sidespand.app.recorder: stopped at LSN" in ours.read_text()
    assert "INFO sidespand.app.worker: stopped" in theirs.read_text()
    assert "recording: node" not in ours.read_text()
    assert daemon.log() == ""


def reload(daemon: Daemon, config: str) -> None:
    """Write the configuration anew and say so."""
    (daemon.data.parent / "sidespan.toml").write_text(config, encoding="utf-8")
    os.kill(daemon.pid, signal.SIGHUP)


def test_a_log_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    """The key and the path are named, on stderr."""
    daemon = Daemon(tmp_path, config=f'[log]\nfile = "{tmp_path}/none/x.log"\n')
    daemon.spawn()
    assert daemon.process is not None
    assert daemon.process.wait(WAIT_S) == 2
    assert f"log.file: cannot write {tmp_path}/none/x.log: No such file" in daemon.log()
