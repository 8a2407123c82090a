"""A receiver of OTLP/gRPC in a process of its own that counts spans and keeps nothing."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any, cast

import grpc
import grpc.aio
import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.daemon import wait_until

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Counting:
    """One running receiver."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._spans = context.Value("q", 0)
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._spans, theirs), daemon=True)
        self._process.start()
        self.port = cast("int", ours.recv())

    @property
    def spans(self) -> int:
        """How many spans it took since it began."""
        return int(self._spans.value)

    def wait_some(self, seconds_max: float) -> None:
        """Return once it has taken anything.

        Raises:
            AssertionError: It has not after ``seconds_max``.
        """
        wait_until(lambda: self.spans > 0, seconds_max, "spans to arrive")

    def wait(self, spans: int, seconds_max: float) -> None:
        """Return once it has taken ``spans``.

        Raises:
            AssertionError: It has not after ``seconds_max``, or has more.
        """
        wait_until(lambda: self.spans >= spans, seconds_max, f"{spans} spans to arrive")
        assert self.spans == spans, f"{self.spans} spans arrived of {spans}"

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()


def _serve(spans: Any, ready: Connection) -> None:
    async def export(body: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        request = ExportTraceServiceRequest.FromString(body)
        count = sum(
            len(scope.spans) for group in request.resource_spans for scope in group.scope_spans
        )
        with spans.get_lock():
            spans.value += count
        return b""

    async def run() -> None:
        server = grpc.aio.server(
            options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 << 20))
        )
        handler = grpc.unary_unary_rpc_method_handler(export)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ready.send(port)
        await asyncio.Event().wait()

    uvloop.run(run())
