"""Spans for the page, written as a program of the node writes them."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded

from tests.frame_client import FrameClient

ROOT = Path(__file__).parents[3]
MS = 1_000_000
UNSET, OK, ERROR = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Span:
    """One span, as a test writes it down.

    Args:
        name: Its name.
        at_ms: Its start after the trace's.
        ms: How long it took; None while it is open.
        parent: Index of its parent in the sequence; None for a root.
        attributes: Texts, numbers, booleans or lists of texts.
        events: Name and attributes of each, a millisecond after the start.
        links: Trace and span ids.
        status: Code of its status.
        message: Of the status.
        kind: As OTLP counts them.
    """

    name: str
    at_ms: float = 0
    ms: float | None = 1
    parent: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[tuple[str, Mapping[str, Any]]] = ()
    links: Sequence[tuple[bytes, bytes]] = ()
    status: int = UNSET
    message: str = ""
    kind: int = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace and the ids that it was given."""

    trace_id: bytes
    span_ids: Sequence[bytes]
    spans: Sequence[Span]
    start_ns: int
    service: str

    @property
    def hex(self) -> str:
        """Return its id as addresses have it."""
        return self.trace_id.hex()

    def id(self, index: int) -> str:
        """Return the id of one of its spans as addresses have it."""
        return self.span_ids[index].hex()

    def ended(self) -> "Trace":
        """Return it with every open span ended a second after its start."""
        spans = [one if one.ms is not None else replace(one, ms=1000) for one in self.spans]
        return replace(self, spans=spans)


def trace(*spans: Span, service: str = "test", start_ns: int | None = None) -> Trace:
    """Return a trace with ids of its own, begun two seconds ago unless said."""
    start_ns = start_ns or time.time_ns() - 2000 * MS
    return Trace(os.urandom(16), [os.urandom(8) for _ in spans], spans, start_ns, service)


def encoded(told: Trace, indexes: Sequence[int] | None = None) -> bytes:
    """Return the trace, or some of its spans, as an encoded request."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(_pairs({"service.name": told.service}))
    scope = resource_spans.scope_spans.add()
    for index in range(len(told.spans)) if indexes is None else indexes:
        scope.spans.append(_span(told, index))
    return request.SerializeToString()


def _span(told: Trace, index: int) -> Encoded:
    span = told.spans[index]
    start_ns = told.start_ns + int(span.at_ms * MS)
    made = Encoded(
        trace_id=told.trace_id,
        span_id=told.span_ids[index],
        parent_span_id=b"" if span.parent is None else told.span_ids[span.parent],
        name=span.name,
        kind=span.kind,  # type: ignore[arg-type]
        start_time_unix_nano=start_ns,
        end_time_unix_nano=0 if span.ms is None else start_ns + int(span.ms * MS),
        attributes=_pairs(span.attributes),
    )
    made.status.code, made.status.message = span.status, span.message  # type: ignore[assignment]
    for name, attributes in span.events:
        made.events.add(time_unix_nano=start_ns + MS, name=name, attributes=_pairs(attributes))
    for trace_id, span_id in span.links:
        made.links.add(trace_id=trace_id, span_id=span_id)
    return made


def _pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    made = AnyValue()
    made.array_value.values.extend(_value(one) for one in value)
    return made


class Feeder:
    """A program that sends spans over frames and waits for each acknowledgement."""

    def __init__(self, client: FrameClient) -> None:
        self._client = client
        self._client.hello(os.urandom(16))
        self._seq = 0

    def send(self, *traces: Trace) -> None:
        """Send traces whole; they are on disk when this returns."""
        for one in traces:
            self._record(traces=encoded(one))

    def send_parts(self, told: Trace, size: int) -> None:
        """Send a trace in requests of ``size`` spans."""
        for first in range(0, len(told.spans), size):
            part = range(first, min(first + size, len(told.spans)))
            self._record(traces=encoded(told, part))

    def mark(self, told: Trace, *indexes: int) -> None:
        """Announce spans that are open."""
        self._record(marks=encoded(told, indexes))

    def _record(self, **fields: bytes) -> None:
        self._seq += 1
        self._client.records(self._seq, **fields)
        self._client.ack(self._seq)


@contextmanager
def feeding(ingest: Path) -> Iterator[Feeder]:
    """Yield a feeder of the daemon at ``ingest``; its connection is gone afterwards."""
    with FrameClient(ingest) as client:
        yield Feeder(client)
