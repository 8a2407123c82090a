"""A collector that speaks OTLP/HTTP: a real server that answers as told."""

import asyncio
import gzip
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.certificates import Pair


class Answer(NamedTuple):
    """What to answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpCollector:
    """What was exported, and what to answer next; without further answers everything is taken."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        # Asked of each request that no answer is set for.
        self.judge: Callable[[bytes], Answer] = lambda _: Answer()
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.port = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request; ASGI."""
        assert scope["type"] == "http"
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = self.answers.popleft() if self.answers else self.judge(body)
        self.headers.append(headers)
        self.paths.append(scope["path"])
        if answer.status == 200:
            self.bodies.append(body)
        given = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": given})
        await send({"type": "http.response.body", "body": answer.body})

    def traces(self) -> list[ExportTraceServiceRequest]:
        """Return the requests of spans that were taken."""
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]


@asynccontextmanager
async def collecting_http(
    tls: Pair | None = None, client_ca: Path | None = None, unix: Path | None = None
) -> AsyncIterator[HttpCollector]:
    """Yield a collector on loopback, or on a socket.

    Args:
        tls: Its certificate; without, it speaks in the clear.
        client_ca: Who must have signed the certificates that clients must show.
        unix: A socket's path.
    """
    collector = HttpCollector()
    if unix is not None:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(unix))
    else:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        collector.port = sock.getsockname()[1]
    config = uvicorn.Config(
        collector,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls.cert if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=str(client_ca) if client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.002)
    try:
        yield collector
    finally:
        server.should_exit = True
        await task
        sock.close()
