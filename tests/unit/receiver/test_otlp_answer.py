"""What OTLP answers: nothing for full success, and what was left out for partial success."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from sidespand.hlc import Hlc
from sidespand.model import Kind, Receipt
from sidespand.receiver.intake import Accepted
from sidespand.receiver.otlp_answer import otlp_answer

RECEIPT = Receipt(7, 9, Hlc(1, 0), "token")
SIGNALS = [
    (Kind.SPANS, ExportTraceServiceResponse, "rejected_spans"),
    (Kind.LOGS, ExportLogsServiceResponse, "rejected_log_records"),
    (Kind.METRICS, ExportMetricsServiceResponse, "rejected_data_points"),
]


@pytest.mark.parametrize("kind", [kind for kind, _, _ in SIGNALS])
def test_full_success_is_empty(kind: Kind) -> None:
    """OTLP wants partial_success unset, which is no byte at all."""
    assert otlp_answer(kind, Accepted(RECEIPT, 0, "")) == b""


@pytest.mark.parametrize(("kind", "response", "field"), SIGNALS)
def test_partial_success_is_counted_in_the_signal_s_own_field(
    kind: Kind, response: type[ExportTraceServiceResponse], field: str
) -> None:
    """The count is under the name that the signal's clients read, beside the reason."""
    answer = response.FromString(otlp_answer(kind, Accepted(RECEIPT, 2, "2 of 5 refused")))

    assert getattr(answer.partial_success, field) == 2
    assert answer.partial_success.error_message == "2 of 5 refused"
