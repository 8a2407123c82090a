"""Governed records are kept apart from the others, and their traces stay where they began."""

import os
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.admission import CappedAdmission, GovernedAdmission, MetadataAdmission, OtlpAdmission
from sidespand.admission import governed as module
from sidespand.errors import InvalidRequest
from sidespand.governed import declare, resources, sinks_of
from sidespand.model import Admitted, Kind
from sidespand.otlp_places import parse
from tests.otlp import encoded, export_request, marked
from tests.unit.admission.test_edges import cite, token

SINKS = ("archive", "collector")
TRACE, OTHER = b"trace of 16 byte", b"another trace id"
Naming = frozenset[str] | None


def admission() -> GovernedAdmission:
    """Return a new one."""
    return GovernedAdmission(OtlpAdmission(), SINKS)


def request_of(trace_id: bytes, *sinks: str, spans: int = 1) -> ExportTraceServiceRequest:
    """Return a request of spans that names sinks, or is not governed."""
    request = export_request(spans, trace_id=trace_id)
    if sinks:
        declare(request.resource_spans[0].resource, frozenset(sinks))
    return request


def admit(to: GovernedAdmission, *requests: ExportTraceServiceRequest) -> Admitted:
    """Have several admitted as one."""
    joined = ExportTraceServiceRequest()
    for request in requests:
        joined.MergeFrom(request)
    return to.admit(Kind.SPANS, joined.SerializeToString())


def parts(admitted: Admitted) -> dict[Naming, int]:
    """Return how many items go to which sinks."""
    found: dict[Naming, int] = {}
    for content in admitted.contents:
        (names,) = {sinks_of(one) for one in resources(parse(content.kind, content.payload))}
        assert names not in found
        found[names] = content.item_count
    return found


def test_what_is_not_governed_is_admitted_as_it_came() -> None:
    """The very bytes, with their hash."""
    body = encoded(3)
    admitted = admission().admit(Kind.SPANS, body, b"digest")

    assert admitted == OtlpAdmission().admit(Kind.SPANS, body, b"digest")
    assert admitted.contents[0].payload is body


def test_a_request_that_is_governed_as_a_whole_is_admitted_as_it_came() -> None:
    """Nothing has to be taken apart."""
    body = request_of(TRACE, "archive", spans=3).SerializeToString()
    admitted = admission().admit(Kind.SPANS, body)

    assert admitted.contents[0].payload is body
    assert parts(admitted) == {frozenset({"archive"}): 3}


def test_each_set_of_sinks_gets_a_record_of_its_own() -> None:
    """Every span is in one of them, in its scope, and refers to the same tokens."""
    citing = request_of(OTHER, "archive")
    cite(citing.resource_spans[0].scope_spans[0].spans[0], token(7))
    several = [
        request_of(TRACE, "archive", spans=2),
        export_request(3),
        citing,
        request_of(os.urandom(16), "collector", "archive", spans=4),
    ]
    admitted = admit(admission(), *several)

    assert parts(admitted) == {
        frozenset({"archive"}): 3,
        None: 3,
        frozenset(SINKS): 4,
    }
    assert [[edge.item_index for edge in one.edges] for one in admitted.contents] == [[2], [], []]
    sent = {span for one in several for span in _spans(one)}
    stored = [span for one in admitted.contents for span in _spans(parse(one.kind, one.payload))]
    assert len(stored) == len(sent) == 10
    assert set(stored) == sent


