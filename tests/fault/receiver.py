"""A receiver of OTLP/gRPC that keeps the id of every span before it answers, until it is killed.

    python -m tests.fault.receiver PORT FILE POISON

A request that holds POISON is refused for good. What is written outlives the process, not the
machine.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.servers import listens
from tests.journals import eventually

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_ID_BYTES = 8


class Receiver:
    """One receiver that is started, killed and started again.

    Args:
        port: Of 127.0.0.1.
        path: Where it keeps ids.
        poison: What it refuses.
    """

    def __init__(self, port: int, path: Path, poison: bytes) -> None:
        self.port = port
        self._path = path
        self._poison = poison
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fault.receiver", str(self.port), str(self._path)),
            self._poison.decode(),
            stdin=subprocess.DEVNULL,
        )
        await eventually(lambda: listens(self.port), "the receiver")

    async def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None

    def taken(self) -> list[bytes]:
        """Return the span ids that it took, in order, with repetitions."""
        kept = self._path.read_bytes() if self._path.exists() else b""
        return [kept[at : at + _ID_BYTES] for at in range(0, len(kept), _ID_BYTES)]


@asynccontextmanager
async def receiving(port: int, path: Path, poison: bytes) -> AsyncIterator[Receiver]:
    """Yield a receiver that runs; it is gone afterwards."""
    receiver = Receiver(port, path, poison)
    try:
        await receiver.start()
        yield receiver
    finally:
        await receiver.kill()


async def _serve(port: int, path: Path, poison: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if poison in body:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "poison")
        ids = [
            span.span_id
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        os.write(file, b"".join(ids))
        return b""

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handler = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].encode()))
