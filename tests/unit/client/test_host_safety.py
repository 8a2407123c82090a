"""Whatever tracing meets, the host program's result is what it would be without."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sidespan.v1.recorder_pb2 import Nack
from tests.daemon import running
from tests.unit.client.peer import MUTE, Peer

PROCESS_S_MAX = 60.0

# Every way of using the client, with values that misbehave. Its output is its result.
HOST = """
import asyncio, os, threading
import sidespan

class Hostile:
    def __repr__(self):
        raise RuntimeError("no")

cyclic = {}
cyclic["self"] = cyclic

@sidespan.span("count")
def count(n):
    for number in range(n):
        yield number

@sidespan.span("add", durable=True, durable_timeout_s=0.05)
async def add(a, b):
    async with sidespan.span("inner") as s:
        s.set(big="x" * 1_000_000, cyclic=cyclic, hostile=Hostile()).state("memory", cyclic)
        await asyncio.sleep(0)
    return a + b

async def gathered():
    return await asyncio.gather(*(add(n, n) for n in range(5)))

def storm(results):
    for _ in range(50):
        with sidespan.trace("storm", value=Hostile()) as s:
            s.add_event("e", cyclic)
    results.append(1)

sidespan.init("host", mark_after_s=0, exit_timeout_s=0.2)
result = [sum(count(10)), asyncio.run(gathered())]
results = []
threads = [threading.Thread(target=storm, args=(results,)) for _ in range(20)]
for thread in threads:
    thread.start()
child = os.fork()
if child == 0:
    with sidespan.span("child", durable=True, durable_timeout_s=0.05):
        os._exit(7)
for thread in threads:
    thread.join()
result += [len(results), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
try:
    with sidespan.llm("m") as call:
        call.response(Hostile())
        raise KeyError("mine")
except KeyError as error:
    result.append(error.args)
forever = sidespan.span("open").start()
print(result)
"""
WANTED = (0, "[45, [0, 2, 4, 6, 8], 20, 7, ('mine',)]\n", "")

pytestmark = pytest.mark.slow


def outcome(**environment: str) -> tuple[int, str, str]:
    """Run the host program and return exit code and output."""
    finished = subprocess.run(
        # A thread that forks is the program's own affair; 3.12 and later warn of it.
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
         textwrap.dedent(HOST)],
        env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=PROCESS_S_MAX, check=False,
    )  # fmt: skip
    return finished.returncode, finished.stdout, finished.stderr


def test_off() -> None:
    """The program by itself."""
    assert outcome(SIDESPAN_DISABLED="1") == WANTED


@pytest.mark.parametrize("address", ["nobody.sock", "file", "http://x", "grpc://127.0.0.1:1"])
def test_nobody_there(tmp_path: Path, address: str) -> None:
    """No socket, a file in its place, an address that is none, a port that is closed."""
    (tmp_path / "file").touch()
    full = address if "://" in address else str(tmp_path / address)
    assert outcome(SIDESPAN_SOCKET=full) == WANTED


def test_a_daemon_that_does_not_answer(peer: Peer) -> None:
    """It takes the connection, and no more."""
    peer.instead.extend([MUTE] * 1000)
    assert outcome(SIDESPAN_SOCKET=str(peer.path)) == WANTED


def test_a_listener_that_does_not_accept(tmp_path: Path) -> None:
    """Its backlog is full."""
    path = str(tmp_path / "ingest.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        assert outcome(SIDESPAN_SOCKET=path) == WANTED


def test_a_daemon_whose_disk_is_full(peer: Peer) -> None:
    """It asks to be tried again, each time."""
    full = Nack(code=Nack.UNAVAILABLE, text="the disk is full", retry_after_ms=1000)
    peer.instead.extend([full] * 1000)
    assert outcome(SIDESPAN_SOCKET=str(peer.path)) == WANTED


def test_a_full_device() -> None:
    """An offline file where there is no room."""
    assert outcome(SIDESPAN_SOCKET="file:///dev/full") == WANTED


def test_a_stopped_daemon_and_a_running_one(tmp_path: Path) -> None:
    """The real one, under SIGSTOP and after."""
    with running(tmp_path) as daemon:
        assert daemon.process is not None
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            assert outcome(SIDESPAN_SOCKET=str(daemon.ingest)) == WANTED
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        assert outcome(SIDESPAN_SOCKET=str(daemon.ingest)) == WANTED


TERMINATED = """
import signal, sys, sidespan
{before}
sidespan.init("host", flush_at_sigterm=True, buffer_bytes_max=2**24)
sidespan.flush({flush_s})
with sidespan.span("last"):
    pass
signal.raise_signal(signal.SIGTERM)
print("went on")
"""


def terminated(address: Path, before: str = "", flush_s: int = 20) -> tuple[int, str]:
    """Run a program that gets SIGTERM right after its last span."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", TERMINATED.format(before=before, flush_s=flush_s)],
        env={**os.environ, "SIDESPAN_SOCKET": str(address)},
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=False,
    )  # fmt: skip
    return finished.returncode, finished.stdout + finished.stderr


def test_sigterm_flushes_when_asked_to(peer: Peer) -> None:
    """And then does what it did before: end the process, or call the program's own handler."""
    own = "signal.signal(signal.SIGTERM, lambda *_: print('mine'))"
    ignored = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    assert terminated(peer.path) == (-signal.SIGTERM, "")
    assert [span.name for span in peer.spans()] == ["last"]
    assert terminated(peer.path, own) == (0, "mine\nwent on\n")
    assert terminated(peer.path, ignored) == (0, "went on\n")


def test_sigterm_waits_for_nobody(tmp_path: Path) -> None:
    """Without a daemon the process ends at once."""
    assert terminated(tmp_path / "nobody.sock", flush_s=0) == (-signal.SIGTERM, "")