def _spans(request: Any) -> list[bytes]:
    return [
        span.SerializeToString()
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize(
    ("sinks", "fault"),
    [((), "name at least one sink"), (("archive", "tempo"), "names 'tempo', and there is no such")],
)
def test_no_sink_or_an_unknown_one_is_refused(sinks: tuple[str, ...], fault: str) -> None:
    """With the name; the good part of a mixed request is stored."""
    bad = export_request(2)
    declare(bad.resource_spans[0].resource, frozenset(sinks))
    with pytest.raises(InvalidRequest, match=fault):
        admit(admission(), bad)
    admitted = admit(admission(), bad, export_request(3), request_of(TRACE, "archive"))

    assert parts(admitted) == {None: 3, frozenset({"archive"}): 1}
    assert admitted.rejected_items == 2
    assert admitted.rejected_reason.startswith("2 refused; the first: sidespan.")


def test_a_trace_stays_where_its_first_record_went() -> None:
    """A later one that names others is refused, with both."""
    to = admission()
    admit(to, request_of(TRACE, "archive"))
    assert parts(admit(to, request_of(TRACE, "archive"))) == {frozenset({"archive"}): 1}
    with pytest.raises(
        InvalidRequest,
        match=f"trace {TRACE.hex()} goes to archive since its first record, and this one names "
        "archive, collector",
    ):
        admit(to, request_of(TRACE, *SINKS))
    assert parts(admit(to, request_of(OTHER, *SINKS))) == {frozenset(SINKS): 1}


def test_two_parts_of_one_request_do_not_name_others_for_one_trace() -> None:
    """The first one counts."""
    admitted = admit(admission(), request_of(TRACE, "archive"), request_of(TRACE, "collector"))

    assert parts(admitted) == {frozenset({"archive"}): 1}
    assert admitted.rejected_items == 1


def test_other_services_in_a_governed_trace_go_with_it() -> None:
    """In later requests and in the same one, whatever stands first; other traces do not."""
    to = admission()
    mixed = export_request(2, trace_id=OTHER)
    mixed.resource_spans[0].scope_spans[0].spans[0].trace_id = TRACE
    first = admit(to, mixed, request_of(TRACE, "archive"))
    assert parts(first) == {frozenset({"archive"}): 2, None: 1}
    assert parts(admit(to, export_request(3, trace_id=TRACE))) == {frozenset({"archive"}): 3}
    untouched = export_request(3, trace_id=OTHER).SerializeToString()
    assert to.admit(Kind.SPANS, untouched).contents[0].payload is untouched


def test_marks_and_logs_go_with_their_trace() -> None:
    """Metrics belong to none."""
    to = admission()
    admit(to, request_of(TRACE, "archive"))
    span_ids = [os.urandom(8), os.urandom(8)]
    marks = to.admit(Kind.MARKS, marked(TRACE, span_ids))
    assert parts(marks) == {frozenset({"archive"}): 2}
    assert [one.key.span_id for one in marks.contents[0].marks] == span_ids

    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    records.add(trace_id=TRACE)
    records.add(severity_number=1)
    assert parts(to.admit(Kind.LOGS, logs.SerializeToString())) == {
        frozenset({"archive"}): 1,
        None: 1,
    }


def test_metrics_are_taken_apart_by_resource() -> None:
    """Each part is one item; a part that names nothing is refused."""
    request = ExportMetricsServiceRequest()
    for sinks in ((), ("archive",), None):
        group = request.resource_metrics.add()
        group.scope_metrics.add().metrics.add(name="m")
        if sinks is not None:
            declare(group.resource, frozenset(sinks))
    admitted = admission().admit(Kind.METRICS, request.SerializeToString())

    assert parts(admitted) == {frozenset({"archive"}): 1, None: 1}
    assert admitted.rejected_items == 1


def test_what_was_not_written_fixes_nothing() -> None:
    """Neither a refused request nor one that is withdrawn; another one's claim stays."""
    to = admission()
    bad = request_of(TRACE, "tempo")
    with pytest.raises(InvalidRequest):
        admit(to, bad)
    withdrawn = admit(to, request_of(TRACE, "archive"))
    to.withdraw(withdrawn)
    first, second = (admit(to, request_of(TRACE, "collector")) for _ in range(2))
    to.withdraw(first)
    with pytest.raises(InvalidRequest, match="goes to collector"):
        admit(to, request_of(TRACE, "archive"))
    to.withdraw(second)
    admit(to, request_of(TRACE, "archive"))


def test_how_many_traces_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was silent for longest is forgotten."""
    monkeypatch.setattr(module, "GOVERNED_TRACES_MAX", 2)
    to = admission()
    for trace_id in (TRACE, OTHER, TRACE, os.urandom(16)):
        admit(to, request_of(trace_id, "archive"))
    assert parts(admit(to, export_request(1, trace_id=TRACE))) == {frozenset({"archive"}): 1}
    assert parts(admit(to, export_request(1, trace_id=OTHER))) == {None: 1}


def test_how_many_parts_a_request_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a record."""
    monkeypatch.setattr(module, "GOVERNED_PARTS_MAX", 2)
    two = [request_of(TRACE, "archive"), request_of(OTHER, "collector")]
    assert len(admit(admission(), *two).contents) == 2
    with pytest.raises(InvalidRequest, match="more than 2 sets of sinks"):
        admit(admission(), *two, export_request(1))


def test_caps_and_levels_of_the_node_come_after_it() -> None:
    """They see whole records, and withdraw them."""
    to = MetadataAdmission(CappedAdmission(admission(), 2))
    request = request_of(TRACE, "archive", spans=3)
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="prompt")
    admitted = to.admit(Kind.SPANS, request.SerializeToString())

    assert parts(admitted) == {frozenset({"archive"}): 2}
    assert (admitted.rejected_items, admitted.removed_values) == (1, 1)
    to.withdraw(admitted)
    assert parts(to.admit(Kind.SPANS, encoded(2, trace_id=TRACE))) == {None: 2}
