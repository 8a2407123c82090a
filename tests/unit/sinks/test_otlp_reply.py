"""What a collector's answer means, by the letter of OTLP."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from sidespand.model import Delivered, Rejected, Retry
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
    """Only the codes of OTLP's list are tried again; every other one rejects the whole request."""
    outcome = otlp_reply.of_error(code, "why", (), 5)
    if code in RETRYABLE:
        assert outcome == Retry(f"{code.name}: why", None)
    else:
        assert outcome == Rejected(5, f"{code.name}: why")


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
    assert outcome == Rejected(2, "INVALID_ARGUMENT: bad")


def test_a_negative_delay_is_none_at_all() -> None:
    """A peer cannot ask to be called in the past."""
    info = RetryInfo(retry_delay=Duration(seconds=-9)).SerializeToString()
    assert otlp_reply.retry_after_s((("google.rpc.retryinfo-bin", info),)) == 0.0


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
