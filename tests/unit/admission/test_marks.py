"""Admission of marks: the checks of spans, no end, and what the table of open spans keeps."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.admission import OtlpAdmission
from sidespand.errors import InvalidRequest
from sidespand.limits import OPEN_TEXT_CHARACTERS_MAX
from sidespand.model import Kind, SpanKey
from tests.otlp import START_NS, export_request, marked

TRACE = bytes(range(16))
ONE, TWO = bytes(7) + b"\x01", bytes(7) + b"\x02"


def test_each_item_is_kept_by_its_ids_start_and_names() -> None:
    """In item order, so that its place in the record is its LSN's."""
    (content,) = OtlpAdmission().admit(Kind.MARKS, marked(TRACE, [ONE, TWO])).contents

    assert content.kind is Kind.MARKS
    assert [mark.key for mark in content.marks] == [SpanKey(TRACE, ONE), SpanKey(TRACE, TWO)]
    assert [mark.start_ns for mark in content.marks] == [START_NS, START_NS + 1]
    assert [(mark.name, mark.service) for mark in content.marks] == [
        ("step 0", "test"), ("step 1", "test"),
    ]  # fmt: skip


def test_spans_keep_nothing() -> None:
    """Only marks open spans."""
    (content,) = OtlpAdmission().admit(Kind.SPANS, marked(TRACE, [ONE])).contents

    assert content.marks == ()


def test_names_are_cut() -> None:
    """The table is in memory; the record has the whole name."""
    request = export_request(1, service="s" * 1000)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.end_time_unix_nano, span.name = 0, "n" * 1000
    body = request.SerializeToString()

    (content,) = OtlpAdmission().admit(Kind.MARKS, body).contents

    (mark,) = content.marks
    assert (mark.name, mark.service) == (
        "n" * OPEN_TEXT_CHARACTERS_MAX, "s" * OPEN_TEXT_CHARACTERS_MAX,
    )  # fmt: skip
    assert content.payload == body


def test_a_mark_with_an_end_is_refused_and_the_others_stay() -> None:
    """Marks and payload are those of the good rest."""
    body = marked(TRACE, [ONE, TWO], end_ns=[9, 0])

    admitted = OtlpAdmission().admit(Kind.MARKS, body)

    (content,) = admitted.contents
    assert [mark.key.span_id for mark in content.marks] == [TWO]
    assert admitted.rejected_items == 1
    assert "a mark must not have an end_time_unix_nano" in admitted.rejected_reason
    kept = ExportTraceServiceRequest.FromString(content.payload)
    assert [span.span_id for span in kept.resource_spans[0].scope_spans[0].spans] == [TWO]


@pytest.mark.parametrize("span_id", [b"", b"short", bytes(8), bytes(9)])
def test_ids_are_checked_as_those_of_spans(span_id: bytes) -> None:
    """A mark that names no span opens none."""
    with pytest.raises(InvalidRequest, match="span_id"):
        OtlpAdmission().admit(Kind.MARKS, marked(TRACE, [span_id]))
