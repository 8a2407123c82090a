"""Open spans outlive their client and the daemon, and are shown while they run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest

from sidespand.model import Kind
from tests.daemon import Daemon, running, wait_until
from tests.doors import figure
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded, marked

TRACE = bytes(range(16))
ONE, TWO = bytes(7) + b"\x01", bytes(7) + b"\x02"
INSTANCE = b"instance-0000001"
ROOT = Path(__file__).parents[2]

# A client in another process, that leaves two spans open and waits to be killed.
CLIENT = """
import sys
from pathlib import Path
from tests.frame_client import FrameClient

client = FrameClient(Path(sys.argv[1]))
client.hello(bytes.fromhex(sys.argv[2]))
client.records(1, marks=bytes.fromhex(sys.argv[3]))
client.ack(1)
print("open", flush=True)
sys.stdin.read()
"""


def cli(*arguments: object) -> Any:
    """Run a command and return what it prints as JSON."""
    command = [sys.executable, "-m", "sidespand", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout)


def start_client(daemon: Daemon) -> subprocess.Popen[bytes]:
    """Return a client whose spans are open, durably."""
    marks = marked(TRACE, [ONE, TWO], service="planner")
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(daemon.ingest), INSTANCE.hex(), marks.hex()],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert client.stdout is not None
    assert client.stdout.readline() == b"open\n"
    return client


def states(daemon: Daemon) -> list[str]:
    """Return the states of the trace's spans."""
    shown = cli("show", TRACE.hex(), "--data", daemon.data)
    return [span["state"] for span in shown["spans"]]


def finish(client: subprocess.Popen[bytes]) -> None:
    """Let a killed client go."""
    client.wait(10)
    for pipe in (client.stdin, client.stdout):
        assert pipe is not None
        pipe.close()


@pytest.mark.slow
def test_a_killed_client_leaves_its_open_spans_in_the_record(tmp_path: Path) -> None:
    """Shown as open, within a second as abandoned, with its pid; a late end is told as such."""
    with running(tmp_path) as daemon:
        client = start_client(daemon)
        listed = cli("ls", "--open", "--data", daemon.data)
        assert listed["running"] is True
        assert [span["span_id"] for span in listed["open_spans"]] == [TWO.hex(), ONE.hex()]
        assert {span["pid"] for span in listed["open_spans"]} == {client.pid}
        assert states(daemon) == ["open", "open"]
        assert cli("status", "--data", daemon.data)["open_spans"] == 2
        assert figure(daemon, "sidespan_journal_open_spans") == 2

        os.kill(client.pid, signal.SIGKILL)
        killed_ns = time.time_ns()
        wait_until(
            lambda: figure(daemon, "sidespan_journal_abandoned_spans_total") == 2, 5, "ABANDONED"
        )
        finish(client)

        assert states(daemon) == ["abandoned", "abandoned"]
        assert cli("ls", "--open", "--data", daemon.data)["open_spans"] == []
        with FrameClient(daemon.ingest) as late:
            late.hello(os.urandom(16))
            late.records(1, encoded(1, trace_id=TRACE, span_ids=[ONE]))
            late.ack(1)
        assert sorted(states(daemon)) == ["abandoned", "abandoned, then ended"]

    (record,) = [one for one in records_of(daemon.data) if one.header.kind is Kind.ABANDONED]
    assert record.payload is not None
    body = msgpack.unpackb(record.payload)
    assert (body["pid"], body["uid"]) == (client.pid, os.geteuid())
    assert {row[1] for row in body["spans"]} == {ONE, TWO}
    # The recorder's own clock: whoever polls may be kept waiting.
    assert killed_ns - 10**9 < body["at_ns"] < killed_ns + 10**9


@pytest.mark.slow
def test_open_spans_outlive_the_daemon(tmp_path: Path) -> None:
    """After kill -9 they are listed without a daemon; the client returns and ends one of them."""
    daemon = Daemon(tmp_path).start()
    try:
        with FrameClient(daemon.ingest) as client:
            client.hello(INSTANCE)
            client.records(1, marks=marked(TRACE, [ONE, TWO]))
            client.ack(1)
            daemon.kill()
        listed = cli("ls", "--open", "--data", daemon.data)
        assert listed["running"] is False
        assert [span["span_id"] for span in listed["open_spans"]] == [TWO.hex(), ONE.hex()]
        daemon.start()
        with FrameClient(daemon.ingest) as client:
            assert client.hello(INSTANCE, 1).last_seq == 1
            traces = encoded(1, trace_id=TRACE, span_ids=[ONE])
            client.records(2, traces, ended=TRACE + ONE)
            client.ack(2)
            assert sorted(states(daemon)) == ["ended", "open"]
    finally:
        daemon.terminate()


@pytest.mark.slow
def test_an_acknowledged_mark_is_on_disk_before_the_act(tmp_path: Path) -> None:
    """Whatever happens after the ACK of a mark, the announcement is there."""
    daemon = Daemon(tmp_path).start()
    with FrameClient(daemon.ingest) as client:
        client.hello(INSTANCE)
        client.records(1, marks=marked(TRACE, [ONE]))
        ack = client.ack(1)
        daemon.kill()
    (mark,) = [one for one in records_of(daemon.data) if one.header.kind is Kind.MARKS]
    assert mark.header.first_lsn == mark.header.last_lsn == ack.last_lsn


@pytest.mark.slow
def test_the_list_of_open_spans_is_for_people_too(tmp_path: Path) -> None:
    """One a line, and as of when; control characters in names stay where they are."""
    with running(tmp_path) as daemon, FrameClient(daemon.ingest) as client:
        client.hello(INSTANCE)
        client.records(1, marks=marked(TRACE, [ONE], service="plan\x1b[2Jner"))
        client.ack(1)
        command = [sys.executable, "-m", "sidespand", "ls", "--open", "--data", str(daemon.data)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        _, line = done.stdout.splitlines()
        assert f"pid {os.getpid()}" in line
        assert ONE.hex() in line
        assert "\x1b" not in done.stdout
        assert "1 open as of " in done.stderr
