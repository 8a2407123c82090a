"""What a collector's answer to an export means for its records. Pure.

Source: opentelemetry-proto docs/specification.md, "OTLP/gRPC Response", "OTLP/HTTP Response",
"Failures" and "Throttling". One thing is done otherwise: a collector that does not know us, or has
nothing at that address, is tried again, since no record is to blame for it.
"""

import email.utils
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from sidespand.model import Delivered, Delivery, Kind, Rejected, Retry

Trailers = Iterable[tuple[str, str | bytes]]

_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
        # Not OTLP's: whoever mends our credentials gets all that came meanwhile.
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)
# The last ones are not OTLP's; the same holds, and for a redirection.
_HTTP_RETRYABLE: Final = frozenset({429, 502, 503, 504, 408, 401, 403, 407})
# What the gRPC core says when a peer goes over the channel's limits.
_LONG_RESPONSE: Final = "CLIENT: Received message larger than max"
_LONG_METADATA: Final = "received metadata size exceeds hard limit"
_HTTP_ABSENT: Final = frozenset({404, 405})
_SUCCESS, _REDIRECTION = 2, 3
_SECONDS = re.compile(r"[0-9]{1,10}")
_RESPONSES: Final[Mapping[Kind, Any]] = {
    Kind.SPANS: ExportTraceServiceResponse,
    Kind.LOGS: ExportLogsServiceResponse,
    Kind.METRICS: ExportMetricsServiceResponse,
}
_NANOS = 1_000_000_000


def of_response(body: bytes, kind: Kind = Kind.SPANS) -> Delivery:
    """Return the outcome of an export that was answered with OK.

    A partial success is never sent again: the collector has what it took.
    """
    try:
        partial = _RESPONSES[kind].FromString(body).partial_success
    except DecodeError:
        # The status counts; what comes with it is only advice.
        return Delivered()
    match kind:
        case Kind.LOGS:
            rejected = partial.rejected_log_records
        case Kind.METRICS:
            # One request of metrics is one item, however many points it has.
            rejected = min(partial.rejected_data_points, 1)
        case _:
            rejected = partial.rejected_spans
    if rejected <= 0:
        return Delivered()
    return Rejected(rejected, partial.error_message or "no reason given")


def of_error(
    code: grpc.StatusCode,
    details: str | None,
    trailers: Trailers,
    item_count: int,
    kind: Kind = Kind.SPANS,
) -> Delivery:
    """Return the outcome of an export over gRPC that failed.

    Args:
        code: Its status.
        details: Its message.
        trailers: Its trailing metadata, as hostile as any input.
        item_count: What was to be exported.
        kind: The same.
    """
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _LONG_RESPONSE in (details or ""):
        # Our own bound on a response that came with OK: what it says is only advice.
        return Delivered()
    reason = f"{code.name}: {details or 'no details given'}"
    after_s = retry_after_s(trailers)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _LONG_METADATA in (details or ""):
        # Our own bound again; what was answered is unknown.
        return Retry(reason, after_s)
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None):
        return Retry(reason, after_s)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return _absent(reason, item_count, kind)
    return Rejected(item_count, reason, whole=True)


def of_http(
    status: int, headers: Mapping[str, str], body: bytes, item_count: int, kind: Kind
) -> Delivery:
    """Return the outcome of an export over HTTP.

    Args:
        status: Of the response.
        headers: Its headers, keys in lower case.
        body: Its body, perhaps cut.
        item_count: What was to be exported.
        kind: The same.
    """
    if status // 100 == _SUCCESS:
        return of_response(body, kind)
    reason = f"HTTP {status}: {_message(headers, body)}"
    if status in _HTTP_RETRYABLE or status // 100 <= _REDIRECTION:
        return Retry(reason, http_after_s(headers.get("retry-after", ""), time.time()))
    if status in _HTTP_ABSENT:
        return _absent(reason, item_count, kind)
    return Rejected(item_count, reason, whole=True)


def http_after_s(value: str, now_s: float) -> float | None:
    """Return the wait that ``Retry-After`` asks for, from 0.0; None when it asks for none.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


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


def _absent(reason: str, item_count: int, kind: Kind) -> Delivery:
    if kind is Kind.SPANS:
        return Retry(reason)
    # Many collectors take traces alone; no part of it would pass.
    return Rejected(item_count, f"{reason}; set signals to what it takes")


def _message(headers: Mapping[str, str], body: bytes) -> str:
    if headers.get("content-type", "").startswith("application/x-protobuf"):
        try:
            return Status.FromString(body).message or "no details given"
        except DecodeError:
            return "its details cannot be read"
    return body.decode("utf-8", "replace").strip() or "no details given"


def _seconds(info: RetryInfo) -> float:
    delay = info.retry_delay
    return max(0.0, float(delay.seconds) + float(delay.nanos) / _NANOS)
