"""Spans of stock exporters arrive complete at the doors of the real daemon."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import EdgeType, Kind, Record
from tests.daemon import Daemon, running
from tests.doors import TCP_FLAGS, ports
from tests.e2e.exporters.programs import (
    EXPORTERS,
    Emitted,
    Exporter,
    by_name,
    emit,
    expected,
    install,
)
from tests.journals import records_of

pytestmark = pytest.mark.slow


def stored(daemon: Daemon) -> list[Record]:
    """Return the journal's records of spans, oldest first."""
    return [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]


def assert_complete(exporter: Exporter, emitted: Emitted, record: Record) -> None:
    """Fail unless all that ``spans.json`` says was stored."""
    wanted = expected(exporter, emitted)
    assert record.payload is not None
    got = ExportTraceServiceRequest.FromString(record.payload)
    assert by_name(got) == by_name(wanted)
    (resource_spans,), (wanted_resource_spans,) = got.resource_spans, wanted.resource_spans
    attributes = list(resource_spans.resource.attributes)
    assert [one for one in wanted_resource_spans.resource.attributes if one not in attributes] == []
    assert resource_spans.scope_spans[0].scope == wanted_resource_spans.scope_spans[0].scope
    # The token that its caller sent is on the span that was called.
    assert EdgeType.RECEIVED in {edge.type for edge in record.edges}


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda one: one.name)
def test_spans_arrive_complete_over_every_way(exporter: Exporter, tmp_path: Path) -> None:
    """The journal has each span once, as it was made, over TCP and where it can over a socket."""
    install(exporter.language)
    with running(tmp_path, TCP_FLAGS) as daemon:
        grpc = exporter.protocol == "grpc"
        ways: list[Path | int] = [ports(daemon).grpc if grpc else ports(daemon).http]
        if exporter.sockets:
            ways.append(daemon.grpc if grpc else daemon.http)
        emitted = [asyncio.run(emit(exporter, where)) for where in ways]
        records = stored(daemon)

    assert [one.ok for one in emitted] == [True] * len(ways), [one.log for one in emitted]
    assert len(records) == len(ways)
    for one, record in zip(emitted, records, strict=True):
        assert_complete(exporter, one, record)
