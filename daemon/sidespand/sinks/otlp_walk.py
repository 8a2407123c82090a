"""The items of a stored OTLP request, and parts of it. Pure.

    ResourceSpans    ─┬─ Resource            ResourceLogs, ResourceMetrics: the same numbers
     1                │   1
                      └─ ScopeSpans ─┬─ Span
                          2          └─  2

A request of metrics is one item: it is journalled under one LSN.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand import hlc
from sidespand.model import Kind, Record

_REQUESTS: dict[Kind, type[Message]] = {
    Kind.SPANS: ExportTraceServiceRequest,
    Kind.MARKS: ExportTraceServiceRequest,
    Kind.LOGS: ExportLogsServiceRequest,
    Kind.METRICS: ExportMetricsServiceRequest,
}


def parse(kind: Kind, payload: bytes) -> Any:
    """Return the request that a record of ``kind`` holds."""
    return _REQUESTS[kind].FromString(payload)


def resources(kind: Kind, request: Any) -> Sequence[Any]:
    """Return the groups of a request that have a resource each."""
    match kind:
        case Kind.LOGS:
            return request.resource_logs  # type: ignore[no-any-return]
        case Kind.METRICS:
            return request.resource_metrics  # type: ignore[no-any-return]
    return request.resource_spans  # type: ignore[no-any-return]


def scopes(kind: Kind, group: Any) -> Sequence[Any]:
    """Return the groups of a resource's group that have a scope each; none of metrics."""
    match kind:
        case Kind.LOGS:
            return group.scope_logs  # type: ignore[no-any-return]
        case Kind.METRICS:
            return ()
    return group.scope_spans  # type: ignore[no-any-return]


def items(kind: Kind, scope: Any) -> Any:
    """Return the repeated field of a scope's spans or log records."""
    return scope.log_records if kind is Kind.LOGS else scope.spans


def each(kind: Kind, request: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the resource and the item for every item of a request, in document order.

    The item of a request of metrics is each group that has a resource.
    """
    for group in resources(kind, request):
        if kind is Kind.METRICS:
            yield group.resource, group
            continue
        for scope in scopes(kind, group):
            for item in items(kind, scope):
                yield group.resource, item


def runs(record: Record, kept: Sequence[bool]) -> list[Record]:
    """Return what is kept of a record, each unbroken run of items as a record of its own.

    Each item keeps its LSN and HLC. Leaf and payload commitment stay those of the record that is in
    the journal. Only a run that begins where the record does keeps ``prev_lsn``.

    Args:
        record: With its payload.
        kept: Whether each item is.
    """
    if all(kept):
        return [record]
    if not any(kept):
        return []
    cutter = _Cutter(record)
    for group in resources(record.header.kind, cutter.request):
        cutter.enter(group)
        for scope in scopes(record.header.kind, group):
            cutter.take(scope, kept)
    return cutter.finish()


def part(record: Record, start: int, end: int) -> Record:
    """Return items ``start`` to ``end``, exclusive, of a record, as ``runs`` does."""
    assert 0 <= start < end <= record.header.item_count
    (found,) = runs(record, [start <= index < end for index in range(record.header.item_count)])
    return found


def halves(records: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Record]]:
    """Return two parts of about as many items, in log order; there are two items or more."""
    count = sum(record.header.item_count for record in records)
    assert count > 1
    first: list[Record] = []
    left = count // 2
    for index, record in enumerate(records):
        size = record.header.item_count
        if size > left:
            rest = list(records[index + 1 :])
            if left:
                return [*first, part(record, 0, left)], [part(record, left, size), *rest]
            return first, [record, *rest]
        first.append(record)
        left -= size
    raise AssertionError("half of the items are in some of the records")


class _Cutter:
    def __init__(self, record: Record) -> None:
        assert record.payload is not None
        self._record = record
        self._kind = record.header.kind
        self.request = parse(self._kind, record.payload)
        self._found: list[Record] = []
        self._index = 0
        # The run under way: its request, its first item, and where in it items are put.
        self._run: Any = None
        self._start = 0
        self._group: Any = None
        # The group whose items are looked at, without them.
        self._shell: Any = None

    def enter(self, group: Any) -> None:
        """Go on with another resource."""
        self._shell = type(group)()
        self._shell.CopyFrom(group)
        self._shell.ClearField("scope_logs" if self._kind is Kind.LOGS else "scope_spans")
        self._group = None

    def take(self, scope: Any, kept: Sequence[bool]) -> None:
        """Go on with another scope of that resource."""
        found = items(self._kind, scope)
        at = 0
        while at < len(found):
            keep = kept[self._index]
            end = at + 1
            while end < len(found) and kept[self._index + end - at] == keep:
                end += 1
            if keep:
                self._put(scope, found[at:end])
            else:
                self._close()
            self._index += end - at
            at = end

    def finish(self) -> list[Record]:
        """Return the runs."""
        self._close()
        return self._found

    def _put(self, scope: Any, found: Sequence[Any]) -> None:
        if self._run is None:
            self._run, self._start, self._group = type(self.request)(), self._index, None
        if self._group is None:
            self._group = _added(resources(self._kind, self._run), self._shell)
        place = scopes(self._kind, self._group).add()  # type: ignore[attr-defined]
        place.scope.CopyFrom(scope.scope)
        place.schema_url = scope.schema_url
        items(self._kind, place).extend(found)

    def _close(self) -> None:
        if self._run is None:
            return
        header, start = self._record.header, self._start
        payload = self._run.SerializeToString()
        part_header = replace(
            header,
            first_lsn=header.first_lsn + start,
            item_count=self._index - start,
            stamp=hlc.nth(header.stamp, start),
            payload_bytes=len(payload),
        )
        edges = tuple(
            replace(edge, item_index=edge.item_index - start)
            for edge in self._record.edges
            if start <= edge.item_index < self._index
        )
        prev_lsn = self._record.prev_lsn if start == 0 else None
        self._found.append(
            replace(
                self._record, header=part_header, edges=edges, payload=payload, prev_lsn=prev_lsn
            )
        )
        self._run = None


def _added(groups: Any, shell: Any) -> Any:
    group = groups.add()
    group.CopyFrom(shell)
    return group
