"""OTLP/JSON becomes the protobuf that it stands for, or is refused with the field named."""

import base64
import json
import re
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from sidespand.errors import InvalidRequest
from sidespand.limits import JSON_DEPTH_MAX
from sidespand.model import Kind
from sidespand.receiver.otlp_json import answer_json, to_protobuf

TRACE_ID = "5b8efff798038103d269b633813fc60c"
SPAN_ID = "eee19b7ec3c1b174"


def request(**span: Any) -> bytes:
    """Return a request with one span of the given fields."""
    fields = {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "x", **span}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def span_of(body: bytes) -> Any:
    """Return the one span of a converted request."""
    message = ExportTraceServiceRequest.FromString(to_protobuf(Kind.SPANS, body))
    return message.resource_spans[0].scope_spans[0].spans[0]


def hexed(document: Any) -> Any:
    """Return a document of the library's mapping with ids in hex, as OTLP writes them."""
    if isinstance(document, list):
        return [hexed(one) for one in document]
    if not isinstance(document, dict):
        return document
    found = {}
    for key, value in document.items():
        is_id = key in ("traceId", "spanId", "parentSpanId")
        found[key] = base64.b64decode(value).hex() if is_id else hexed(value)
    return found


def test_ids_are_hex_in_either_case() -> None:
    """Hex digits become the bytes they stand for, in upper and lower case alike."""
    span = span_of(request(traceId=TRACE_ID.upper(), parentSpanId=SPAN_ID))

    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == SPAN_ID


def test_null_is_a_field_that_is_not_set() -> None:
    """An encoder may write what it has no value for."""
    span = span_of(request(parentSpanId=None, kind=None, startTimeUnixNano=None, attributes=None))

    assert (span.parent_span_id, span.kind, span.name) == (b"", 0, "x")


def test_64_bit_numbers_are_text_or_numbers() -> None:
    """Times come as decimal text, as the mapping says, or as numbers, as people write them."""
    for value in ("1544712660000000000", 1544712660000000000):
        assert span_of(request(startTimeUnixNano=value)).start_time_unix_nano == 1544712660000000000


def test_unknown_fields_are_passed_over() -> None:
    """A later version's fields do no harm."""
    assert span_of(request(somethingNew={"deep": [1]})).name == "x"


def test_ids_inside_links_are_mended_and_attributes_are_not() -> None:
    """A link has ids; an attribute that is only called so has text."""
    span = span_of(
        request(
            links=[{"traceId": TRACE_ID, "spanId": SPAN_ID}],
            attributes=[
                {
                    "key": "traceId",
                    "value": {
                        "kvlistValue": {
                            "values": [{"key": "spanId", "value": {"stringValue": "zz"}}]
                        }
                    },
                }
            ],
        )
    )

    assert span.links[0].span_id.hex() == SPAN_ID
    assert span.attributes[0].value.kvlist_value.values[0].value.string_value == "zz"


def test_logs_are_converted_too() -> None:
    """A log record keeps its body, severity and the span that it belongs to."""
    body = json.dumps(
        {
            "resourceLogs": [
                {
                    "scopeLogs": [
                        {
                            "logRecords": [
                                {
                                    "traceId": TRACE_ID,
                                    "severityNumber": 9,
                                    "body": {"stringValue": "said"},
                                }
                            ]
                        }
                    ]
                }
            ]
        }
    ).encode()
    message = ExportLogsServiceRequest.FromString(to_protobuf(Kind.LOGS, body))
    log = message.resource_logs[0].scope_logs[0].log_records[0]

    assert (log.trace_id.hex(), log.severity_number, log.body.string_value) == (
        TRACE_ID,
        9,
        "said",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "an object is expected"),
        (b"\xff\xfe", "not JSON"),
        (request(traceId="xyz"), "resourceSpans[0].scopeSpans[0].spans[0].traceId: hex"),
        (request(spanId=17), "spanId: hex"),
        (request(kind="SPAN_KIND_SERVER"), "kind: OTLP/JSON writes enum values as integers"),
        (request(startTimeUnixNano="soon"), "not an OTLP/JSON request"),
        (request(name=5), "not an OTLP/JSON request"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, said: str) -> None:
    """The refusal names what was expected, and where."""
    with pytest.raises(InvalidRequest, match=re.escape(said)):
        to_protobuf(Kind.SPANS, body)


@pytest.mark.parametrize("levels", [JSON_DEPTH_MAX + 1, 5_000, 100_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    """However deep an attribute nests, the answer is a refusal."""
    nested = '{"arrayValue":{"values":[' * levels + '{"intValue":"1"}' + "]}}" * levels
    body = request().replace(
        b'"name"', b'"attributes":[{"key":"a","value":' + nested.encode() + b'}],"name"'
    )
    with pytest.raises(InvalidRequest):
        to_protobuf(Kind.SPANS, body)


@pytest.mark.parametrize("key", ["somethingNew", "attributes"])
def test_depth_is_counted_wherever_it_is(key: str) -> None:
    """The object itself is the first level; one level too many is named, also in unknown fields."""

    def nested(levels: int) -> bytes:
        return b'{"%s":%s%s}' % (key.encode(), b"[" * (levels - 1), b"]" * (levels - 1))

    assert to_protobuf(Kind.SPANS, nested(JSON_DEPTH_MAX)) == b""
    with pytest.raises(InvalidRequest, match=f"nested deeper than {JSON_DEPTH_MAX} levels"):
        to_protobuf(Kind.SPANS, nested(JSON_DEPTH_MAX + 1))


@given(
    names=st.lists(st.text(max_size=8), min_size=1, max_size=4),
    number=st.integers(-(2**63), 2**63 - 1),
    raw=st.binary(max_size=16),
)
def test_the_mapping_is_the_library_s_but_for_ids(
    names: list[str], number: int, raw: bytes
) -> None:
    """A message written by the library, its ids in hex, comes back equal."""
    message = ExportTraceServiceRequest()
    scope_spans = message.resource_spans.add().scope_spans.add()
    for name in names:
        span = scope_spans.spans.add(
            trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID), name=name, kind=2
        )
        span.attributes.add(key=name).value.int_value = number
        span.attributes.add(key="raw").value.bytes_value = raw
    document = hexed(json_format.MessageToDict(message, use_integers_for_enums=True))

    converted = to_protobuf(Kind.SPANS, json.dumps(document).encode())

    assert ExportTraceServiceRequest.FromString(converted) == message


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_junk_is_refused_and_nothing_else(body: bytes) -> None:
    """No input raises anything but a refusal."""
    try:
        to_protobuf(Kind.SPANS, body)
    except InvalidRequest:
        return


def test_a_partial_success_is_told_in_json() -> None:
    """The answer is in the encoding of the request, 64-bit numbers as text."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "because"

    assert json.loads(answer_json(Kind.SPANS, answer.SerializeToString())) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "because"}
    }
    assert json.loads(answer_json(Kind.SPANS, b"")) == {}
