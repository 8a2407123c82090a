"""Decodes records of spans: every item as a value with the stamp that the journal gave it.

Two depths: ``items`` reads what lists need and leaves the rest encoded, ``decode`` reads one span
whole.
Source: opentelemetry-proto, trace.proto and common.proto.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from sidespand import hlc
from sidespand.errors import StoreUnreadable
from sidespand.limits import SPAN_ID_BYTES
from sidespand.model import Kind, Position, Record
from sidespand.query.span import Event, Link, Span, Stamp, Value

_NO_PARENT = bytes(SPAN_ID_BYTES)
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")


class Item(NamedTuple):
    """One span of a record, still encoded.

    Args:
        stamp: Its stamp.
        service: ``service.name`` of its resource; empty when there is none.
        span: As it was received.
        resource: The same.
        scope: The same.
    """

    stamp: Stamp
    service: str
    span: trace_pb2.Span
    resource: Resource
    scope: InstrumentationScope

    @property
    def parent_span_id(self) -> bytes:
        """Its parent's id; empty for a root, however that was written."""
        parent = self.span.parent_span_id
        return b"" if parent == _NO_PARENT else parent

    @property
    def status(self) -> str:
        """``unset``, ``ok`` or ``error``."""
        return _named(_STATUSES, self.span.status.code)


def items(record: Record) -> Iterator[Item]:
    """Yield the spans of a record in item order; nothing for another kind or a redacted payload.

    Raises:
        StoreUnreadable: The payload does not parse. Not retryable.
    """
    if record.header.kind is Kind.SPANS:
        yield from _items(record)


def begun_items(record: Record) -> Iterator[Item]:
    """Yield the spans of a record of spans or of marks, which have no end; else as ``items``."""
    if record.header.kind in (Kind.SPANS, Kind.MARKS):
        yield from _items(record)


def _items(record: Record) -> Iterator[Item]:
    if record.payload is None:
        return
    try:
        # The message of a request and of a file of traces are the same bytes.
        traces = trace_pb2.TracesData.FromString(record.payload)
    except DecodeError as error:
        raise StoreUnreadable(f"the record at {record.position} does not parse: {error}") from error
    header = record.header
    index = 0
    for resource_spans in traces.resource_spans:
        service = _service(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                position = Position(record.ordinal, header.lineage, header.first_lsn + index)
                stamp = Stamp(position, header.boot_generation, hlc.nth(header.stamp, index))
                yield Item(stamp, service, span, resource_spans.resource, scope_spans.scope)
                index += 1


def decode(item: Item) -> Span:
    """Return one span whole."""
    span = item.span
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=item.parent_span_id,
        name=span.name,
        kind=kind_name(span.kind),
        service=item.service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=item.status,
        status_message=span.status.message,
        attributes=attributes_of(span.attributes),
        events=tuple(
            Event(event.time_unix_nano, event.name, attributes_of(event.attributes))
            for event in span.events
        ),
        links=tuple(
            Link(link.trace_id, link.span_id, link.trace_state, attributes_of(link.attributes))
            for link in span.links
        ),
        trace_state=span.trace_state,
        resource=attributes_of(item.resource.attributes),
        scope=item.scope.name,
        stamp=item.stamp,
    )


def kind_name(number: int) -> str:
    """Return the name of an OTLP span kind; ``unspecified`` for one that has none here."""
    return _named(_KINDS, number)


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """Return OTLP attributes as a mapping; of several values under one key the last."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue) -> Value:
    """Return an OTLP value as Python has it."""
    # Nesting is bounded by the parser, which refuses more than 100 messages in one another.
    field = value.WhichOneof("value")
    if field == "array_value":
        return [value_of(element) for element in value.array_value.values]
    if field == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    if field is None or field == "string_value_strindex":
        # An index into a table of strings that only profiles carry.
        return None
    scalar: Value = getattr(value, field)
    return scalar


def _service(resource: Resource) -> str:
    for pair in resource.attributes:
        if pair.key == "service.name":
            return pair.value.string_value
    return ""


def _named(names: tuple[str, ...], number: int) -> str:
    # An enum is open: a later sender may use a number that this version has no name for.
    return names[number] if 0 <= number < len(names) else names[0]
