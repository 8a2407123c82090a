"""A stop answers what was accepted, saves what was delivered, and leaves no socket behind."""

import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from sidespan.v1.recorder_pb2 import Ack, Control
from sidespand.model import Kind
from tests import doors
from tests.daemon import STOP_S_MAX, Daemon, running, wait_until
from tests.frame_client import ACK, CONTROL, FrameClient
from tests.journals import records_of
from tests.otlp import encoded
from tests.toolchain import require

CONFIG = '[sinks.archive]\ntype = "jsonl"\n'
STOP_S = 10.0
SPANS = 3

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_disk(tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon with a sink, whose every flush takes half a second longer."""
    require(shutil.which("strace"), "strace", "apt install strace")
    prefix = (
        *("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"),
        *("-e", "inject=fdatasync:delay_enter=500000"),
    )
    with running(tmp_path, doors.TCP_FLAGS, prefix=prefix, config=CONFIG) as daemon:
        yield daemon


class Call(threading.Thread):
    """One request over a door, under way in the background."""

    def __init__(self, name: str, daemon: Daemon, body: bytes) -> None:
        super().__init__(daemon=True)
        self._name, self._daemon, self._body = name, daemon, body
        self.answer: doors.Answer | None = None
        self.accepted = False

    def run(self) -> None:
        """Send it and keep the answer."""
        with doors.opened(self._name, self._daemon) as door:
            self.answer = door.send(self._body)
            self.accepted = self.answer.code == door.ok


def inflight(daemon: Daemon) -> int:
    """Return the payload bytes that wait for their commit."""
    return int(doors.figure(daemon, "sidespan_journal_inflight_bytes"))


def taken(daemon: Daemon) -> float:
    """Return how many items of spans were accepted or wait for their commit."""
    # Read in this order nothing counts twice.
    accepted = [
        doors.figure(daemon, "sidespan_receiver_accepted_items_total", door=door, signal="spans")
        for door in ("ingest", "grpc", "http")
    ]
    return sum(accepted) + SPANS * inflight(daemon) / len(encoded(SPANS))


def delivered(daemon: Daemon) -> list[int]:
    """Return the LSN of every line of the sink."""
    text = (daemon.data / "sinks/archive/spans.jsonl").read_text(encoding="ascii")
    return [int(json.loads(line)["stamp"]["lsn"]) for line in text.splitlines()]


def answers_until_closed(client: FrameClient) -> list[tuple[int, int, bytes]]:
    """Return the frames that come before the daemon closes."""
    found = []
    while True:
        try:
            found.append(client.receive())
        except EOFError:
            return found


@pytest.mark.fault(42)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_a_stop_answers_what_was_accepted(slow_disk: Daemon, number: signal.Signals) -> None:
    """Requests that wait for the disk are stored and answered on every door; then it exits 0."""
    body = encoded(SPANS)
    with FrameClient(slow_disk.ingest, STOP_S_MAX) as client:
        client.hello(os.urandom(16))
        # The group that is being flushed, and behind it those that wait.
        client.records(1, body)
        wait_until(lambda: inflight(slow_disk) > 0, STOP_S, "the first request to be under way")
        client.records(2, body)
        client.records(3, body)
        # Equal bytes over two ports would be one request.
        others = [encoded(SPANS) for _ in doors.DOORS[1:]]
        calls = [Call(*one) for one in zip(doors.DOORS[1:], [slow_disk] * 4, others, strict=True)]
        for call in calls:
            call.start()
        wait_until(
            lambda: taken(slow_disk) >= SPANS * (3 + len(calls)), STOP_S, "every request to arrive"
        )

        os.kill(slow_disk.pid, number)

        answers = answers_until_closed(client)
    assert slow_disk.process is not None
    assert slow_disk.process.wait(STOP_S) == 0
    for call in calls:
        call.join(STOP_S)
        assert call.accepted, call.answer
    acks = [(seq, Ack.FromString(body)) for kind, seq, body in answers if kind == ACK]
    assert [seq for seq, _ in acks] == [1, 2, 3]
    assert all(ack.last_lsn - ack.first_lsn + 1 == SPANS for _, ack in acks)
    controls = [Control.FromString(body) for kind, _, body in answers if kind == CONTROL]
    assert controls == [Control(drain=True)]
    assert len(answers) == 4
    # http.sock refuses, and its clients come back; the others are gone.
    assert [path.name for path in slow_disk.run.iterdir() if path.is_socket()] == ["http.sock"]
    records = [one for one in records_of(slow_disk.data) if one.header.kind is Kind.SPANS]
    assert sorted(one.payload or b"" for one in records) == sorted([body] * 3 + others)
    assert delivered(slow_disk) == [
        lsn for one in records for lsn in range(one.header.first_lsn, one.header.last_lsn + 1)
    ]
    cursor = json.loads((slow_disk.data / "sinks/archive/cursor.json").read_text("utf-8"))
    assert int(cursor["lsn"]) == records_of(slow_disk.data)[-1].header.last_lsn


def test_a_stop_waits_for_a_request_that_has_begun(tmp_path: Path) -> None:
    """Its rest comes after the signal, and it is stored and answered."""
    body = encoded(SPANS)
    head = f"content-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n"
    with running(tmp_path) as daemon, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(STOP_S)
        client.connect(str(daemon.http))
        begun = f"POST /v1/traces HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{head}\r\n"
        client.sendall(begun.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(body[:20])

        with FrameClient(daemon.ingest) as other:
            other.hello(os.urandom(16))
            os.kill(daemon.pid, signal.SIGTERM)
            assert other.receive()[0] == CONTROL
        client.sendall(body[20:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))

        assert daemon.process is not None
        assert daemon.process.wait(STOP_S) == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    records = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]
    assert [one.payload for one in records] == [body]


@pytest.mark.fault(42)
def test_an_idle_stop_tells_idle_clients(tmp_path: Path) -> None:
    """A session without work hears of the stop, and no kept connection delays it."""
    with (
        running(tmp_path, doors.TCP_FLAGS) as daemon,
        FrameClient(daemon.ingest) as client,
        doors.opened("http port", daemon) as door,
    ):
        client.hello(os.urandom(16))
        assert door.send(encoded()).code == door.ok

        os.kill(daemon.pid, signal.SIGTERM)

        number, seq, body = client.receive()
        assert (number, seq, Control.FromString(body)) == (CONTROL, 0, Control(drain=True))
        assert client.closed()
        assert daemon.process is not None
        assert daemon.process.wait(STOP_S) == 0


def test_the_next_generation_says_how_the_last_one_ended(tmp_path: Path) -> None:
    """A stop is clean; a kill is not."""
    with running(tmp_path) as daemon:
        assert daemon.terminate() == 0
    with running(tmp_path) as daemon:
        daemon.kill()
    with running(tmp_path) as daemon:
        assert daemon.terminate() == 0

    bodies = [
        msgpack.unpackb(record.payload)
        for record in records_of(daemon.data)
        if record.header.kind is Kind.GEN and record.payload is not None
    ]
    assert [body["boot_generation"] for body in bodies] == [1, 2, 3]
    assert [body["clean_shutdown"] for body in bodies[1:]] == [True, False]
