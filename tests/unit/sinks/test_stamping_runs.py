"""Stamps that share their first digits are written in runs; where one ends, nothing shows."""

import itertools
from dataclasses import replace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.hlc import Hlc
from sidespand.sinks import stamping
from tests.journals import NODE_REF, content, records
from tests.otlp import export_request

WALL_NS = 1_790_000_000_123_456_789


def request() -> bytes:
    """Return two resources with two scopes each, the schema URLs behind the spans."""
    whole = ExportTraceServiceRequest()
    for _ in range(2):
        group = whole.resource_spans.add()
        group.CopyFrom(export_request(30, attributes=1).resource_spans[0])
        group.scope_spans.append(export_request(7).resource_spans[0].scope_spans[0])
        for scope in group.scope_spans:
            scope.schema_url = "https://example/schema"
    return whole.SerializeToString()


@pytest.mark.parametrize(
    ("first_lsn", "logical", "prev_lsn"),
    list(
        itertools.product(
            [1, 950, 999, 1000, 1001, 19_990, 999_999_970], [0, 960, 998, 4_999_940], [None, 0, 7]
        )
    ),
)
def test_runs_join_without_a_seam(first_lsn: int, logical: int, prev_lsn: int | None) -> None:
    """Wherever thousands of LSN and logical part end, the result is what rebuilding gives."""
    payload = request()
    (record,) = records([content(payload)], next_lsn=first_lsn)
    stamped = replace(record.header, stamp=Hlc(WALL_NS, logical))
    spliced = stamping.splice(payload, stamped, NODE_REF, prev_lsn)
    assert spliced is not None
    rebuilt = stamping.rebuild(payload, stamped, NODE_REF, prev_lsn)
    assert ExportTraceServiceRequest.FromString(spliced) == ExportTraceServiceRequest.FromString(
        rebuilt
    )
