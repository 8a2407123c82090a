"""Reading a store while another process has it open and writes."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

ROOT = Path(__file__).parents[3]
WAIT_S_MAX = 20.0

pytestmark = pytest.mark.slow


class Child:
    """A child process, spoken to in lines."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        self._buffer = b""

    def tell(self, line: str) -> None:
        """Write one line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """Return the next line of its stdout."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + WAIT_S_MAX
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
            assert ready, f"no line within {WAIT_S_MAX} s"
            chunk = os.read(descriptor, 65536)
            assert chunk, "the process ended"
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def end(self, number: int = 0) -> tuple[int, bytes]:
        """End its input, send it a signal, and return its status and what it wrote on stderr."""
        if number:
            self.process.send_signal(number)
        _, error = self.process.communicate(timeout=WAIT_S_MAX)
        return self.process.returncode, error


@contextmanager
def child(*arguments: str) -> Iterator[Child]:
    """Start a child process; it is gone afterwards in any case."""
    started = Child(*arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.communicate()


@contextmanager
def writer(data_dir: Path) -> Iterator[Child]:
    """Have another process hold the store open; each line that it is told becomes a span."""
    with child("-m", "tests.unit.cli.stores", str(data_dir)) as started:
        assert started.line() == "open"
        yield started


def record(to: Child, name: str) -> None:
    """Record a span of that name; it is durable afterwards."""
    to.tell(name)
    to.line()


def test_every_command_reads_while_another_process_writes(run: Run, tmp_path: Path) -> None:
    """Whether the store has an owner makes no difference but in `running`."""
    with writer(tmp_path) as recorder:
        record(recorder, "first")
        record(recorder, "second")

        assert run("status", "--json", "--data", tmp_path).document["running"] is True
        assert len(run("ls", "--json", "--data", tmp_path).document["traces"]) == 2
        shown = run("show", "last", "--json", "--data", tmp_path).document
        assert [span["name"] for span in shown["spans"]] == ["second"]
        assert run("receipt", "last", "--json", "--data", tmp_path).document["name"] == "second"

        record(recorder, "third")
        assert "third" in run("tail", "-n", "1", "--data", tmp_path).out
        assert recorder.end() == (0, b"")

    assert run("status", "--json", "--data", tmp_path).document["running"] is False


def test_following_prints_each_span_once_across_a_restart(tmp_path: Path) -> None:
    """A recorder may stop and another one go on: what follows is neither lost nor repeated."""
    with writer(tmp_path) as recorder:
        for name in ("old", "older than -f", "newest"):
            record(recorder, name)
        with child(
            "-m", "sidespand", "tail", "-f", "-n", "2", "--json", "--data", str(tmp_path)
        ) as tail:
            seen = [json.loads(tail.line()) for _ in range(2)]
            record(recorder, "followed")
            seen.append(json.loads(tail.line()))
            assert recorder.end()[0] == 0

            with writer(tmp_path) as successor:
                record(successor, "after the restart")
                seen.append(json.loads(tail.line()))
                assert successor.end()[0] == 0

            assert tail.end(signal.SIGINT) == (130, b"")

    assert [span["name"] for span in seen] == [
        "older than -f", "newest", "followed", "after the restart",
    ]  # fmt: skip
    assert [span["stamp"]["boot_generation"] for span in seen] == [1, 1, 1, 2]
    positions = [int(span["stamp"]["lsn"]) for span in seen]
    assert positions == sorted(set(positions))


def test_following_goes_on_in_the_next_segment(tmp_path: Path) -> None:
    """Spans that roll the segment over several times all arrive, in order."""
    names = [f"{number:03d}" + "x" * 200_000 for number in range(16)]
    with writer(tmp_path) as recorder:
        record(recorder, names[0])
        with child(
            "-m", "sidespand", "tail", "-f", "-n", "1", "--json", "--data", str(tmp_path)
        ) as tail:
            seen = [json.loads(tail.line())["name"]]
            for name in names[1:]:
                record(recorder, name)
                seen.append(json.loads(tail.line())["name"])
            assert tail.end(signal.SIGINT) == (130, b"")
        assert recorder.end()[0] == 0

    assert len(list(tmp_path.glob("seg/*/*.mdb"))) > 1
    assert seen == names
