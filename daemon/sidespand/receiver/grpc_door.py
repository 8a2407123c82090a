"""The gRPC door: OTLP services and ``sidespan.v1.Recorder`` as raw bytes, and health.

gRPC hands over decompressed bytes, so nothing is parsed before admission does. Python's gRPC cannot
name the peer of a Unix socket; permissions on the path decide who may write.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from sidespan.v1.recorder_pb2 import RecordRequest
from sidespand.config import Address
from sidespand.errors import InUse, InvalidRequest
from sidespand.limits import GRPC_STREAMS_PER_CONNECTION_MAX, INSTANCE_ID_BYTES
from sidespand.model import Kind, Peer, SessionStep
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import UnixPath
from sidespand.receiver.otlp_answer import otlp_answer
from sidespand.receiver.session import ack_of, parts_of

_TRAILER = "sidespan-token"

# grpcio ships no types: this is grpc.aio.ServicerContext.
Context = Any
Handler = Callable[[bytes, Context], Awaitable[bytes]]

# Keepalive and stream bounds: reference values are gRPC's own defaults (doc/keepalive.md) unless a
# reason is given.
_OPTIONS = (
    # Two daemons must not share a port silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", GRPC_STREAMS_PER_CONNECTION_MAX),
    # A connection that never speaks HTTP/2 goes.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    # Exporters ping idle connections more often than the default allows.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class GrpcDoor:
    """One gRPC server on a Unix socket and, if asked for, a TCP address.

    Args:
        intake: Where requests go.
        message_bytes_max: Of a request; larger ones gRPC refuses with RESOURCE_EXHAUSTED.
    """

    def __init__(self, intake: Intake, message_bytes_max: int) -> None:
        self._intake = intake
        self._server = grpc.aio.server(
            options=(*_OPTIONS, ("grpc.max_receive_message_length", message_bytes_max))
        )
        self._health = health.HealthServicer()
        self._peers: dict[str, Peer] = {}
        self._unix: UnixPath | None = None
        self._server.add_generic_rpc_handlers(tuple(self._services()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def open(self, unix: UnixPath, tcp: Address | None) -> int:
        """Bind, start, and say SERVING; return the TCP port, 0 without one.

        Raises:
            InUse: The port has another owner. Nothing was disturbed.
        """
        unix.prepare()
        # gRPC steals a live socket path without a word, so it binds a private name that is then
        # moved into place.
        self._server.add_insecure_port(f"unix:{unix.private}")
        port = 0
        if tcp is not None:
            try:
                port = self._server.add_insecure_port(str(tcp))
            except RuntimeError as error:
                unix.discard()
                raise InUse(
                    f"receivers.otlp_grpc: {tcp} is in use",
                    hint='stop the other program, or set --otlp-grpc to another port or "off"',
                ) from error
        await self._server.start()
        unix.publish()
        self._unix = unix
        for name in ("", "sidespan.v1.Recorder"):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def close(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new call, and let running ones end within ``grace_s``."""
        await self._health.enter_graceful_shutdown()
        if self._unix is not None:
            self._unix.discard()
        await self._server.stop(grace_s)

    def _services(self) -> list[grpc.GenericRpcHandler]:
        signals = {"trace": Kind.SPANS, "logs": Kind.LOGS, "metrics": Kind.METRICS}
        services = [
            _service(
                f"opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service",
                "Export",
                self._export(kind),
            )
            for signal, kind in signals.items()
        ]
        services.append(_service("sidespan.v1.Recorder", "Record", self._guard(self._record)))
        return services

    def _export(self, kind: Kind) -> Handler:
        async def export(body: bytes, context: Context) -> bytes:
            accepted = await self._intake.take(((kind, body),), self._peer(context))
            context.set_trailing_metadata(((_TRAILER, accepted.receipt.token),))
            return otlp_answer(kind, accepted)

        return self._guard(export)

    async def _record(self, body: bytes, context: Context) -> bytes:
        try:
            request = RecordRequest.FromString(body)
        except DecodeError as error:
            raise InvalidRequest(f"not a RecordRequest: {error}") from error
        step = None
        if request.seq:
            if len(request.instance_id) != INSTANCE_ID_BYTES:
                raise InvalidRequest(
                    f"instance_id: {INSTANCE_ID_BYTES} bytes are needed with a seq"
                )
            step = SessionStep(request.instance_id, request.seq, request.seq - 1, None)
        accepted = await self._intake.take(parts_of(request.records), self._peer(context), step)
        return ack_of(accepted).SerializeToString()

    def _guard(self, handler: Handler) -> Handler:
        # An escaped exception reaches the client as UNKNOWN, which it takes for permanent.
        async def guarded(body: bytes, context: Context) -> bytes:
            try:
                return await handler(body, context)
            except Exception as error:
                refusal = self._intake.refusal(error, self._peer(context))
            await context.abort(refusal.grpc_code, refusal.text, refusal.trailers())
            raise AssertionError("abort does not return")

        return guarded

    def _peer(self, context: Context) -> Peer:
        text = context.peer()
        peer = self._peers.get(text)
        if peer is None:
            # "ipv4:127.0.0.1:40000", "ipv6:%5B::1%5D:40000" or "unix:".
            family, _, rest = text.partition(":")
            host = unquote(rest.rpartition(":")[0]).strip("[]") if family != "unix" else ""
            if len(self._peers) > GRPC_STREAMS_PER_CONNECTION_MAX:
                self._peers.clear()
            peer = self._peers[text] = Peer("grpc", address=host)
        return peer


def _service(service: str, method: str, handler: Handler) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        service, {method: grpc.unary_unary_rpc_method_handler(handler)}
    )
