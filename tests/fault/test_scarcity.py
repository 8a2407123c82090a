"""A process that may have little: descriptors, memory, an outside that listens."""

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.limits import MIB
from tests.daemon import STOP_S_MAX, Daemon, running, wait_until
from tests.fault.examine import examining
from tests.fault.load import Load, spans_of, stop, wait_for_acks
from tests.fault.power import ATTRIBUTES, CONFIG, end
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded
from tests.toolchain import require

pytestmark = pytest.mark.slow

DESCRIPTORS = 560
CROWD = 1800
GROUPS = Path("/sys/fs/cgroup")
# Enough for a daemon at rest, not for one that parses requests of tens of megabytes.
MEMORY_BYTES = 96 * MIB
GREEDY_MAX = 50


@pytest.mark.fault(39)
def test_when_descriptors_run_out_the_journal_goes_on(tmp_path: Path) -> None:
    """Crowds at each door take none that a roll needs; when they are gone it serves as before."""
    require(shutil.which("prlimit"), "prlimit", "apt install util-linux")
    prefix = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]
    with running(tmp_path, config=CONFIG, prefix=prefix) as daemon:
        loads = [Load(daemon.ingest, attributes=ATTRIBUTES)]
        loads[0].start()
        try:
            wait_for_acks(loads)
            with contextlib.ExitStack() as stack:
                for path in (daemon.ingest, daemon.http, daemon.grpc):
                    crowd(path, stack)
                wait_for_acks(loads, 120)
            wait_for_acks(loads)
        finally:
            acked = stop(loads)
        with FrameClient(daemon.ingest) as client:
            client.hello(os.urandom(16))
        assert daemon.terminate() == 0
    assert "Traceback" not in daemon.log()
    assert len(list((daemon.data / "seg").glob("0*/*.mdb"))) > 2
    assert spans_of(records_of(daemon.data)).items() >= acked.items()


def crowd(path: Path, stack: contextlib.ExitStack) -> None:
    """Connect to one door, and say nothing, until it has no place or nobody more is needed."""
    for _ in range(CROWD // 3):
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.settimeout(0.05)
        # Behind a full backlog one waits in vain.
        with contextlib.suppress(OSError):
            client.connect(str(path))


@contextlib.contextmanager
def memory_group(name: str) -> Iterator[Path]:
    """Yield a control group whose processes together get MEMORY_BYTES (cgroups(7), v1 or v2)."""
    require(os.geteuid() == 0, "root", "run the tests as root to make a control group")
    old = (GROUPS / "memory/memory.limit_in_bytes").exists()
    root = GROUPS / "memory" if old else GROUPS
    controllers = GROUPS / "cgroup.controllers"
    has = old or (controllers.exists() and "memory" in controllers.read_text("ascii").split())
    require(has, "the memory controller", "mount cgroup2, or cgroup v1's memory controller")
    group = root / name
    group.mkdir()
    try:
        limit = "memory.limit_in_bytes" if old else "memory.max"
        (group / limit).write_text(str(MEMORY_BYTES), encoding="ascii")
        yield group
    finally:
        wait_until(
            lambda: not (group / "cgroup.procs").read_text("ascii").split(), STOP_S_MAX, "its end"
        )
        group.rmdir()


@pytest.mark.fault(40)
def test_a_daemon_that_the_kernel_kills_for_memory_has_lost_nothing(tmp_path: Path) -> None:
    """When its control group is over its limit it dies; the next life has all that was acked."""
    with memory_group(f"sidespan-test-{os.getpid()}") as group, examining() as examiner:
        into = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        daemon = Daemon(tmp_path, prefix=into)
        loads = [Load(daemon.ingest)]
        loads[0].start()
        try:
            daemon.start()
            wait_for_acks(loads, 20)
            assert daemon.process is not None
            with FrameClient(daemon.ingest) as greedy, contextlib.suppress(OSError, EOFError):
                greedy.hello(os.urandom(16))
                for seq in range(1, GREEDY_MAX):
                    greedy.records(seq, encoded(1, attributes=600_000))
            assert daemon.process.wait(STOP_S_MAX) == -signal.SIGKILL
        finally:
            acked = stop(loads)
            end(daemon)
        assert acked
        assert examiner.examine(daemon.data, acked) == []
