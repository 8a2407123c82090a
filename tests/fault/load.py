"""Clients that send for ever, and what must hold of the store for what was acked to them."""

import itertools
import os
import threading
import time
from pathlib import Path

import msgpack
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespan.v1.recorder_pb2 import Ack
from sidespand.model import Kind, Record
from tests.daemon import wait_until
from tests.frame_client import ACK, FrameClient
from tests.otlp import encoded

SPANS_PER_REQUEST = 5
PROGRESS_S_MAX = 15.0


class Load(threading.Thread):
    """One client instance that sends for ever and keeps outside the daemon what was acked.

    Args:
        path: The daemon's ingest.sock.
        attributes: Of each span.
        pause_s: After each ack; 0 is as fast as it goes.
    """

    def __init__(self, path: Path, *, attributes: int = 2, pause_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._attributes = attributes
        self._pause_s = pause_s
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
            self.stopping.wait(self._pause_s)

    def _send(self, client: FrameClient, seq: int, ids: list[bytes]) -> None:
        client.records(seq, encoded(len(ids), span_ids=ids, attributes=self._attributes))

    def _receive(self, client: FrameClient) -> None:
        seq = self._acked_seq + 1
        number, found, body = client.receive()
        if number != ACK:
            # A disk that fails is told as a refusal, and a stop as a drain: the same steps come
            # again.
            raise EOFError
        assert found == seq, (found, body)
        ack = Ack.FromString(body)
        for index, span_id in enumerate(self._unacked.pop(seq)):
            self.acked[span_id] = ack.first_lsn + index
        assert ack.last_lsn - ack.first_lsn + 1 == SPANS_PER_REQUEST
        self.tokens.append(ack.token)
        self._acked_seq = seq
        self.progress += 1


def wait_for_acks(loads: list[Load], count: int = 1) -> None:
    """Return as soon as the clients together got ``count`` more acks."""
    before = sum(load.progress for load in loads)
    wait_until(
        lambda: sum(load.progress for load in loads) >= before + count,
        PROGRESS_S_MAX,
        "an ack in this life",
    )


def stop(loads: list[Load]) -> dict[bytes, int]:
    """End the clients; return the LSN of every span that was acked."""
    for load in loads:
        load.stopping.set()
    for load in loads:
        load.join(10)
        assert not load.is_alive()
    return {span_id: lsn for load in loads for span_id, lsn in load.acked.items()}


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


def violations(records: list[Record], acked: dict[bytes, int]) -> list[str]:
    """Return what breaks the promises in a log whose oldest records may have been trimmed."""
    found = []
    for earlier, later in itertools.pairwise(record.header for record in records):
        where = f"LSN {later.first_lsn}"
        if later.lineage != earlier.lineage:
            found.append(f"{where}: a new lineage")
        if later.first_lsn != earlier.last_lsn + 1:
            found.append(f"{where}: not behind {earlier.last_lsn}")
        if later.stamp <= earlier.stamp:
            found.append(f"{where}: the HLC does not rise")
    incarnations = [
        msgpack.unpackb(record.payload or b"")["incarnation"]
        for record in records
        if record.header.kind is Kind.GEN
    ]
    if len(set(incarnations)) != len(incarnations):
        found.append("an incarnation came twice")
    try:
        stored = spans_of(records)
    except AssertionError as error:
        return [*found, str(error)]
    oldest = records[0].header.first_lsn if records else 1
    kept = {span_id: lsn for span_id, lsn in acked.items() if lsn >= oldest}
    lost = [lsn for span_id, lsn in kept.items() if stored.get(span_id) != lsn]
    if lost:
        found.append(
            f"{len(lost)} acked spans are not where they were acked, the first {min(lost)}"
        )
    return found
