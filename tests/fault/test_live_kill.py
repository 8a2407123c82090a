"""Starts and ends of one client across kill -9 of the daemon, over frames and over gRPC."""

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.journal.reader import JournalReader
from sidespand.model import Kind, Record
from tests.daemon import Daemon, wait_until
from tests.frame_client import FrameClient
from tests.grpc_client import GrpcClient
from tests.journals import records_of
from tests.otlp import encoded, marked

SPANS = 20_000
SPANS_PER_STEP = 20
WINDOW = 32
KILLS = 2
Step = tuple[bytes, bytes, bytes]


def steps_of(spans: int) -> tuple[list[Step], list[bytes]]:
    """Return steps that start and end spans, an end one step behind the next start; and the ids."""
    trace_id = os.urandom(16)
    ids = [number.to_bytes(8, "big") for number in range(1, spans + 1)]
    steps: list[Step] = []
    previous: Sequence[bytes] = ()
    for at in range(0, spans + SPANS_PER_STEP, SPANS_PER_STEP):
        batch = ids[at : at + SPANS_PER_STEP]
        marks = marked(trace_id, batch, attributes=0) if batch else b""
        traces, ended = b"", b""
        if previous:
            traces = encoded(len(previous), trace_id=trace_id, span_ids=previous, attributes=0)
            ended = b"".join(trace_id + span_id for span_id in previous)
        steps.append((traces, marks, ended))
        previous = batch
    return steps, ids


class Progress:
    """How far a client has come, for whoever kills its daemon."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.instance_id = os.urandom(16)
        self.acked_seq = 0

    @property
    def done(self) -> bool:
        """Whether every step is acknowledged."""
        return self.acked_seq == len(self.steps)


def send_frames(progress: Progress, path: Path) -> None:
    """Have every step acknowledged over as many connections as that takes."""
    while not progress.done:
        try:
            with FrameClient(path, timeout_s=10) as client:
                hello = client.hello(progress.instance_id, progress.acked_seq)
                progress.acked_seq = max(progress.acked_seq, hello.last_seq)
                sent = progress.acked_seq
                while not progress.done:
                    while sent < min(len(progress.steps), progress.acked_seq + WINDOW):
                        sent += 1
                        traces, marks, ended = progress.steps[sent - 1]
                        client.records(sent, traces, marks, ended)
                    client.ack(progress.acked_seq + 1)
                    progress.acked_seq += 1
        except (OSError, EOFError):
            threading.Event().wait(0.01)


async def send_stream(progress: Progress, path: Path) -> None:
    """Do the same over ``Recorder.Session``."""
    while not progress.done:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            client = GrpcClient(channel)
            try:
                hello = await client.hello(progress.instance_id, progress.acked_seq)
                progress.acked_seq = max(progress.acked_seq, hello.last_seq)
                sent = progress.acked_seq
                while not progress.done:
                    while sent < min(len(progress.steps), progress.acked_seq + WINDOW):
                        sent += 1
                        traces, marks, ended = progress.steps[sent - 1]
                        await client.records(sent, traces, marks=marks, ended=ended)
                    await client.ack(progress.acked_seq + 1)
                    progress.acked_seq += 1
            except (grpc.aio.AioRpcError, EOFError, asyncio.InvalidStateError):
                await asyncio.sleep(0.01)


def run_stream(progress: Progress, path: Path) -> None:
    """Run ``send_stream`` on a loop of its own."""
    asyncio.run(send_stream(progress, path))


def counted(records: Sequence[Record], kind: Kind) -> Counter[bytes]:
    """Return how often each span id is in the records of a kind."""
    found: Counter[bytes] = Counter()
    for record in records:
        if record.header.kind is kind:
            assert record.payload is not None
            request = ExportTraceServiceRequest.FromString(record.payload)
            found.update(
                span.span_id
                for resource_spans in request.resource_spans
                for scope_spans in resource_spans.scope_spans
                for span in scope_spans.spans
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("door", ["frames", "gRPC"])
def test_starts_and_ends_are_each_there_once(tmp_path: Path, door: str) -> None:
    """20,000 of each, the daemon killed in the middle of them: no loss, no second time."""
    steps, ids = steps_of(SPANS)
    progress = Progress(steps)
    daemon = Daemon(tmp_path)
    send: Callable[[Progress, Path], None] = send_frames if door == "frames" else run_stream
    path = daemon.ingest if door == "frames" else daemon.grpc
    choice = random.Random()
    daemon.start()
    client = threading.Thread(target=send, args=(progress, path), daemon=True)
    client.start()
    for part in range(1, KILLS + 1):
        target = len(steps) * part // (KILLS + 1) + choice.randrange(20)
        wait_until(lambda: progress.acked_seq >= target, 60, "progress")  # noqa: B023
        daemon.kill()
        assert not progress.done
        daemon.start()
    wait_until(lambda: progress.done, 60, "every ACK")
    client.join(10)
    daemon.kill()

    records = records_of(daemon.data)
    once = dict.fromkeys(ids, 1)
    assert counted(records, Kind.MARKS) == once
    assert counted(records, Kind.SPANS) == once
    assert not [one for one in records if one.header.kind is Kind.ABANDONED]
    reader = JournalReader(daemon.data)
    assert reader.open_spans() == []
    reader.close()
