"""What a collector's answer to an export means for its records. Pure.

Source: opentelemetry-proto docs/specification.md, "OTLP/gRPC Response", "Failures" and
"OTLP/gRPC Throttling".
"""

from collections.abc import Iterable

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from sidespand.model import Delivered, Delivery, Rejected, Retry

Trailers = Iterable[tuple[str, str | bytes]]

_RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_NANOS = 1_000_000_000


def of_response(body: bytes) -> Delivery:
    """Return the outcome of an export that was answered with OK.

    A partial success is never sent again: the collector has what it took.
    """
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        # The status counts; what comes with it is only advice.
        return Delivered()
    if partial.rejected_spans <= 0:
        return Delivered()
    return Rejected(partial.rejected_spans, partial.error_message or "no reason given")


def of_error(
    code: grpc.StatusCode, details: str | None, trailers: Trailers, item_count: int
) -> Delivery:
    """Return the outcome of an export that failed.

    Args:
        code: Its status.
        details: Its message.
        trailers: Its trailing metadata, as hostile as any input.
        item_count: What was to be exported.
    """
    reason = f"{code.name}: {details or 'no details given'}"
    after_s = retry_after_s(trailers)
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None):
        return Retry(reason, after_s)
    return Rejected(item_count, reason)


def retry_after_s(trailers: Trailers) -> float | None:
    """Return the wait that trailing metadata asks for, from 0.0; None when it asks for none."""
    for key, value in trailers:
        if not isinstance(value, bytes):
            continue
        try:
            if key == "google.rpc.retryinfo-bin":
                return _seconds(RetryInfo.FromString(value))
            if key == "grpc-status-details-bin":
                for detail in Status.FromString(value).details:
                    if detail.Is(RetryInfo.DESCRIPTOR):
                        return _seconds(RetryInfo.FromString(detail.value))
        except DecodeError:
            continue
    return None


def _seconds(info: RetryInfo) -> float:
    delay = info.retry_delay
    return max(0.0, float(delay.seconds) + float(delay.nanos) / _NANOS)
