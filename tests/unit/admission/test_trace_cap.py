"""A cap on the spans of one trace: what is over it is refused as a part."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.admission import CappedAdmission, OtlpAdmission, trace_cap
from sidespand.model import Admitted, Kind
from tests.otlp import encoded, export_request
from tests.unit.admission.test_edges import cite, token

TRACE = b"trace of 16 byte"
OTHER = b"another trace id"


def capped(spans_max: int = 5) -> CappedAdmission:
    """Return an admission with a cap."""
    return CappedAdmission(OtlpAdmission(), spans_max)


def stored(admitted: Admitted) -> int:
    """Return how many items are stored."""
    return sum(content.item_count for content in admitted.contents)


def test_a_trace_is_taken_up_to_the_cap() -> None:
    """The spans up to it as they came; of a request that crosses it the first ones; then none."""
    admission = capped()
    body = encoded(3, trace_id=TRACE)
    first = admission.admit(Kind.SPANS, body)
    second = admission.admit(Kind.SPANS, encoded(3, trace_id=TRACE))
    third = admission.admit(Kind.SPANS, encoded(3, trace_id=TRACE))

    assert first.contents[0].payload is body
    assert [stored(one) for one in (first, second, third)] == [3, 2, 0]
    assert [one.rejected_items for one in (first, second, third)] == [0, 1, 3]
    assert second.rejected_reason == "capacity_exceeded: 1 spans over 5 of their trace"
    assert third.contents == ()
    request = ExportTraceServiceRequest.FromString(second.contents[0].payload)
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == [
        "step 0",
        "step 1",
    ]


def test_a_trace_does_not_cost_another_its_spans() -> None:
    """Each is counted alone, also within one request."""
    admission = capped()
    mixed = export_request(6, trace_id=TRACE)
    mixed.MergeFrom(export_request(4, trace_id=OTHER))

    admitted = admission.admit(Kind.SPANS, mixed.SerializeToString())

    assert (stored(admitted), admitted.rejected_items) == (9, 1)
    assert stored(admission.admit(Kind.SPANS, encoded(9, trace_id=OTHER))) == 1


def test_edges_are_those_of_the_spans_that_are_stored() -> None:
    """A token in a span that was left out is not in the record."""
    request = export_request(6, trace_id=TRACE)
    for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        cite(span, token(number + 1))

    (content,) = capped().admit(Kind.SPANS, request.SerializeToString()).contents

    assert [(edge.item_index, edge.lsn) for edge in content.edges] == [
        (number, number + 1) for number in range(5)
    ]


def test_what_was_not_written_does_not_count() -> None:
    """A request that the journal could not take may come again."""
    admission = capped()
    admitted = admission.admit(Kind.SPANS, encoded(5, trace_id=TRACE))
    admission.withdraw(admitted)

    assert stored(admission.admit(Kind.SPANS, encoded(5, trace_id=TRACE))) == 5


def test_only_ended_spans_count() -> None:
    """A mark's span counts when it ends."""
    admission = capped(1)
    request = export_request(3, trace_id=TRACE)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.end_time_unix_nano = 0
    for _ in range(2):
        assert admission.admit(Kind.MARKS, request.SerializeToString()).rejected_items == 0


def test_bad_spans_are_told_beside_those_over_the_cap() -> None:
    """Both are in the reason and in the count."""
    request = export_request(7, trace_id=TRACE)
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b""

    admitted = capped().admit(Kind.SPANS, request.SerializeToString())

    assert (stored(admitted), admitted.rejected_items) == (5, 2)
    assert "span_id has 0 bytes" in admitted.rejected_reason
    assert "capacity_exceeded: 1 spans" in admitted.rejected_reason


def test_the_trace_that_was_silent_for_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the counts stay within bounds."""
    monkeypatch.setattr(trace_cap, "CAPPED_TRACES_MAX", 2)
    admission = capped()
    for trace_id in (TRACE, OTHER, TRACE, b"third trace's id"):
        admission.admit(Kind.SPANS, encoded(2, trace_id=trace_id))

    assert stored(admission.admit(Kind.SPANS, encoded(5, trace_id=TRACE))) == 1
    assert stored(admission.admit(Kind.SPANS, encoded(5, trace_id=OTHER))) == 5
