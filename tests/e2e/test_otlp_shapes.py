"""Requests of the shapes that OTLP's own examples have are stored alike, as JSON and as protobuf.

Source: opentelemetry-proto, examples/: trace, logs, events and metrics.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, text_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import doors
from tests.daemon import Daemon, running
from tests.journals import records_of

TRACE, SPAN, PARENT = "0AF7651916CD43DD8448EB211C80319C", "B7AD6B7169203331", "00F067AA0BA902B7"
AT = 1790000000000000001
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "planner"}}]}
SCOPE = {
    "name": "shop.agent",
    "version": "2.1",
    "attributes": [{"key": "team", "value": {"stringValue": "search"}}],
}
ATTRIBUTES = [
    {"key": "text", "value": {"stringValue": "é"}},
    {"key": "flag", "value": {"boolValue": True}},
    {"key": "whole", "value": {"intValue": 7}},
    {"key": "large", "value": {"intValue": "9007199254740993"}},
    {"key": "part", "value": {"doubleValue": 0.5}},
    {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
    {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}},
]
IN_TEXT = """
    attributes { key: "text" value { string_value: "\\303\\251" } }
    attributes { key: "flag" value { bool_value: true } }
    attributes { key: "whole" value { int_value: 7 } }
    attributes { key: "large" value { int_value: 9007199254740993 } }
    attributes { key: "part" value { double_value: 0.5 } }
    attributes { key: "list" value { array_value { values { string_value: "a" } } } }
    attributes { key: "map" value { kvlist_value {
        values { key: "k" value { int_value: 1 } } } } }
"""
HEAD = """
    resource { attributes { key: "service.name" value { string_value: "planner" } } }
    %s {
      scope {
        name: "shop.agent" version: "2.1"
        attributes { key: "team" value { string_value: "search" } }
      }
"""
POINT = {"startTimeUnixNano": AT, "timeUnixNano": str(AT + 1), "attributes": ATTRIBUTES[:1]}
POINT_TEXT = f"""
    start_time_unix_nano: {AT} time_unix_nano: {AT + 1}
    attributes {{ key: "text" value {{ string_value: "\\303\\251" }} }}
"""


def scoped(signal: str, key: str, items: list[Any]) -> dict[str, Any]:
    """Return a request of one resource and one scope in OTLP/JSON."""
    scope = {"scope": SCOPE, key: items}
    return {f"resource{signal}": [{"resource": RESOURCE, f"scope{signal}": [scope]}]}


SPANS = scoped("Spans", "spans", [{
    "traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "a server span", "kind": 2,
    "startTimeUnixNano": AT, "endTimeUnixNano": str(AT + 5), "attributes": ATTRIBUTES,
    "droppedAttributesCount": 1, "events": [{"timeUnixNano": AT + 1, "name": "half way"}],
    "links": [{"traceId": TRACE, "spanId": PARENT}], "status": {"code": 2, "message": "no"},
}])  # fmt: skip
SPANS_TEXT = f"""resource_spans {{ {HEAD % "scope_spans"} spans {{
    trace_id: "\\n\\367e\\031\\026\\315C\\335\\204H\\353!\\034\\2001\\234"
    span_id: "\\267\\255kqi 31" parent_span_id: "\\000\\360g\\252\\013\\251\\002\\267"
    name: "a server span" kind: SPAN_KIND_SERVER
    start_time_unix_nano: {AT} end_time_unix_nano: {AT + 5} {IN_TEXT}
    dropped_attributes_count: 1
    events {{ time_unix_nano: {AT + 1} name: "half way" }}
    links {{
      trace_id: "\\n\\367e\\031\\026\\315C\\335\\204H\\353!\\034\\2001\\234"
      span_id: "\\000\\360g\\252\\013\\251\\002\\267"
    }}
    status {{ message: "no" code: STATUS_CODE_ERROR }}
}} }} }}"""
LOGS = scoped("Logs", "logRecords", [
    {"timeUnixNano": AT, "observedTimeUnixNano": str(AT + 1), "severityNumber": 10,
     "severityText": "Information", "traceId": TRACE, "spanId": SPAN,
     "body": {"stringValue": "said"}, "attributes": ATTRIBUTES},
    {"timeUnixNano": AT, "eventName": "button.pressed",
     "body": {"kvlistValue": {"values": [{"key": "x", "value": {"intValue": "3"}}]}}},
])  # fmt: skip
LOGS_TEXT = f"""resource_logs {{ {HEAD % "scope_logs"} log_records {{
    time_unix_nano: {AT} observed_time_unix_nano: {AT + 1} severity_number: SEVERITY_NUMBER_INFO2
    severity_text: "Information" body {{ string_value: "said" }} {IN_TEXT}
    trace_id: "\\n\\367e\\031\\026\\315C\\335\\204H\\353!\\034\\2001\\234"
    span_id: "\\267\\255kqi 31"
  }}
  log_records {{
    time_unix_nano: {AT} event_name: "button.pressed"
    body {{ kvlist_value {{ values {{ key: "x" value {{ int_value: 3 }} }} }} }}
}} }} }}"""
METRICS = scoped("Metrics", "metrics", [
    {"name": "calls", "unit": "1", "description": "of tools", "sum": {
        "aggregationTemporality": 1, "isMonotonic": True,
        "dataPoints": [{**POINT, "asDouble": 5}, {**POINT, "asInt": "6"}]}},
    {"name": "depth", "gauge": {"dataPoints": [{**POINT, "asDouble": 10.5}]}},
    {"name": "took", "unit": "ms", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {**POINT, "count": 3, "sum": 3, "bucketCounts": [1, "2"], "explicitBounds": [1],
         "min": 1, "max": 2}]}},
    {"name": "spread", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
        {**POINT, "count": "2", "sum": 4.5, "scale": -1, "zeroCount": 1,
         "positive": {"offset": 1, "bucketCounts": [0, 1]}}]}},
    {"name": "old", "summary": {"dataPoints": [
        {**POINT, "count": 2, "sum": 3, "quantileValues": [{"quantile": 0.5, "value": 1}]}]}},
])  # fmt: skip
METRICS_TEXT = f"""resource_metrics {{ {HEAD % "scope_metrics"}
  metrics {{ name: "calls" description: "of tools" unit: "1" sum {{
      data_points {{ {POINT_TEXT} as_double: 5 }} data_points {{ {POINT_TEXT} as_int: 6 }}
      aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA is_monotonic: true }} }}
  metrics {{ name: "depth" gauge {{ data_points {{ {POINT_TEXT} as_double: 10.5 }} }} }}
  metrics {{ name: "took" unit: "ms" histogram {{
      data_points {{ {POINT_TEXT} count: 3 sum: 3 bucket_counts: [1, 2] explicit_bounds: 1
        min: 1 max: 2 }}
      aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE }} }}
  metrics {{ name: "spread" exponential_histogram {{
      data_points {{ {POINT_TEXT} count: 2 sum: 4.5 scale: -1 zero_count: 1
        positive {{ offset: 1 bucket_counts: [0, 1] }} }}
      aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA }} }}
  metrics {{ name: "old" summary {{
      data_points {{ {POINT_TEXT} count: 2 sum: 3
        quantile_values {{ quantile: 0.5 value: 1 }} }} }} }}
}} }}"""

CASES: dict[str, tuple[str, dict[str, Any], str, type[Message]]] = {
    "traces": ("trace.v1.TraceService", SPANS, SPANS_TEXT, ExportTraceServiceRequest),
    "logs": ("logs.v1.LogsService", LOGS, LOGS_TEXT, ExportLogsServiceRequest),
    "metrics": ("metrics.v1.MetricsService", METRICS, METRICS_TEXT, ExportMetricsServiceRequest),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon that stores again what comes again."""
    config = '[receivers]\nrepeat_window = "0s"\n'
    with running(tmp_path_factory.mktemp("node"), config=config) as started:
        yield started


