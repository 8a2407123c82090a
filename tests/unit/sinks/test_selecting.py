"""What a filter leaves of the log, and how a receiver sees that something is missing."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand import filters
from sidespand.model import Content, Kind, Record
from sidespand.sinks import otlp_walk, selecting, stamping
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from tests.fakes import ListLog, ScriptedSink
from tests.journals import NODE_REF, content, eventually, lsns, records, run
from tests.otlp import encoded


def request_of(names: list[list[list[str]]]) -> ExportTraceServiceRequest:
    """Return spans with these names, by resource and scope."""
    request = ExportTraceServiceRequest()
    for number, scopes in enumerate(names):
        group = request.resource_spans.add(schema_url=f"schema {number}")
        group.resource.attributes.add(key="service.name").value.string_value = f"s{number}"
        for index, spans in enumerate(scopes):
            scope = group.scope_spans.add(schema_url=f"scope {index}")
            scope.scope.name = f"scope {number}.{index}"
            for name in spans:
                scope.spans.add(name=name, trace_id=b"\1" * 16, span_id=b"\2" * 8)
    return request


def triples(found: list[Record] | tuple[Record, ...]) -> list[tuple[int, str, str, str]]:
    """Return LSN, service, scope and name of every span."""
    out = []
    for record in found:
        request = ExportTraceServiceRequest.FromString(record.payload or b"")
        lsn = record.header.first_lsn
        for group in request.resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    service = group.resource.attributes[0].value.string_value
                    out.append((lsn, service, scope.scope.name, span.name))
                    lsn += 1
        assert lsn == record.header.last_lsn + 1
    return out


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(st.lists(st.sampled_from("ab"), max_size=4), max_size=3), min_size=1, max_size=3
    )
)
def test_what_is_kept_keeps_its_stamp_and_its_place(names: list[list[list[str]]]) -> None:
    """Each wanted span is there once, under its LSN, resource, scope and schema; no other is."""
    count = sum(len(spans) for scopes in names for spans in scopes)
    if not count:
        return
    request = request_of(names)
    stored = records([Content(Kind.SPANS, request.SerializeToString(), count)], next_lsn=50)
    found = list(selecting.select(stored[0], filters.parse('name == "a"')))
    assert triples(found) == [one for one in triples(stored) if one[3] == "a"]
    for record in found:
        for group in ExportTraceServiceRequest.FromString(record.payload or b"").resource_spans:
            assert (
                group.schema_url == f"schema {group.resource.attributes[0].value.string_value[1]}"
            )
            assert all(scope.schema_url for scope in group.scope_spans)
        index = record.header.first_lsn - 50
        assert record.header.stamp.logical == stored[0].header.stamp.logical + index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('signal == "logs"', [2]),
        ('signal != "logs"', [1, 3]),
        ('service == "shop"', [1, 2, 3]),
        ('attributes["level"] == "high"', [2]),
        ('trace_id == "' + "07" * 16 + '"', [1, 2]),
        ('kind == "server" and status == "error"', [1]),
        ("has name", [1]),
        ('resource["service.name"] ~ "sh*"', [1, 2, 3]),
        ('resource["service.name"] == "other"', [3]),
    ],
)
def test_each_field_of_each_signal(text: str, expected: list[int]) -> None:
    """Spans, log records and metrics have what they have; a request of metrics is one item."""
    spans, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    metrics = ExportMetricsServiceRequest()
    group = spans.resource_spans.add()
    span = group.scope_spans.add().spans.add(name="n", kind=2, trace_id=b"\7" * 16)
    span.status.code = 2
    of_logs = logs.resource_logs.add()
    log = of_logs.scope_logs.add().log_records.add(trace_id=b"\7" * 16)
    log.attributes.add(key="level").value.string_value = "high"
    of_metrics = metrics.resource_metrics.add()
    for one in (group, of_logs, of_metrics):
        one.resource.attributes.add(key="service.name").value.string_value = "shop"
    other = metrics.resource_metrics.add()
    other.resource.attributes.add(key="service.name").value.string_value = "other"
    stored = records(
        [
            Content(Kind.SPANS, spans.SerializeToString(), 1),
            Content(Kind.LOGS, logs.SerializeToString(), 1),
            Content(Kind.METRICS, metrics.SerializeToString(), 1),
        ]
    )
    wanted = filters.parse(text)
    assert [lsn for one in stored for lsn in lsns(selecting.select(one, wanted))] == expected


def test_runs_are_linked_over_what_is_left_out() -> None:
    """A record names its predecessor in the stream wherever that is not the item before it."""
    stored = records([content(encoded(2)), content(encoded(1)), content(encoded(2))], next_lsn=4)
    linked = selecting.linked([stored[0], stored[2]], {"all": 3}, per_kind=False)
    assert [one.prev_lsn for one in linked] == [None, 5]
    linked = selecting.linked(stored, {}, per_kind=False)
    assert [one.prev_lsn for one in linked] == [0, None, None]


def test_each_kind_may_be_a_stream_of_its_own() -> None:
    """Where each signal goes elsewhere, each is linked by itself."""
    spans, logs, more = records(
        [content(encoded(2)), Content(Kind.LOGS, b"", 1), content(encoded(1))]
    )
    linked = selecting.linked([spans, logs, more], {"spans": 0}, per_kind=True)
    assert [one.prev_lsn for one in linked] == [None, 0, 2]
    groups = selecting.grouped([spans, logs, more], per_kind=True)
    assert [lsns(group) for group in groups] == [[1, 2, 4], [3]]
    assert [lsns(one) for one in selecting.grouped([spans, logs], per_kind=False)] == [[1, 2, 3]]
    assert selecting.grouped([], per_kind=True) == []


def test_a_receiver_sees_each_gap_also_across_a_restart(tmp_path: Path) -> None:
    """Following prev_lsn from the newest item leads over all that was delivered, to 0."""
    wanted = filters.parse('service == "a"')
    order = "aabbabbbaba"
    stored = records([content(encoded(2, service=service)) for service in order], next_lsn=3)

    async def deliver(upto: int) -> list[Record]:
        sink = ScriptedSink()
        cursor = CursorFile(tmp_path / "cursor.json")
        carrier = Carrier(
            "a",
            sink,
            ListLog(stored),
            cursor,
            uniform=lambda *_: 0.0,
            coalesce_s=0.0,
            wanted=wanted,
        )
        task = asyncio.create_task(carrier.run())
        carrier.advance(stored[upto].position)
        await eventually(lambda: carrier.saved == stored[upto].position, "its part")
        carrier.stop()
        await task
        await carrier.close()
        return sink.taken

    async def test() -> None:
        taken = [*await deliver(4), *await deliver(6), *await deliver(10)]
        chain: dict[int, int] = {}
        for record in taken:
            payload = stamping.stamp(
                record.payload or b"", record.header, NODE_REF, record.prev_lsn
            )
            request = ExportTraceServiceRequest.FromString(payload)
            for _, span in otlp_walk.each(Kind.SPANS, request):
                own = {pair.key: pair.value.string_value for pair in span.attributes}
                lsn = int(own[stamping.LSN_KEY])
                chain[lsn] = int(own.get(stamping.PREV_KEY, lsn - 1))
        expected = [
            lsn for at, one in enumerate(order) if one == "a" for lsn in (3 + 2 * at, 4 + 2 * at)
        ]
        walked = []
        lsn = max(chain)
        while lsn:
            walked.append(lsn)
            lsn = chain[lsn]
        assert walked[::-1] == sorted(chain) == expected

    run(test())
