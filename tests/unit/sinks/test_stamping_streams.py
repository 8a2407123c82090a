"""Stamps of log records, and what an item follows: the fast way equals the plain one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import Content, Header, Kind
from sidespand.sinks import otlp_walk, stamping
from tests.journals import NODE_REF, content, records
from tests.otlp import encoded


def logs(counts: list[int], body: str) -> bytes:
    """Return log records, a scope for each count."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    for count in counts:
        scope = group.scope_logs.add()
        for _ in range(count):
            record = scope.log_records.add(trace_id=b"\1" * 16)
            record.body.string_value = body
    return request.SerializeToString()


def header(kind: Kind, first_lsn: int) -> Header:
    """Return a header of that kind."""
    return replace(records([content(encoded())])[0].header, kind=kind, first_lsn=first_lsn)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.sampled_from([1, 8, 9, 98, 10**15]),
    st.one_of(st.none(), st.integers(0, 2**64 - 1)),
)
def test_log_records_are_stamped_as_spans_are(
    counts: list[int], body: str, first_lsn: int, prev_lsn: int | None
) -> None:
    """Each has its LSN and HLC; the first one, if asked, what it follows; fast equals plain."""
    payload, of = logs(counts, body), header(Kind.LOGS, first_lsn)
    spliced = stamping.splice(payload, of, NODE_REF, prev_lsn)
    assert spliced is not None
    request = ExportLogsServiceRequest.FromString(spliced)
    assert request == ExportLogsServiceRequest.FromString(
        stamping.rebuild(payload, of, NODE_REF, prev_lsn)
    )
    for index, (_, item) in enumerate(otlp_walk.each(Kind.LOGS, request)):
        own = {pair.key: pair.value.string_value for pair in item.attributes}
        assert own.pop(stamping.LSN_KEY) == str(first_lsn + index)
        assert stamping.HLC_KEY in own
        told = own.get(stamping.PREV_KEY)
        assert told == (str(prev_lsn) if index == 0 and prev_lsn is not None else None)


@pytest.mark.parametrize("spans", [1, 2, 12])
@pytest.mark.parametrize("prev_lsn", [None, 0, 7, 2**64 - 2])
def test_only_the_first_span_names_what_it_follows(spans: int, prev_lsn: int | None) -> None:
    """The splice over spans gives what the plain way gives."""
    payload, of = encoded(spans), header(Kind.SPANS, 95)
    spliced = stamping.splice(payload, of, NODE_REF, prev_lsn)
    assert spliced is not None
    request = ExportTraceServiceRequest.FromString(spliced)
    plain = stamping.rebuild(payload, of, NODE_REF, prev_lsn)
    assert request == ExportTraceServiceRequest.FromString(plain)
    found = [
        pair.value.string_value
        for _, span in otlp_walk.each(Kind.SPANS, request)
        for pair in span.attributes
        if pair.key == stamping.PREV_KEY
    ]
    assert found == ([] if prev_lsn is None else [str(prev_lsn)])


def test_a_forged_predecessor_gives_way() -> None:
    """A sender cannot hide a gap: what it wrote under our names is removed."""
    request = ExportLogsServiceRequest.FromString(logs([1], "x"))
    item = request.resource_logs[0].scope_logs[0].log_records[0]
    item.attributes.add(key=stamping.PREV_KEY).value.string_value = "1"
    (record,) = records([Content(Kind.LOGS, request.SerializeToString(), 1)], next_lsn=9)
    stamped = stamping.stamp(record.payload or b"", record.header, NODE_REF)
    got = ExportLogsServiceRequest.FromString(stamped)
    keys = [pair.key for pair in got.resource_logs[0].scope_logs[0].log_records[0].attributes]
    assert keys == [stamping.LSN_KEY, stamping.HLC_KEY]
