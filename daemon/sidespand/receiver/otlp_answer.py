"""What OTLP answers to a request that was accepted.

Source: opentelemetry-proto docs/specification.md, "Full Success" and "Partial Success".
"""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from sidespand.model import Kind
from sidespand.receiver.intake import Accepted


def otlp_answer(kind: Kind, accepted: Accepted) -> bytes:
    """Return the encoded Export…ServiceResponse: empty, or with what was refused and why."""
    if not accepted.rejected_items:
        return b""
    answer: ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse
    if kind is Kind.SPANS:
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = accepted.rejected_items
    elif kind is Kind.LOGS:
        answer = ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = accepted.rejected_items
    else:
        answer = ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = accepted.rejected_items
    answer.partial_success.error_message = accepted.rejected_reason
    return answer.SerializeToString()
