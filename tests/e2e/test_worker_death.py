"""The worker may die at any time: no ack waits for it, nothing is lost, nothing comes twice."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.otlp import encoded

CONFIG = '[sinks.archive]\ntype = "jsonl"\n'
DEATHS = 5
SPANS = 20
WAIT_S = 30.0

pytestmark = pytest.mark.slow


class Load(threading.Thread):
    """A client that sends one request after another; anything but an ACK ends it."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self._path = daemon.ingest
        self.acked: list[int] = []
        self.failure: Exception | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        """Send until told to stop."""
        try:
            with FrameClient(self._path, doors.TIMEOUT_S) as client:
                client.hello(os.urandom(16))
                seq = 0
                while not self.stopping.is_set():
                    seq += 1
                    client.records(seq, encoded(SPANS))
                    ack = client.ack(seq)
                    self.acked += range(ack.first_lsn, ack.last_lsn + 1)
        except Exception as error:
            self.failure = error

    def stop(self) -> list[int]:
        """Return every LSN that was acknowledged; a failure on the way is raised."""
        self.stopping.set()
        self.join(WAIT_S)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure
        return self.acked


def arguments(pid: int) -> list[bytes]:
    """Return a process's arguments; it has none when it ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def worker_of(daemon: Daemon) -> int | None:
    """Return the pid of the running worker."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text(encoding="ascii")
    return next((pid for pid in map(int, children.split()) if b"worker" in arguments(pid)), None)


def running_worker(daemon: Daemon) -> int:
    """Return the pid of the worker once one is running."""
    wait_until(lambda: worker_of(daemon) is not None, WAIT_S, "a worker")
    pid = worker_of(daemon)
    assert pid is not None
    return pid


def delivered(daemon: Daemon) -> list[int]:
    """Return the LSN of every whole line of the sink."""
    path = daemon.data / "sinks/archive/spans.jsonl"
    text = path.read_text(encoding="ascii") if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [int(json.loads(line)["stamp"]["lsn"]) for line in lines]


def acks_come(load: Load) -> bool:
    """Wait for two more acks, of which one was sent for after the call."""
    before = len(load.acked)
    wait_until(lambda: len(load.acked) >= before + 2 * SPANS, WAIT_S, f"acks, {load.failure}")
    return True


def test_killing_the_worker_delays_no_ack_and_loses_nothing(tmp_path: Path) -> None:
    """While no worker runs acks keep coming; at the end each span is in the file once, in order."""
    with running(tmp_path, config=CONFIG) as daemon:
        load = Load(daemon)
        load.start()
        without = 0
        for _ in range(DEATHS):
            pid = running_worker(daemon)
            before = len(delivered(daemon))
            wait_until(lambda: len(delivered(daemon)) > before, WAIT_S, "a delivery")  # noqa: B023
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: worker_of(daemon) != pid, WAIT_S, "its end")  # noqa: B023
            if worker_of(daemon) is None and acks_come(load) and worker_of(daemon) is None:
                without += 1
        acked = load.stop()
        assert without > 0
        wait_until(lambda: len(delivered(daemon)) >= len(acked), WAIT_S, "the deliveries")
        assert delivered(daemon) == acked
        assert doors.figure(daemon, "sidespan_worker_starts_total") == 1 + DEATHS
        assert daemon.terminate() == 0
    assert delivered(daemon) == acked
    assert daemon.log().count("the worker ended with status -9") == DEATHS


def test_a_worker_that_hangs_delays_no_ack(tmp_path: Path) -> None:
    """A stopped worker reads nothing, and the recorder does not notice."""
    with running(tmp_path, config=CONFIG) as daemon:
        load = Load(daemon)
        load.start()
        pid = running_worker(daemon)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert all(acks_come(load) for _ in range(20))
        finally:
            os.kill(pid, signal.SIGCONT)
        acked = load.stop()
        wait_until(lambda: len(delivered(daemon)) >= len(acked), WAIT_S, "the deliveries")
        assert delivered(daemon) == acked


def test_the_worker_ends_with_its_recorder(tmp_path: Path) -> None:
    """However the recorder went, nobody stays behind, and the next one starts at once."""
    with running(tmp_path, config=CONFIG) as daemon:
        pid = running_worker(daemon)
        daemon.kill()
        wait_until(lambda: b"worker" not in arguments(pid), WAIT_S, "the worker to end")
    with running(tmp_path, config=CONFIG) as daemon:
        load = Load(daemon)
        load.start()
        acks_come(load)
        acked = load.stop()
        wait_until(lambda: delivered(daemon) == acked, WAIT_S, "the deliveries")
