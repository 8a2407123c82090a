"""Exports over OTLP/gRPC."""

from typing import Final

import grpc
import grpc.aio

from sidespand import __version__
from sidespand.limits import SINK_RESPONSE_BYTES_MAX, SINK_TRAILERS_BYTES_MAX
from sidespand.model import Delivery, Kind
from sidespand.sinks import otlp_reply
from sidespand.sinks.otlp_options import GRPC, Endpoint, Tls, read_pem

_PATHS: Final = {
    Kind.SPANS: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Kind.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Kind.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_COMPRESSION = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
_CHANNEL_OPTIONS = (
    ("grpc.primary_user_agent", f"sidespan/{__version__}"),
    # What is sent is bounded by request_bytes_max, or by the one item that is larger.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", SINK_RESPONSE_BYTES_MAX),
    ("grpc.max_metadata_size", SINK_TRAILERS_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", SINK_TRAILERS_BYTES_MAX),
    # The carrier decides when to try again; a channel must not still be waiting to reconnect then.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A channel that is made anew must not get the connection of the one before.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcExporter:
    """A channel to one collector.

    Args:
        endpoint: The collector, without a path.
        tls: Used when the endpoint says so.
        timeout_s: Of one export, connecting included.
        compression: ``none`` or ``gzip``, of requests.

    Raises:
        ConfigError: A file of ``tls`` cannot be read.
    """

    def __init__(self, endpoint: Endpoint, tls: Tls, timeout_s: float, compression: str) -> None:
        self._target = f"unix:{endpoint.socket}" if endpoint.socket else endpoint.authority(GRPC)
        self._credentials = grpc.ssl_channel_credentials(*read_pem(tls)) if endpoint.tls else None
        self._timeout_s = timeout_s
        self._compression = _COMPRESSION[compression]
        self._connect()

    async def export(
        self, kind: Kind, body: bytes, item_count: int, headers: dict[str, str]
    ) -> Delivery:
        """Send one request; Delivered once the collector has answered OK."""
        try:
            reply = await self._exports[kind](
                body,
                timeout=self._timeout_s,
                metadata=tuple(headers.items()),
                compression=self._compression,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                # Perhaps the connection leads nowhere any more, which TCP notices much later.
                await self._channel.close()
                self._connect()
            return otlp_reply.of_error(
                error.code(), error.details(), error.trailing_metadata() or (), item_count, kind
            )
        return otlp_reply.of_response(reply, kind)

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        await self._channel.close()

    def _connect(self) -> None:
        if self._credentials is not None:
            self._channel = grpc.aio.secure_channel(
                self._target, self._credentials, options=_CHANNEL_OPTIONS
            )
        else:
            self._channel = grpc.aio.insecure_channel(self._target, options=_CHANNEL_OPTIONS)
        # Without serialisers bytes go out and come back as they are.
        self._exports = {kind: self._channel.unary_unary(path) for kind, path in _PATHS.items()}
