"""Where a door's time goes: the same server with one stage more each time, and rotel beside it.

    python -m tests.bench.floor

``door`` answers without a look at the body; ``parse`` has protobuf validate it; ``admit`` is the
whole admission; ``seal`` also hashes. The journal comes on top. One event loop runs all of it, so
the slowest of these rates is a ceiling for every acknowledged rate. The gRPC servers are grpc.aio
with a handler of bytes, the least that it can be asked to do.
"""

import asyncio
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import grpc
import grpc.aio
import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.admission import OtlpAdmission
from sidespand.clock import SystemClock
from sidespand.journal.stamper import seal
from sidespand.limits import CONNECTIONS_MAX, MESSAGE_BYTES_MAX
from sidespand.model import Kind
from sidespand.receiver.access import Access
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.http_message import Request, Response
from sidespand.receiver.http_protocol import HttpProtocol
from sidespand.telemetry import Telemetry
from tests.bench import load as generator
from tests.bench.load import Load
from tests.bench.machine import cpu_s
from tests.bench.servers import Rotel

LOADS = (Load("http", 16, 1, 100, 10), Load("grpc", 16, 1, 100, 10), Load("grpc", 16, 1, 512, 10))
REQUESTS = 4000
ROUNDS = 5


def stages() -> dict[str, Callable[[bytes], object]]:
    """Return what each server does with a body."""
    admission = OtlpAdmission()
    clock = SystemClock()
    return {
        "door": lambda _: None,
        "parse": ExportTraceServiceRequest.FromString,
        "admit": lambda body: admission.admit(Kind.SPANS, body),
        "seal": lambda body: seal(admission.admit(Kind.SPANS, body).contents[0], clock),
    }


def serve_http(stage: str, ready: Connection) -> None:
    """Serve one stage for ever, and tell the port."""
    work = stages()[stage]
    answer = Response(200, b"", "application/x-protobuf")

    async def respond(request: Request) -> Response:
        work(request.body)
        return answer

    gate = HttpGate(Access(), Telemetry(), CONNECTIONS_MAX)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HttpProtocol(respond, gate, MESSAGE_BYTES_MAX), "127.0.0.1", 0
        )
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


def serve_grpc(stage: str, ready: Connection) -> None:
    """Serve one stage for ever, and tell the port."""
    work = stages()[stage]

    async def export(body: bytes, _context: Any) -> bytes:
        work(body)
        return b""

    async def run() -> None:
        server = grpc.aio.server()
        service, _, method = generator.GRPC_PATH.rpartition("/")
        handlers = {method: grpc.unary_unary_rpc_method_handler(export)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        ready.send(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await server.wait_for_termination()

    uvloop.run(run())


_SERVERS = {"http": serve_http, "grpc": serve_grpc}


def measure(load: Load, rotel: Rotel) -> None:
    """Print each stage's rate and CPU, medians of rounds in which all take turns."""
    context = multiprocessing.get_context("spawn")
    places = {"rotel": (rotel.pid, rotel.ports[load.door])}
    processes = []
    for stage in stages():
        ours, theirs = context.Pipe()
        process = context.Process(target=_SERVERS[load.door], args=(stage, theirs), daemon=True)
        process.start()
        assert process.pid is not None
        processes.append(process)
        places[stage] = (process.pid, ours.recv())
    rates: dict[str, list[float]] = {name: [] for name in places}
    costs: dict[str, list[float]] = {name: [] for name in places}
    for _ in range(ROUNDS):
        for name, (pid, port) in places.items():
            before = cpu_s([pid])
            result = generator.run(load, port, REQUESTS * 100 // load.spans)
            spans = result.requests * load.spans
            rates[name].append(spans / result.seconds)
            costs[name].append((cpu_s([pid]) - before) / spans * 1e6)
    for process in processes:
        process.terminate()
        process.join()
    print(f"\n{load}; medians of {ROUNDS} rounds")
    base = statistics.median(rates["rotel"])
    for name in places:
        rate, cost = statistics.median(rates[name]), statistics.median(costs[name])
        print(f"{name:<8}{rate:>12,.0f} spans/s{cost:>8.2f} CPU us/span{rate / base:>8.2f}")


def main() -> int:
    """Print a table for each load."""
    rotel = Rotel()
    try:
        for load in LOADS:
            measure(load, rotel)
    finally:
        rotel.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
