"""OTLP files hold logs and metrics, too, whose encoded requests look like those of spans."""

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests import otlp
from tests.unit.exchange import files


def logs() -> ExportLogsServiceRequest:
    """Return a request of one log record."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = otlp.START_NS
    record.body.string_value = "asked"
    return request


def metrics(name: str = "tokens", description: str = "") -> ExportMetricsServiceRequest:
    """Return a request of one sum."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name, metric.description = name, description
    metric.sum.data_points.add(as_int=7, time_unix_nano=otlp.START_NS)
    return request


def as_json(*requests: Message) -> bytes:
    """Return requests as lines of OTLP/JSON; none of them has ids."""
    return files.lines([MessageToDict(one, use_integers_for_enums=True) for one in requests])


def framed(*requests: Message) -> bytes:
    """Return requests behind their lengths."""
    encoded = [one.SerializeToString() for one in requests]
    return b"".join(len(one).to_bytes(4, "big") + one for one in encoded)


@pytest.mark.parametrize("content", [as_json(logs()), framed(logs()), logs().SerializeToString()])
def test_log_records_are_taken_as_such(content: bytes) -> None:
    """They are no spans, in JSON and in protobuf."""
    _, _, (part,) = files.parts(content)

    assert part.logs == logs()
    assert part.request is not None
    assert not part.request.resource_spans


# The last one has a name and a description as long as a span's ids.
@pytest.mark.parametrize("request_", [metrics(), metrics("n" * 16, "d" * 8)])
def test_metrics_are_refused_by_their_place(request_: ExportMetricsServiceRequest) -> None:
    """What was before and behind them is read."""
    for content, where in (
        (as_json(logs(), request_, logs()), "line 2"),
        (framed(otlp.export_request(), request_, logs()), "message 2"),
    ):
        _, _, (before, refused, behind) = files.parts(content)

        assert (refused.where, refused.seq, refused.request) == (where, 2, None)
        assert "metrics" in refused.refusal
        assert (before.refusal, behind.refusal, behind.logs) == ("", "", logs())


def test_one_line_of_spans_and_logs_holds_both() -> None:
    """Neither hides the other."""
    span = {"traceId": "11" * 16, "spanId": "22" * 8, "name": "call", "startTimeUnixNano": "1"}
    both = {
        "resourceSpans": [{"scopeSpans": [{"spans": [span]}]}],
        "resourceLogs": MessageToDict(logs())["resourceLogs"],
    }
    content = files.lines([both])

    _, _, (part,) = files.parts(content)

    assert list(files.spans(content)) == ["call"]
    assert part.logs == logs()


def test_spans_of_many_shapes_stay_spans() -> None:
    """Ids that read as text make no metrics of them."""
    request = otlp.export_request(2, trace_id=b"t" * 16, span_ids=[b"s" * 8, b"r" * 8])

    _, _, (part,) = files.parts(request.SerializeToString())

    assert (part.request, part.logs, part.refusal) == (request, None, "")
