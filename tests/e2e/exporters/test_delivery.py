"""Spans of stock exporters arrive complete at the doors of the real daemon."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import Kind
from tests.daemon import Daemon, running
from tests.doors import TCP_FLAGS, figure, last_lsn, ports
from tests.e2e.exporters.programs import EXPORTERS, Emitted, Exporter, by_name, emit, expected
from tests.journals import records_of

pytestmark = pytest.mark.slow


def stored(daemon: Daemon) -> list[ExportTraceServiceRequest]:
    """Return the journal's requests of spans, oldest first."""
    return [
        ExportTraceServiceRequest.FromString(record.payload)
        for record in records_of(daemon.data)
        if record.header.kind is Kind.SPANS and record.payload is not None
    ]


def assert_complete(exporter: Exporter, emitted: Emitted, got: ExportTraceServiceRequest) -> None:
    """Fail unless all that ``spans.json`` says was stored."""
    wanted = expected(exporter, emitted)
    assert by_name(got) == by_name(wanted)
    (resource_spans,), (wanted_resource_spans,) = got.resource_spans, wanted.resource_spans
    attributes = list(resource_spans.resource.attributes)
    assert [one for one in wanted_resource_spans.resource.attributes if one not in attributes] == []
    assert resource_spans.scope_spans[0].scope == wanted_resource_spans.scope_spans[0].scope


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda one: one.name)
def test_spans_arrive_complete_over_every_way(exporter: Exporter, tmp_path: Path) -> None:
    """The journal has each span once, as it was made, over TCP and where it can over a socket."""
    with running(tmp_path, TCP_FLAGS) as daemon:
        grpc = exporter.protocol == "grpc"
        ways: list[Path | int] = [ports(daemon).grpc if grpc else ports(daemon).http]
        if exporter.sockets:
            ways.append(daemon.grpc if grpc else daemon.http)
        emitted = [asyncio.run(emit(exporter, where)) for where in ways]
        requests = stored(daemon)

    assert [one.ok for one in emitted] == [True] * len(ways), [one.log for one in emitted]
    assert len(requests) == len(ways)
    for one, request in zip(emitted, requests, strict=True):
        assert_complete(exporter, one, request)
