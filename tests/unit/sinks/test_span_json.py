"""Spans as JSON values: lossless where JSON can be, documented where it cannot."""

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.sinks import span_json

EXACT = 2**53 - 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (AnyValue(), None),
        (AnyValue(string_value=""), ""),
        (AnyValue(string_value="a\x1b\n"), "a\x1b\n"),
        (AnyValue(bool_value=False), False),
        (AnyValue(int_value=0), 0),
        (AnyValue(int_value=EXACT), EXACT),
        (AnyValue(int_value=-EXACT), -EXACT),
        (AnyValue(int_value=EXACT + 1), str(EXACT + 1)),
        (AnyValue(int_value=-(2**63)), str(-(2**63))),
        (AnyValue(double_value=0.1), 0.1),
        (AnyValue(double_value=math.nan), "NaN"),
        (AnyValue(double_value=math.inf), "Infinity"),
        (AnyValue(double_value=-math.inf), "-Infinity"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])), [1, None]),
        (
            AnyValue(
                kvlist_value=KeyValueList(
                    values=[KeyValue(key="k", value=AnyValue(bytes_value=b""))]
                )
            ),
            {"k": ""},
        ),
    ],
)
def test_each_kind_of_value_has_one_form(given: AnyValue, expected: Any) -> None:
    """Numbers keep their value, bytes are base64, and floats that JSON lacks have a name."""
    found = span_json.value(given)
    assert found == expected
    assert type(found) is type(expected)


def test_a_span_is_told_whole() -> None:
    """Ids are hex, times decimal text, kind and status words."""
    span = Span(
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        parent_span_id=bytes(range(1, 9)),
        trace_state="a=b",
        name="call",
        kind=3,  # type: ignore[arg-type]
        start_time_unix_nano=2**64 - 1,
        end_time_unix_nano=0,
        status=Status(code=Status.STATUS_CODE_ERROR, message="no"),
        events=[Span.Event(time_unix_nano=5, name="retry")],
        links=[Span.Link(trace_id=bytes(16), span_id=bytes(8), trace_state="c=d")],
    )
    assert span_json.span_fields(span) == {
        "trace_id": "000102030405060708090a0b0c0d0e0f",
        "span_id": "0001020304050607",
        "parent_span_id": "0102030405060708",
        "name": "call",
        "kind": "client",
        "start_ns": "18446744073709551615",
        "end_ns": "0",
        "status": {"code": "error", "message": "no"},
        "attributes": {},
        "events": [{"time_ns": "5", "name": "retry", "attributes": {}}],
        "links": [
            {"trace_id": "0" * 32, "span_id": "0" * 16, "trace_state": "c=d", "attributes": {}}
        ],
        "trace_state": "a=b",
    }


@pytest.mark.parametrize("parent", [b"", bytes(8)])
def test_a_root_has_no_parent(parent: bytes) -> None:
    """Absent or all zero, OTLP's two ways to say so, are one null."""
    assert span_json.span_fields(Span(parent_span_id=parent))["parent_span_id"] is None


def test_words_of_a_later_version_are_numbers() -> None:
    """An enum value that this version has no word for is kept."""
    span = Span(kind=17, status=Status(code=9))  # type: ignore[arg-type]
    fields = span_json.span_fields(span)
    assert (fields["kind"], fields["status"]["code"]) == ("17", "9")


def test_deep_nesting_is_told_to_its_end() -> None:
    """The deepest value that the parser accepts can be encoded."""
    value = AnyValue(string_value="deep")
    for _ in range(30):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    assert json.dumps(span_json.value(value)).count("[") == 30
