"""The HTTP door: OTLP/HTTP, and what an operator asks of the recorder.

Source: opentelemetry-proto docs/specification.md, "OTLP/HTTP": paths, media types, Status bodies,
    Retry-After.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping

from sidespand.config import Address
from sidespand.limits import PEER_RECEIVING_BYTES_MAX, RECEIVING_BYTES_MAX
from sidespand.model import Kind
from sidespand.receiver.budget import Budget
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.http_message import Request, Response, whole_body
from sidespand.receiver.http_protocol import HttpProtocol
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import BACKLOG, UnixPath, listen_tcp
from sidespand.receiver.otlp_answer import otlp_answer
from sidespand.receiver.otlp_json import answer_json, status_json, to_protobuf
from sidespand.receiver.refusal import Refusal
from sidespand.receiver.tls_server import TlsServer
from sidespand.telemetry import CONTENT_TYPE, Telemetry

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_HEADER = "sidespan-token"
_NOT_OFFERED = 415
# One to accept a connection, one to read from it, and as many again for a loop that looks late.
_TURNS_TO_READ = 4
_UNAUTHORIZED = 401

_SIGNALS: Mapping[str, Kind] = {
    "/v1/traces": Kind.SPANS,
    "/v1/logs": Kind.LOGS,
    "/v1/metrics": Kind.METRICS,
}


class HttpDoor:
    """One HTTP server on a Unix socket and, if asked for, a TCP address.

    Args:
        intake: Where OTLP requests go.
        gate: Who comes in.
        telemetry: What ``/metrics`` shows.
        ready: Tells whether the recorder can accept durably now.
        message_bytes_max: Of a body, before and after decompression.
        room: For bodies that are being received, of all connections.
    """

    def __init__(
        self,
        intake: Intake,
        gate: HttpGate,
        telemetry: Telemetry,
        ready: Callable[[], bool],
        message_bytes_max: int,
        *,
        room: Budget | None = None,
    ) -> None:
        self._intake = intake
        self._gate = gate
        self._telemetry = telemetry
        self._ready = ready
        self._message_bytes_max = message_bytes_max
        self._servers: list[asyncio.Server | TlsServer] = []
        self._unix: UnixPath | None = None
        self._converting = asyncio.Lock()
        self._room = room or Budget(RECEIVING_BYTES_MAX, PEER_RECEIVING_BYTES_MAX)

    async def open(
        self, unix: UnixPath, tcp: Address | None, tls: ssl.SSLContext | None = None
    ) -> int:
        """Listen; return the TCP port, 0 without one.

        Args:
            unix: The socket.
            tcp: The address; None for no port.
            tls: How TLS is spoken on the port; None for plain HTTP.

        Raises:
            InUse: The port has another owner. Nothing was disturbed.
        """
        loop = asyncio.get_running_loop()
        port = 0
        if tcp is not None:
            listener = listen_tcp(tcp, "receivers.otlp_http")
            port = listener.getsockname()[1]
            self._gate.listens_on(tcp)
            if tls is not None:
                self._servers.append(TlsServer(listener, tls, self._protocol, self._gate))
            else:
                self._servers.append(
                    await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG)
                )
        self._unix = unix
        self._servers.append(
            await loop.create_unix_server(self._protocol, sock=unix.listen(), backlog=BACKLOG)
        )
        return port

    async def close(self, grace_s: float = 0.0) -> None:
        """Take no new connection, answer what is under way, close.

        Args:
            grace_s: How long the rest of a begun request is waited for, in seconds.
        """
        if self._unix is not None:
            self._unix.discard()
        if grace_s:
            # A client whose request has arrived would lose it: let the loop accept and read it.
            for _ in range(_TURNS_TO_READ):
                await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        await asyncio.gather(*(one.finish(grace_s) for one in list(self._gate.connections)))

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self._serve, self._gate, self._message_bytes_max, room=self._room)

    async def _serve(self, request: Request) -> Response:
        try:
            if request.failed is not None:
                raise request.failed
            kind = _SIGNALS.get(request.path)
            if kind is not None:
                return await self._export(kind, request)
            return self._operate(request)
        except Exception as error:
            return _refused(self._intake.refusal(error, request.peer), _media_type(request))

    async def _export(self, kind: Kind, request: Request) -> Response:
        if request.method != "POST":
            return Response(405, b"POST an OTLP request here\n", _TEXT, (("allow", "POST"),))
        media_type = _media_type(request)
        if media_type not in (_PROTOBUF, _JSON):
            text = f"content-type must be {_PROTOBUF} or {_JSON}\n"
            return Response(_NOT_OFFERED, text.encode(), _TEXT)
        body = whole_body(request, self._message_bytes_max)
        if media_type == _JSON:
            # Beside the loop, so that others are served meanwhile; one at a time, for its memory.
            async with self._converting:
                body = await asyncio.to_thread(to_protobuf, kind, body)
        accepted = await self._intake.take(((kind, body),), request.peer)
        answer = otlp_answer(kind, accepted)
        if media_type == _JSON:
            answer = answer_json(kind, answer)
        return Response(200, answer, media_type, ((_HEADER, accepted.receipt.token),))

    def _operate(self, request: Request) -> Response:
        if request.path not in ("/metrics", "/healthz", "/readyz"):
            known = ", ".join((*_SIGNALS, "/metrics", "/healthz", "/readyz"))
            return Response(404, f"not found; here are {known}\n".encode(), _TEXT)
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"GET only\n", _TEXT, (("allow", "GET, HEAD"),))
        if request.path == "/metrics":
            return Response(200, self._telemetry.exposition(), CONTENT_TYPE)
        if request.path == "/healthz" or self._ready():
            return Response(200, b"ok\n", _TEXT)
        return Response(503, b"not ready to accept durably\n", _TEXT, (("retry-after", "1"),))


def _media_type(request: Request) -> str:
    value = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return value.decode("latin-1")


def _refused(refusal: Refusal, media_type: str) -> Response:
    headers: tuple[tuple[str, str], ...] = ()
    if refusal.http_status == _UNAUTHORIZED:
        headers = (("www-authenticate", "Bearer"),)
    elif refusal.retry_after_ms:
        headers = (("retry-after", str(-(-refusal.retry_after_ms // 1000))),)
    # A Status comes in the encoding of the request.
    if media_type == _JSON:
        return Response(refusal.http_status, status_json(refusal.status()), _JSON, headers)
    return Response(refusal.http_status, refusal.status(), _PROTOBUF, headers)
