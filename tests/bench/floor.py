"""Where the HTTP door's time goes: the same server with one stage more each time.

    python -m tests.bench.floor

``door`` answers without a look at the body; ``parse`` has protobuf validate it; ``admit`` is the
whole admission; ``seal`` also hashes. The journal comes on top. One event loop runs all of it, so
the slowest of these rates is a ceiling for every acknowledged rate.
"""

import asyncio
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

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

LOAD = Load("http", 16, 1, 100, 10)
REQUESTS = 6000
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


def serve(stage: str, ready: Connection) -> None:
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


def main() -> int:
    """Print each stage's rate and CPU, medians of rounds in which the stages take turns."""
    context = multiprocessing.get_context("spawn")
    servers = {}
    for stage in stages():
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(stage, theirs), daemon=True)
        process.start()
        servers[stage] = (process, ours.recv())
    rates: dict[str, list[float]] = {stage: [] for stage in servers}
    costs: dict[str, list[float]] = {stage: [] for stage in servers}
    for _ in range(ROUNDS):
        for stage, (process, port) in servers.items():
            assert process.pid is not None
            before = cpu_s([process.pid])
            result = generator.run(LOAD, port, REQUESTS)
            spans = result.requests * LOAD.spans
            rates[stage].append(spans / result.seconds)
            costs[stage].append((cpu_s([process.pid]) - before) / spans * 1e6)
    for process, _ in servers.values():
        process.terminate()
        process.join()
    print(f"{LOAD}; medians of {ROUNDS} rounds")
    for stage in servers:
        rate, cost = statistics.median(rates[stage]), statistics.median(costs[stage])
        print(f"{stage:<8}{rate:>12,.0f} spans/s{cost:>8.2f} CPU us/span")
    return 0


if __name__ == "__main__":
    sys.exit(main())
