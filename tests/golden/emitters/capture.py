"""An OTLP receiver that keeps every request body as it came, over HTTP and over gRPC."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import grpc

HTTP_SIGNALS: Final = {"/v1/traces": "traces", "/v1/logs": "logs"}
GRPC_SIGNALS: Final = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}


@dataclass(frozen=True, slots=True)
class Captured:
    """One request.

    Args:
        signal: ``traces`` or ``logs``.
        path: Of the HTTP request or the gRPC method.
        content_type: As the exporter sent it.
        body: The HTTP body, or the gRPC message without its five-byte frame; never compressed.
    """

    signal: str
    path: str
    content_type: str
    body: bytes


class Tape:
    """Captured requests in order of arrival; safe to add to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured: list[Captured] = []

    def add(self, captured: Captured) -> None:
        """Keep one request."""
        with self._lock:
            self._captured.append(captured)

    def all(self) -> list[Captured]:
        """Return what came so far, oldest first."""
        with self._lock:
            return list(self._captured)


@contextmanager
def capturing_http(tape: Tape) -> Iterator[str]:
    """Receive OTLP/HTTP on a loopback port of the system's choice; yields the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            signal = HTTP_SIGNALS.get(self.path)
            # A compressed body would hide its strings from the check before it is written.
            refused = signal is None or "content-encoding" in self.headers
            if signal is not None and not refused:
                tape.add(Captured(signal, self.path, self.headers["content-type"], body))
            self.send_response(HTTPStatus.BAD_REQUEST if refused else HTTPStatus.OK)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent: the recording prints one line an emitter."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="capture")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def capturing_grpc(tape: Tape) -> Iterator[str]:
    """Receive OTLP/gRPC on a loopback port of the system's choice; yields the endpoint."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_RawHandlers(tape)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=1).wait()


class _RawHandlers(grpc.GenericRpcHandler):
    """Hands each message over undecoded: without a deserializer gRPC passes its bytes."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        path = handler_call_details.method
        signal = GRPC_SIGNALS.get(path)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(self._keeper(signal, path))

    def _keeper(self, signal: str, path: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def keep(body: bytes, _context: grpc.ServicerContext) -> bytes:
            self._tape.add(Captured(signal, path, "application/grpc", body))
            return b""

        return keep
