"""Prints what one small message costs the recorder: one span, 16 clients, each door in turn.

    python -m tests.bench.messages [--requests N] [--rounds N]

CPU of the recorder process alone. ``no journal`` is the same frames door before a journal that
answers at once: what is left is the commit's share. ``transport alone`` cuts frames and answers,
and does nothing else: no door in this language is below it. The ack latency is that of one client
alone. Then the same door with requests of 100 spans, beside HTTP with the same generator.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import uvloop

from sidespan.v1.recorder_pb2 import Ack, ClientMessage, HelloAck, RecorderMessage
from sidespand.admission import OtlpAdmission
from sidespand.hlc import ZERO
from sidespand.limits import MESSAGE_BYTES_MAX
from sidespand.model import Admitted, Peer, Receipt, SessionStep
from sidespand.receiver.absence import Absences
from sidespand.receiver.access import Access
from sidespand.receiver.frames import FrameSplitter, FrameType, encode
from sidespand.receiver.intake import Intake
from sidespand.receiver.registry import SessionRegistry
from sidespand.receiver.session import IngestConnection
from sidespand.telemetry import Telemetry
from tests.bench import compiled, streams
from tests.bench.load import Load, Result
from tests.bench.machine import cpu_s, flush_latency
from tests.bench.servers import NO_INDEX, Ours

CLIENTS = 16
_STREAMS_ALONE = "gRPC stream, transport alone"


class Instant:
    """A journal that keeps nothing and answers at once."""

    def append(
        self, admitted: Admitted, _peer: Peer, _step: SessionStep | None = None
    ) -> asyncio.Future[Receipt]:
        """Answer."""
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        items = sum(content.item_count for content in admitted.contents)
        done.set_result(Receipt(1, items, ZERO, "token"))
        return done

    def last_seq(self, _instance_id: bytes, _uid: int | None) -> int:
        """Know nobody."""
        return 0

    def newest_token(self) -> str:
        """Return any."""
        return "token"

    def open_instances(self) -> dict[bytes, float]:
        """Wait for nobody."""
        return {}

    def open_count(self, _instance_id: bytes) -> int:
        """Know of no open span."""
        return 0

    def abandon(self, _instance_id: bytes, _reason: str) -> asyncio.Future[Receipt]:
        """Never asked: nobody has open spans."""
        raise NotImplementedError


class Echo(asyncio.Protocol):
    """Cuts frames and answers each with the same ACK: what the event loop and the socket cost."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._splitter = FrameSplitter(MESSAGE_BYTES_MAX)
        self._ack = Ack(first_lsn=1, last_lsn=1, token="t" * 90).SerializeToString()

    def data_received(self, data: bytes) -> None:
        """Answer."""
        for frame in self._splitter.feed(data):
            if frame.type is not FrameType.BYE:
                kind = FrameType.ACK if frame.seq else FrameType.HELLO_ACK
                self._transport.write(encode(kind, frame.seq, self._ack))


def echo(path: str, ready: Connection) -> None:
    """Serve ``Echo`` for ever."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_unix_server(Echo, path)
        ready.send(True)
        await server.serve_forever()

    uvloop.run(run())


def echo_streams(path: str, ready: Connection) -> None:
    """Serve gRPC streams that answer every message with the same one, for ever."""

    async def session(_requests: Any, context: Any) -> None:
        answer = RecorderMessage(hello_ack=HelloAck(protocol_version=1))
        while (body := await context.read()) is not grpc.aio.EOF:
            await context.write(answer.SerializeToString())
            seq = ClientMessage.FromString(body).seq + 1
            answer = RecorderMessage(seq=seq, ack=Ack(first_lsn=1, last_lsn=1, token="t" * 90))

    async def run() -> None:
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(session)
        services = grpc.method_handlers_generic_handler(
            "sidespan.v1.Recorder", {"Session": handler}
        )
        server.add_generic_rpc_handlers((services,))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        ready.send(True)
        await server.wait_for_termination()

    uvloop.run(run())


def serve(path: str, ready: Connection) -> None:
    """Serve frames before an instant journal for ever."""

    async def run() -> None:
        journal = Instant()
        sessions = SessionRegistry(
            Intake(OtlpAdmission(), journal, Telemetry()),
            Access(),
            Absences(journal, lambda _: None),
            message_bytes_max=MESSAGE_BYTES_MAX,
            source_node_ref="node://bench",
            changed=lambda _door, _count: None,
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(partial(IngestConnection, sessions), path)
        ready.send(True)
        await server.serve_forever()

    uvloop.run(run())


def cost_us(pid: int, send: Callable[[int], Result], requests: int) -> float:
    """Return the CPU of process ``pid`` per request, in microseconds."""
    before = cpu_s([pid])
    result = send(requests)
    assert result.failed == 0, f"{result.failed} requests failed"
    return (cpu_s([pid]) - before) / result.requests * 1e6


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40_000, help="a round (default 40000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each door (default 5)")
    args = parser.parse_args()
    frames, http = Load("frames", CLIENTS, 1, 1, 3), Load("http", CLIENTS, 1, 1, 3)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="sidespan-bench-") as directory:
        root = Path(directory)
        flush = flush_latency(root)
        print(f"disk flush of 4 KiB: p50 {flush.p50_us:.0f} us, p99 {flush.p99_us:.0f} us")
        partial_doors = {
            "frames, no journal": serve,
            "frames, transport alone": echo,
            _STREAMS_ALONE: echo_streams,
        }
        processes = {}
        for name, target in partial_doors.items():
            ours, theirs = context.Pipe()
            path = str(root / f"{len(processes)}.sock")
            process = context.Process(target=target, args=(path, theirs), daemon=True)
            process.start()
            ours.recv()
            processes[name] = process
        server = Ours(root / "store", "fsync", NO_INDEX)
        doors = {
            "frames": (server.pid, partial(compiled.run, frames, server.frames)),
            "OTLP/HTTP": (
                server.pid, partial(compiled.run, http, f"127.0.0.1:{server.ports['http']}"),
            ),
            "gRPC stream": (
                server.pid, partial(streams.run, frames, f"127.0.0.1:{server.ports['grpc']}"),
            ),
        }  # fmt: skip
        for number, (name, process) in enumerate(processes.items()):
            assert process.pid is not None
            path = str(root / f"{number}.sock")
            send = partial(compiled.run, frames, path)
            if name == _STREAMS_ALONE:
                send = partial(streams.run, frames, f"unix:{path}")
            doors[name] = (process.pid, send)
        try:
            found: dict[str, list[float]] = {name: [] for name in doors}
            for _ in range(args.rounds):
                for name, (pid, send) in doors.items():
                    found[name].append(cost_us(pid, send, args.requests))
            for name, costs in found.items():
                print(f"{name:<30}{statistics.median(costs):>8.1f} CPU us/message")
            alone = compiled.run(Load("frames", 1, 1, 1, 3), server.frames, args.requests // 20)
            for way in ("frames", "http"):
                load = Load(way, CLIENTS, 1, 100, 10)
                address = server.frames if way == "frames" else str(server.daemon.http)
                each = [compiled.run(load, address, 3000) for _ in range(args.rounds)]
                rate = statistics.median(100 * one.requests / one.seconds for one in each)
                print(f"{load} on its socket: {rate:,.0f} spans/s")
            print(f"ack of one framed span: p50 {alone.p50_ms:.2f} ms, p99 {alone.p99_ms:.2f} ms")
        finally:
            server.stop()
            for process in processes.values():
                process.terminate()
                process.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
