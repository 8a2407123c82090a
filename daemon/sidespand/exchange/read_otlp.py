"""Reads OTLP files: JSON, one request a line or a document, and protobuf.

Of protobuf a file is one message, or messages that each follow their length in four bytes,
big-endian. A message does not say of what signal it is: that shows in its fields.
Source: opentelemetry-collector-contrib, file exporter; opentelemetry-proto, "JSON Protobuf
Encoding".
"""

import json
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.errors import InvalidRequest, TooLarge
from sidespand.exchange.part import Part
from sidespand.limits import MESSAGE_BYTES_MAX, SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.model import Kind
from sidespand.receiver.otlp_json import to_protobuf

_LENGTH: Final = struct.Struct(">I")
_METRICS: Final = "it holds metrics, which no import takes: send it to /v1/metrics of OTLP/HTTP"

_M = TypeVar("_M", bound=Message)


def lines(given: Iterable[bytes]) -> Iterator[Part]:
    """Yield each line of OTLP/JSON as a part; one that was cut off is unreadable."""
    for seq, line in enumerate(given, start=1):
        yield _json(seq, f"line {seq}", line)


def document(given: bytes) -> Iterator[Part]:
    """Yield the one part of an OTLP/JSON document."""
    yield _json(1, "the document", given)


def messages(file: BinaryIO) -> Iterator[Part]:
    """Yield each message of a file of lengths and messages.

    What follows a length that cannot be is not looked at.
    """
    seq = 0
    while prefix := file.read(_LENGTH.size):
        seq += 1
        where = f"message {seq}"
        size = _LENGTH.unpack(prefix)[0] if len(prefix) == _LENGTH.size else 0
        if not 0 < size <= MESSAGE_BYTES_MAX:
            yield Part(seq, where, None)
            return
        body = file.read(size)
        yield _protobuf(seq, where, body if len(body) == size else b"\xff")


def message(given: bytes) -> Iterator[Part]:
    """Yield the one part of an encoded request; a file of one signal is the same bytes."""
    yield _protobuf(1, "the message", given)


def _json(seq: int, where: str, given: bytes) -> Part:
    try:
        spans = ExportTraceServiceRequest.FromString(to_protobuf(Kind.SPANS, given))
        # Few lines hold anything but spans, and this costs little.
        others = b'"resourceLogs"' in given or b'"resourceMetrics"' in given
        document = json.loads(given) if others else {}
        if document.get("resourceMetrics"):
            return Part(seq, where, None, _METRICS)
        if not document.get("resourceLogs"):
            return Part(seq, where, spans)
        logs = ExportLogsServiceRequest.FromString(to_protobuf(Kind.LOGS, given))
        return Part(seq, where, spans, logs=logs)
    except InvalidRequest:
        return Part(seq, where, None)
    except TooLarge as error:
        return Part(seq, where, None, str(error))


def _protobuf(seq: int, where: str, given: bytes) -> Part:
    spans = _decoded(ExportTraceServiceRequest, given)
    if spans is not None and _holds_spans(spans):
        return Part(seq, where, spans)
    logs = _decoded(ExportLogsServiceRequest, given)
    if logs is not None and _holds_logs(logs):
        return Part(seq, where, ExportTraceServiceRequest(), logs=logs)
    metrics = _decoded(ExportMetricsServiceRequest, given)
    if metrics is not None and _holds_metrics(metrics):
        return Part(seq, where, None, _METRICS)
    return Part(seq, where, spans)


def _decoded(kind: type[_M], given: bytes) -> _M | None:
    try:
        return kind.FromString(given)
    except DecodeError:
        return None


def _holds_spans(request: ExportTraceServiceRequest) -> bool:
    # A metric's name and description stand where a span has its ids, but it has no start.
    return any(
        len(span.trace_id) == TRACE_ID_BYTES
        and len(span.span_id) == SPAN_ID_BYTES
        and span.start_time_unix_nano
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    )


def _holds_logs(request: ExportLogsServiceRequest) -> bool:
    # Under these numbers spans and metrics have fields of another wire type.
    return any(
        log.time_unix_nano or log.observed_time_unix_nano or log.severity_number
        for group in request.resource_logs
        for scoped in group.scope_logs
        for log in scoped.log_records
    )


def _holds_metrics(request: ExportMetricsServiceRequest) -> bool:
    return any(
        metric.name and metric.WhichOneof("data")
        for group in request.resource_metrics
        for scoped in group.scope_metrics
        for metric in scoped.metrics
    )