def post(daemon: Daemon, signal: str, media_type: str, body: bytes) -> bytes:
    """Send a request over HTTP; return the body of its success."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", f"/v1/{signal}", body, {"content-type": media_type})
        response = connection.getresponse()
        said = response.read()
    assert response.status == 200, said
    assert response.getheader("content-type") == media_type
    assert response.getheader("sidespan-token")
    return said


@pytest.mark.parametrize("signal", CASES)
def test_every_encoding_means_the_same(daemon: Daemon, signal: str) -> None:
    """Ids in hex of either case, numbers as text or numbers, enums as integers; and over gRPC."""
    service, document, text, request = CASES[signal]
    expected = text_format.Parse(text, request())
    body = expected.SerializeToString()

    assert post(daemon, signal, "application/json", json.dumps(document).encode()) == b"{}"
    assert post(daemon, signal, "application/x-protobuf", body) == b""
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        export = channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")
        assert export(body, timeout=doors.TIMEOUT_S) == b""

    stored = [one for one in records_of(daemon.data) if not one.header.kind.is_control]
    payloads = [one.payload for one in stored[-3:]]
    assert [request.FromString(payload or b"") for payload in payloads] == [expected] * 3
    assert payloads[1:] == [body, body]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-protobuf"])
def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
    daemon: Daemon, media_type: str
) -> None:
    """With code and message, as OTLP asks for."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", "/v1/traces", b"\xff", {"content-type": media_type})
        response = connection.getresponse()
        body = response.read()
    assert (response.status, response.getheader("content-type")) == (400, media_type)
    if media_type == "application/json":
        status = json_format.Parse(body, Status())
    else:
        status = Status.FromString(body)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "JSON" in status.message or "ExportTraceServiceRequest" in status.message
