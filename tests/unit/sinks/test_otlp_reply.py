"""What a collector's answer means, by the letter of OTLP."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from sidespand.model import Delivered, Kind, Rejected, Retry
from sidespand.sinks import otlp_reply
from sidespand.sinks.otlp_reply import Trailers

RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
# Not by the letter: no record is to blame.
OURS = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
INFO = RetryInfo(retry_delay=Duration(seconds=3, nanos=500_000_000))


def packed(*details: RetryInfo | BadRequest) -> bytes:
    """Return a google.rpc.Status with these details."""
    status = Status(code=8, message="busy")
    for detail in details:
        status.details.add().Pack(detail)
    return bytes(status.SerializeToString())


def response(rejected_spans: int, message: str) -> bytes:
    """Return an encoded answer with a partial success."""
    partial = ExportTracePartialSuccess(rejected_spans=rejected_spans, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Delivered()),
        (response(0, ""), Delivered()),
        (response(0, "just a warning"), Delivered()),
        (response(-5, "nonsense"), Delivered()),
        (response(3, "too old"), Rejected(3, "too old")),
        (response(1, ""), Rejected(1, "no reason given")),
        (b"\xff\xff\xff", Delivered()),
    ],
)
def test_ok_means_delivered_but_for_what_was_rejected(
    body: bytes, expected: Delivered | Rejected
) -> None:
    """A partial success is a rejection of some, never a retry."""
    assert otlp_reply.of_response(body) == expected


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_each_code_is_retried_or_not_as_otlp_says(code: grpc.StatusCode) -> None:
    """The codes of OTLP's list are tried again, and those that tell of our configuration.

    Every other one rejects the whole request, so that its good items can be told from the bad.
    """
    outcome = otlp_reply.of_error(code, "why", (), 5)
    if code in RETRYABLE | OURS or code is grpc.StatusCode.UNIMPLEMENTED:
        assert outcome == Retry(f"{code.name}: why", None)
    else:
        assert outcome == Rejected(5, f"{code.name}: why", whole=True)


def test_a_collector_without_logs_refuses_them_at_once() -> None:
    """What takes traces alone is not asked again, nor with half of it; for traces it is waited."""
    code = grpc.StatusCode.UNIMPLEMENTED
    refused = otlp_reply.of_error(code, "no", (), 5, Kind.LOGS)
    assert refused == Rejected(5, "UNIMPLEMENTED: no; set signals to what it takes")
    assert otlp_reply.of_http(404, {}, b"no", 5, Kind.METRICS) == Rejected(
        5, "HTTP 404: no; set signals to what it takes"
    )
    assert otlp_reply.of_http(404, {}, b"no", 5, Kind.SPANS) == Retry("HTTP 404: no")


@pytest.mark.parametrize("status", range(100, 600))
def test_each_http_status_is_retried_or_not(status: int) -> None:
    """2xx is taken, OTLP's four and ours are waited for, the rest is refused as a whole."""
    outcome = otlp_reply.of_http(status, {"retry-after": "7"}, b"why", 5, Kind.SPANS)
    if 200 <= status < 300:
        assert outcome == Delivered()
    elif status < 400 or status in {401, 403, 407, 408, 429, 502, 503, 504}:
        assert outcome == Retry(f"HTTP {status}: why", 7.0)
    elif status in {404, 405}:
        assert isinstance(outcome, Retry)
    else:
        assert outcome == Rejected(5, f"HTTP {status}: why", whole=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1e9", None),
        ("99999999999", None),
        ("soon", None),
        ("Thu, 99 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    """Both forms of RFC 9110 are understood, anything else asks for nothing."""
    assert otlp_reply.http_after_s(value, 10.0) == expected


@given(st.text(max_size=60))
def test_a_hostile_retry_after_never_raises(value: str) -> None:
    """Whatever a server writes there is a wait or none."""
    found = otlp_reply.http_after_s(value, 0.0)
    assert found is None or found >= 0.0


def test_what_a_body_says_is_the_reason() -> None:
    """A google.rpc.Status is read where the type says so; junk is named as such."""
    body = Status(message="too old").SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    told = otlp_reply.of_http(400, headers, body, 2, Kind.SPANS)
    assert told == Rejected(2, "HTTP 400: too old", whole=True)
    junk = otlp_reply.of_http(400, headers, b"\xff\xff", 2, Kind.SPANS)
    assert junk == Rejected(2, "HTTP 400: its details cannot be read", whole=True)


def test_each_signal_counts_its_own_refusals() -> None:
    """Log records are items; a request of metrics is one item, however many points it lost."""
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = 3
    assert otlp_reply.of_response(logs.SerializeToString(), Kind.LOGS) == Rejected(
        3, "no reason given"
    )
    metrics = ExportMetricsServiceResponse()
    metrics.partial_success.rejected_data_points = 50
    metrics.partial_success.error_message = "old"
    assert otlp_reply.of_response(metrics.SerializeToString(), Kind.METRICS) == Rejected(1, "old")


@pytest.mark.parametrize(
    "trailers",
    [
        (("google.rpc.retryinfo-bin", INFO.SerializeToString()),),
        (("grpc-status-details-bin", packed(INFO)),),
        (("grpc-status-details-bin", packed(BadRequest(), INFO)),),
        (("other", "x"), ("google.rpc.retryinfo-bin", INFO.SerializeToString())),
        (
            ("google.rpc.retryinfo-bin", b"\xff\xff"),
            ("grpc-status-details-bin", packed(INFO)),
        ),
    ],
)
def test_the_delay_is_found_in_either_trailer(trailers: Trailers) -> None:
    """RetryInfo makes RESOURCE_EXHAUSTED retryable, and says when."""
    exhausted = otlp_reply.of_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "", trailers, 5)
    assert exhausted == Retry("RESOURCE_EXHAUSTED: no details given", 3.5)
    unavailable = otlp_reply.of_error(grpc.StatusCode.UNAVAILABLE, "", trailers, 5)
    assert unavailable == Retry("UNAVAILABLE: no details given", 3.5)


def test_a_delay_does_not_make_a_refusal_retryable() -> None:
    """INVALID_ARGUMENT stays final whatever comes with it."""
    trailers = (("google.rpc.retryinfo-bin", INFO.SerializeToString()),)
    outcome = otlp_reply.of_error(grpc.StatusCode.INVALID_ARGUMENT, "bad", trailers, 2)
    assert outcome == Rejected(2, "INVALID_ARGUMENT: bad", whole=True)


def test_a_negative_delay_is_none_at_all() -> None:
    """A peer cannot ask to be called in the past."""
    info = RetryInfo(retry_delay=Duration(seconds=-9)).SerializeToString()
    assert otlp_reply.retry_after_s((("google.rpc.retryinfo-bin", info),)) == 0.0


@pytest.mark.fault(36)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["google.rpc.retryinfo-bin", "grpc-status-details-bin", "x"]),
            st.one_of(
                st.text(max_size=20),
                st.binary(max_size=60),
                st.binary(max_size=20).map(
                    lambda value: Status(
                        details=[
                            AnyMessage(
                                type_url="type.googleapis.com/google.rpc.RetryInfo", value=value
                            )
                        ]
                    ).SerializeToString()
                ),
            ),
        ),
        max_size=4,
    )
)
def test_hostile_trailers_never_raise(trailers: list[tuple[str, str | bytes]]) -> None:
    """Whatever a peer puts in its trailers, the answer is a wait from zero, or none."""
    after_s = otlp_reply.retry_after_s(trailers)
    assert after_s is None or after_s >= 0
