"""Promise 1 and 2: what was acked survives kill -9 at its position, and none is used twice.

All the while somebody keeps setting the wall clock.
"""

import itertools
import os
import random
import threading
import time
from pathlib import Path

import msgpack
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.app import node_key
from sidespand.limits import CLOCK_STEP_NS_MIN
from sidespand.model import Kind, Record
from sidespand.query.receipts import token_of
from tests.checkpoints import checked
from tests.daemon import Daemon
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded

ROOT = Path(__file__).parents[2]
LIVES = 50
SPANS_PER_REQUEST = 5
CLIENTS = 3


class Load(threading.Thread):
    """One client instance that sends for ever and keeps outside the daemon what was acked."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._instance_id = os.urandom(16)
        self.acked: dict[bytes, int] = {}
        self.tokens: list[str] = []
        self._unacked: dict[int, list[bytes]] = {}
        self._acked_seq = 0
        self.stopping = threading.Event()
        self.progress = 0

    def run(self) -> None:
        """Send until told to stop, over as many connections as that takes."""
        while not self.stopping.is_set():
            try:
                with FrameClient(self._path, timeout_s=5) as client:
                    self._session(client)
            except (OSError, EOFError):
                time.sleep(0.005)

    def _session(self, client: FrameClient) -> None:
        durable = client.hello(self._instance_id, self._acked_seq).last_seq
        # What was durable without having been acknowledged need not be sent again, nor be counted.
        for seq in [seq for seq in self._unacked if seq <= durable]:
            del self._unacked[seq]
        self._acked_seq = max(self._acked_seq, durable)
        for seq, ids in sorted(self._unacked.items()):
            self._send(client, seq, ids)
        while not self.stopping.is_set():
            while len(self._unacked) < 4:
                seq = self._acked_seq + len(self._unacked) + 1
                self._unacked[seq] = [os.urandom(8) for _ in range(SPANS_PER_REQUEST)]
                self._send(client, seq, self._unacked[seq])
            self._receive(client)

    def _send(self, client: FrameClient, seq: int, ids: list[bytes]) -> None:
        client.records(seq, encoded(len(ids), span_ids=ids))

    def _receive(self, client: FrameClient) -> None:
        seq = self._acked_seq + 1
        ack = client.ack(seq)
        for index, span_id in enumerate(self._unacked.pop(seq)):
            self.acked[span_id] = ack.first_lsn + index
        assert ack.last_lsn - ack.first_lsn + 1 == SPANS_PER_REQUEST
        self.tokens.append(ack.token)
        self._acked_seq = seq
        self.progress += 1


def stepped_daemon(root: Path) -> Daemon:
    """Return a daemon, not started, whose wall clock is set again and again."""
    daemon = Daemon(root)
    daemon.command[daemon.command.index("sidespand")] = "tests.fault.stepped"
    path = os.environ.get("PYTHONPATH")
    daemon.environment["PYTHONPATH"] = f"{ROOT}:{path}" if path else str(ROOT)
    return daemon


@pytest.mark.slow
def test_kill_9_under_load_loses_nothing_that_was_acked(tmp_path: Path) -> None:
    """Over 50 lives ended by kill -9 every acked span is stored once, where its ack said.

    Its record has the very leaf of which the ack gave the token (N2). LSNs are dense, no
    incarnation comes twice (N8), and stamps rise although the clock steps by -1 h to +3 s within
    lives and between them; each step is said; and a clean end is covered by a checkpoint that the
    node's key vouches for.
    """
    rng = random.Random(20261121)
    daemon = stepped_daemon(tmp_path)
    key = node_key.create(daemon.data / "node.key", "node-1")
    loads = [Load(daemon.ingest) for _ in range(CLIENTS)]
    for load in loads:
        load.start()
    for life in range(LIVES):
        daemon.environment["STEPPED_SEED"] = str(life)
        daemon.start()
        before = [load.progress for load in loads]
        deadline = time.monotonic() + 10
        while all(load.progress == old for load, old in zip(loads, before, strict=True)):
            assert time.monotonic() < deadline, "no client got an ack in this life"
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.08))
        daemon.kill()
    for load in loads:
        load.stopping.set()
    for load in loads:
        load.join(10)
        assert not load.is_alive()

    daemon.environment["STEPPED_SEED"] = str(LIVES)
    daemon.start()
    assert daemon.terminate() == 0
    records = records_of(daemon.data)
    assert_sequence(records)
    assert_steps(records)
    last = checked(records, key.verifier)[-1]
    assert records[-1].header.kind is Kind.CHECKPOINT
    assert last.checkpoint.size == len(records) - 1
    found = spans_of(records)
    acked = {span_id: lsn for load in loads for span_id, lsn in load.acked.items()}
    assert len(acked) > LIVES * SPANS_PER_REQUEST
    assert {span_id: found.get(span_id) for span_id in acked} == acked
    given = {one for load in loads for one in load.tokens}
    assert given <= {token_of(record) for record in records}


def assert_sequence(records: list[Record]) -> None:
    """Fail unless LSNs are dense, stamps rise, and every life is one generation of its own."""
    next_lsn = 1
    for index, record in enumerate(records):
        assert record.header.first_lsn == next_lsn
        assert record.header.record_index == index
        next_lsn = record.header.last_lsn + 1
    for earlier, later in itertools.pairwise(records):
        assert earlier.header.stamp < later.header.stamp
    generations = [r.header.boot_generation for r in records if r.header.kind is Kind.GEN]
    assert generations == list(range(1, LIVES + 2))
    bodies = (msgpack.unpackb(r.payload or b"") for r in records if r.header.kind is Kind.GEN)
    assert len({body["incarnation"] for body in bodies}) == LIVES + 1


def assert_steps(records: list[Record]) -> None:
    """Fail unless a CLOCK record stands wherever the wall clock was set, and says by how much."""
    within = between = 0
    for earlier, later in itertools.pairwise(record.header for record in records):
        step_ns = (later.wall_ns - later.boottime_ns) - (earlier.wall_ns - earlier.boottime_ns)
        if later.kind is not Kind.CLOCK:
            assert abs(step_ns) < CLOCK_STEP_NS_MIN
            continue
        body = msgpack.unpackb(records[later.record_index].payload or b"")
        assert body["step_ns"] == step_ns
        assert abs(step_ns) >= CLOCK_STEP_NS_MIN
        within += earlier.boot_generation == later.boot_generation
        between += earlier.boot_generation != later.boot_generation
    assert within > 0
    assert between > LIVES // 2


def spans_of(records: list[Record]) -> dict[bytes, int]:
    """Return the LSN of every span; one that is there twice fails the test."""
    found: dict[bytes, int] = {}
    for record in records:
        if record.header.kind is Kind.SPANS:
            assert record.payload is not None
            request = ExportTraceServiceRequest.FromString(record.payload)
            for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
                assert span.span_id not in found, "a step was stored twice"
                found[span.span_id] = record.header.first_lsn + number
    return found
