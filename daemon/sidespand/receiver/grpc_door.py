"""The gRPC door: OTLP services and ``sidespan.v1.Recorder`` as raw bytes, and health.

gRPC hands over decompressed bytes, so nothing is parsed before admission does. Python's gRPC cannot
name the peer of a Unix socket; permissions on the path decide who may write.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from sidespan.v1.recorder_pb2 import RecordRequest
from sidespand.config import Address
from sidespand.errors import InUse, InvalidRequest
from sidespand.limits import (
    CONNECTIONS_MAX,
    GRPC_STREAMS_PER_CONNECTION_MAX,
    INSTANCE_ID_BYTES,
    TLS_HANDSHAKE_S,
)
from sidespand.model import Kind, Peer, SessionStep
from sidespand.receiver.grpc_callers import STRANGER, GrpcCallers
from sidespand.receiver.grpc_session import session_service
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import UnixPath, listen_tcp
from sidespand.receiver.otlp_answer import otlp_answer
from sidespand.receiver.reflection import offer_reflection
from sidespand.receiver.registry import SessionRegistry
from sidespand.receiver.steps import ack_of, ended_of, parts_of

_TRAILER = "sidespan-token"

# grpcio ships no types: this is grpc.aio.ServicerContext.
Context = Any
Handler = Callable[[bytes, Context], Awaitable[bytes]]
PeerHandler = Callable[[bytes, Peer, Context], Awaitable[bytes]]

# Keepalive and stream bounds: reference values are gRPC's own defaults (doc/keepalive.md) unless a
# reason is given.
_OPTIONS = (
    # Two daemons must not share a port silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", GRPC_STREAMS_PER_CONNECTION_MAX),
    # A connection that never speaks HTTP/2, or never ends its TLS handshake, goes.
    ("grpc.server_handshake_timeout_ms", int(TLS_HANDSHAKE_S * 1000)),
    ("grpc.keepalive_time_ms", 60_000),
    # Exporters ping idle connections more often than the default allows.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class _UnaryMethods:
    """Finds unary methods by name. Implements ``grpc.GenericRpcHandler``.

    Args:
        handlers: By path: "/package.Service/Method".

    Attributes:
        begun: Calls that asked for one of them.
        handed_over: Those whose message came whole; the handlers count.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = {
            path: grpc.unary_unary_rpc_method_handler(handler) for path, handler in handlers.items()
        }
        self.begun = 0
        self.handed_over = 0

    def service(self, call: Any) -> Any:
        """Return the method that a call asks for; None for one that is not here."""
        handler = self._handlers.get(call.method)
        if handler is not None:
            self.begun += 1
        return handler


class GrpcDoor:
    """One gRPC server on a Unix socket and, if asked for, a TCP address.

    Args:
        intake: Where requests go.
        callers: Who makes a call.
        sessions: Those of all doors.
        message_bytes_max: Of a request; larger ones gRPC refuses with RESOURCE_EXHAUSTED.
        connections_max: Of each listener; grpc-core closes what comes beyond it, which its clients
            take for UNAVAILABLE.
    """

    def __init__(
        self,
        intake: Intake,
        callers: GrpcCallers,
        sessions: SessionRegistry,
        message_bytes_max: int,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self._intake = intake
        self._callers = callers
        self._sessions = sessions
        self._server = grpc.aio.server(
            options=(
                *_OPTIONS,
                ("grpc.max_receive_message_length", message_bytes_max),
                ("grpc.max_allowed_incoming_connections", connections_max),
            )
        )
        self._health = health.HealthServicer()
        self._unix: UnixPath | None = None
        self._unary = _UnaryMethods(self._methods())
        self._server.add_generic_rpc_handlers((self._unary, session_service(sessions, callers)))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    @property
    def unread_calls(self) -> int:
        """How many unary calls have begun whose message did not come whole, or not yet.

        grpc-core refuses a message over the limit by itself: this is the only trace of it.
        """
        return self._unary.begun - self._unary.handed_over

    def offer_reflection(self) -> None:
        """Tell clients which services there are, from ``open`` on.

        Raises:
            ConfigError: The package that does it is not installed.
        """
        offer_reflection(self._server)

    async def open(
        self, unix: UnixPath, tcp: Address | None, tls: grpc.ServerCredentials | None = None
    ) -> int:
        """Bind, start, and say SERVING; return the TCP port, 0 without one.

        Args:
            unix: The socket.
            tcp: The address; None for no port.
            tls: How TLS is spoken on the port; None for HTTP/2 in the clear.

        Raises:
            InUse: The port has another owner. Nothing was disturbed.
        """
        if tcp is not None:
            # gRPC tells only stderr why an address cannot be had.
            listen_tcp(tcp, "receivers.otlp_grpc").close()
        unix.prepare()
        # gRPC steals a live socket path without a word, so it binds a private name that is then
        # moved into place.
        with unix.guarded():
            self._server.add_insecure_port(f"unix:{unix.private}")
        port = 0
        if tcp is not None:
            try:
                if tls is None:
                    port = self._server.add_insecure_port(str(tcp))
                else:
                    port = self._server.add_secure_port(str(tcp), tls)
            except RuntimeError as error:
                unix.discard()
                raise InUse(
                    f"receivers.otlp_grpc: {tcp} is in use",
                    hint='stop the other program, or set --otlp-grpc to another port or "off"',
                ) from error
        await self._server.start()
        self._unix = unix
        unix.publish()
        for name in ("", "sidespan.v1.Recorder"):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def close(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new call, and let running ones end within ``grace_s``."""
        await self._health.enter_graceful_shutdown()
        if self._unix is not None:
            self._unix.discard()
        await self._server.stop(grace_s)

    def _methods(self) -> Mapping[str, Handler]:
        signals = {"trace": Kind.SPANS, "logs": Kind.LOGS, "metrics": Kind.METRICS}
        package = "opentelemetry.proto.collector"
        exports = {
            f"/{package}.{signal}.v1.{signal.capitalize()}Service/Export": self._export(kind)
            for signal, kind in signals.items()
        }
        return {**exports, "/sidespan.v1.Recorder/Record": self._guard(self._record)}

    def _export(self, kind: Kind) -> Handler:
        async def export(body: bytes, peer: Peer, context: Context) -> bytes:
            accepted = await self._intake.take(((kind, body),), peer)
            context.set_trailing_metadata(((_TRAILER, accepted.receipt.token),))
            return otlp_answer(kind, accepted)

        return self._guard(export)

    async def _record(self, body: bytes, peer: Peer, _context: Context) -> bytes:
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
            step = SessionStep(
                request.instance_id, request.seq, request.seq - 1, None, self._sessions.silent_s_max
            )
        elif request.records.marks or request.records.ended:
            raise InvalidRequest("marks and ended: an instance_id and a seq are needed")
        parts, ended = parts_of(request.records), ended_of(request.records)
        accepted = await self._intake.take(parts, peer, step, ended)
        if step is not None:
            self._sessions.heard(step.instance_id)
        return ack_of(accepted).SerializeToString()

    def _guard(self, handler: PeerHandler) -> Handler:
        # An escaped exception reaches the client as UNKNOWN, which it takes for permanent.
        async def guarded(body: bytes, context: Context) -> bytes:
            self._unary.handed_over += 1
            peer = STRANGER
            try:
                peer = self._callers.peer(context)
                return await handler(body, peer, context)
            except Exception as error:
                refusal = self._intake.refusal(error, peer)
            await context.abort(refusal.grpc_code, refusal.text, refusal.trailers())
            raise AssertionError("abort does not return")

        return guarded
