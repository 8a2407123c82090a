"""A collector: a real gRPC server with OTLP's trace service, that answers as told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.sinks import stamping

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Failure(NamedTuple):
    """An answer that is an error."""

    code: grpc.StatusCode
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()


class Collector:
    """What was exported, and what to answer next.

    An answer is an encoded response, a Failure, or an event to wait for before everything is taken.
    Without further answers everything is taken.
    """

    def __init__(self) -> None:
        self.answers: deque[bytes | Failure | asyncio.Event] = deque()
        # Asked of each request that no answer is set for: why it is refused, or None.
        self.judge: Callable[[bytes], Failure | None] = lambda _: None
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[Mapping[str, str | bytes]] = []
        self.address = ""

    async def export(self, body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        """Answer one export."""
        self.metadata.append(dict(context.invocation_metadata()))
        answer = self.answers.popleft() if self.answers else self.judge(body) or b""
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = b""
        if isinstance(answer, Failure):
            await context.abort(answer.code, answer.details, answer.trailers)
            raise AssertionError("abort raises")
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return answer

    def lsns(self) -> list[int]:
        """Return the stamp of every span that was taken, in order."""
        return [
            int(pair.value.string_value)
            for request in self.requests
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
            for pair in span.attributes
            if pair.key == stamping.LSN_KEY
        ]


@asynccontextmanager
async def collecting(
    target: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[Collector]:
    """Yield a collector; ``address`` is where a client connects.

    Args:
        target: Where it listens.
        credentials: Of its TLS; without, it speaks in the clear.
    """
    collector = Collector()
    handler = grpc.unary_unary_rpc_method_handler(collector.export)
    server = grpc.aio.server(
        options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 << 20))
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler}),)
    )
    if credentials is None:
        port = server.add_insecure_port(target)
    else:
        port = server.add_secure_port(target, credentials)
    collector.address = target if target.startswith("unix:") else f"127.0.0.1:{port}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
