"""The ``otlp`` sink: OTLP over gRPC to any collector, every span with its stamp."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc
import grpc.aio

from sidespand import __version__
from sidespand.config import values
from sidespand.limits import SINK_RESPONSE_BYTES_MAX
from sidespand.model import Delivery, Kind, Record
from sidespand.sinks import otlp_reply
from sidespand.sinks.spec import Generations, NodeRef, Option, SinkType, node_refs
from sidespand.sinks.stamping import stamp

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_PORT = 4317
_HEADER = re.compile(r"[a-z0-9_.-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")
_COMPRESSION = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
_CHANNEL_OPTIONS = (
    ("grpc.primary_user_agent", f"sidespan/{__version__}"),
    # What is sent is bounded by a delivery, or by the one record that is larger.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", SINK_RESPONSE_BYTES_MAX),
    # The carrier decides when to try again; a channel must not still be waiting to reconnect then.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


class Endpoint(NamedTuple):
    """Where a collector listens.

    Args:
        target: In gRPC's notation.
        tls: Whether to speak TLS, against the certificate authorities that gRPC knows.
    """

    target: str
    tls: bool


class OtlpSink:
    """Implements ``ports.Sink``; a delivery is one export request.

    Args:
        endpoint: The collector.
        headers: Metadata of every request; keys in lower case.
        timeout_s: Of one export, connecting included.
        compression: Of requests.
        node_ref: Tells a generation's ``source_node_ref`` from lineage and boot generation.
    """

    kinds = frozenset({Kind.SPANS})

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        timeout_s: float,
        compression: grpc.Compression,
        node_ref: NodeRef,
    ) -> None:
        if endpoint.tls:
            self._channel = grpc.aio.secure_channel(
                endpoint.target, grpc.ssl_channel_credentials(), options=_CHANNEL_OPTIONS
            )
        else:
            self._channel = grpc.aio.insecure_channel(endpoint.target, options=_CHANNEL_OPTIONS)
        # Without serialisers bytes go out and come back as they are.
        self._export = self._channel.unary_unary(_EXPORT)
        self._metadata = tuple(headers.items())
        self._timeout_s = timeout_s
        self._compression = compression
        self._node_ref = node_ref

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Export the records; Delivered once the collector has answered OK."""
        # Encoded messages put behind one another are one message with the repeated fields of all.
        body = b"".join(self._stamped(record) for record in records)
        try:
            reply = await self._export(
                body,
                timeout=self._timeout_s,
                metadata=self._metadata,
                compression=self._compression,
            )
        except grpc.aio.AioRpcError as error:
            item_count = sum(record.header.item_count for record in records)
            return otlp_reply.of_error(
                error.code(), error.details(), error.trailing_metadata(), item_count
            )
        return otlp_reply.of_response(reply)

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        await self._channel.close()

    def _stamped(self, record: Record) -> bytes:
        header = record.header
        assert record.payload is not None
        node_ref = self._node_ref(header.lineage, header.boot_generation)
        return stamp(record.payload, header, node_ref)


def parse_endpoint(value: Any) -> Endpoint:
    """Return the endpoint of ``http://host[:port]``, ``https://host[:port]`` or ``unix:///path``.

    Raises:
        ValueError: It is none of these.
    """
    expected = 'expected "http://host:4317", "https://host:4317" or "unix:///path/to/socket"'
    try:
        url = urlsplit(value)
        port = url.port or _PORT
    except (ValueError, AttributeError, TypeError):
        raise ValueError(expected) from None
    if not isinstance(value, str) or not value.isprintable() or url.query or url.fragment:
        raise ValueError(expected)
    if url.scheme == "unix" and not url.netloc and url.path.startswith("/"):
        return Endpoint(f"unix:{url.path}", tls=False)
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
        raise ValueError(expected)
    if url.path not in ("", "/"):
        raise ValueError(expected + "; OTLP over gRPC has no path")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Endpoint(f"{host}:{port}", tls=url.scheme == "https")


def parse_headers(value: Any) -> dict[str, str]:
    """Return metadata: keys of ``[a-z0-9_.-]``, values of printable ASCII.

    Raises:
        ValueError: Another key or value, or one that gRPC keeps for itself; values are not shown.
    """
    if not isinstance(value, Mapping):
        raise ValueError('expected a table such as {authorization = "Bearer ..."}')
    headers = {}
    for given, text in value.items():
        key = str(given).lower()
        if not _HEADER.fullmatch(key) or key.startswith("grpc-") or key.endswith("-bin"):
            raise ValueError(f"{given!r} cannot be a header")
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"the value of {given!r} is not printable ASCII")
        headers[key] = text
    return headers


def _timeout_s(value: Any) -> float:
    seconds = values.duration_s(value)
    if not seconds:
        raise ValueError("expected a duration above 0")
    return seconds


def _make(options: Mapping[str, Any], _place: Path, generations: Generations) -> OtlpSink:
    return OtlpSink(
        options["endpoint"],
        options["headers"],
        options["timeout"],
        _COMPRESSION[options["compression"]],
        node_refs(generations),
    )


OTLP = SinkType(
    {
        "endpoint": Option(parse_endpoint, example='"http://127.0.0.1:4317"'),
        "headers": Option(parse_headers, {}, secret=True),
        "timeout": Option(_timeout_s, 10.0),
        "compression": Option(values.one_of(*_COMPRESSION), "none"),
    },
    _make,
)
