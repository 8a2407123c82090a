"""Spans, events and requests decode to what OpenTelemetry's own messages hold."""

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespan import _otlp, _values
from sidespan._context import SpanContext
from sidespan._limits import (
    CACHED_TEXTS_MAX,
    EVENT_ATTRIBUTES_MAX,
    KEY_BYTES_MAX,
    NAME_BYTES_MAX,
)
from tests.unit.client.test_values import expected, plain_values

names = st.text(max_size=200)
times = st.integers(0, 2**64 - 1)
attributes = st.dictionaries(st.text(min_size=1, max_size=60), plain_values, max_size=6)
contexts = st.builds(
    SpanContext,
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 255),
    st.text(st.characters(codec="ascii"), max_size=600),
    st.booleans(),
)


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    """Return attributes as protobuf's messages."""
    return [KeyValue(key=key, value=expected(value)) for key, value in values.items()]


def fields(values: dict[str, Any]) -> list[bytes]:
    """Return attributes as the client encodes them."""
    return [_otlp.attribute(_otlp.SPAN_ATTRIBUTE, key, value) for key, value in values.items()]


class Case(NamedTuple):
    """What a span is made of."""

    context: SpanContext
    parent: SpanContext | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any]]]
    dropped: int
    error: str | None


cases = st.builds(
    Case,
    contexts, st.none() | contexts, names, st.integers(0, 5), times, times, attributes,
    st.lists(st.tuples(names, times, attributes), max_size=3),
    st.integers(1, 2**31), st.none() | names,
)  # fmt: skip


@given(cases)
def test_a_span_equals_what_protobuf_makes(case: Case) -> None:
    """Every field is there with its value."""
    encoded = _otlp.span(
        case.context,
        case.parent,
        case.name,
        case.kind,
        case.start_ns,
        case.end_ns,
        fields(case.attributes),
        [_otlp.event(*event) for event in case.events],
        _otlp.dropped_counts(case.dropped, case.dropped + 1)
        + (b"" if case.error is None else _otlp.error_status(case.error)),
    )

    remote = case.parent is not None and case.parent.is_remote
    wanted = Span(
        trace_id=case.context.trace_id_bytes,
        span_id=case.context.span_id_bytes,
        trace_state=case.context.trace_state,
        parent_span_id=case.parent.span_id_bytes if case.parent else b"",
        name=case.name,
        kind=case.kind,  # type: ignore[arg-type]
        start_time_unix_nano=case.start_ns,
        end_time_unix_nano=case.end_ns,
        attributes=pairs(case.attributes),
        dropped_attributes_count=case.dropped,
        events=[
            Span.Event(name=name, time_unix_nano=time_ns, attributes=pairs(values))
            for name, time_ns, values in case.events
        ],
        dropped_events_count=case.dropped + 1,
        flags=case.context.trace_flags | 0x100 | (0x200 if remote else 0),
    )
    if case.error is not None:
        wanted.status.CopyFrom(Status(message=case.error, code=Status.STATUS_CODE_ERROR))
    assert Span.FromString(encoded) == wanted


@given(attributes, st.lists(st.binary(max_size=300), max_size=5))
def test_a_request_holds_one_resource_one_scope_and_every_span(
    own: dict[str, Any], names: list[bytes]
) -> None:
    """The envelope round the spans is the one of OTLP."""
    spans = [Span(span_id=name) for name in names]

    encoded = _otlp.export_request(
        _otlp.resource(own),
        _otlp.scope("sidespan", "1.2"),
        [span.SerializeToString() for span in spans],
    )

    (resource_spans,) = ExportTraceServiceRequest.FromString(encoded).resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert resource_spans.resource == Resource(attributes=pairs(own))
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("sidespan", "1.2")
    assert list(scope_spans.spans) == spans


@given(plain_values)
def test_short_cuts_write_what_the_long_way_writes(value: object) -> None:
    """Every value takes the same form whichever way it is encoded."""
    field = _otlp.attribute(_otlp.RESOURCE_ATTRIBUTE, "key", value)

    wanted = Resource(attributes=[KeyValue(key="key", value=expected(value))])
    assert Resource.FromString(field) == wanted
    assert field.endswith(_values.any_value(value))


def test_long_names_and_keys_are_cut() -> None:
    """A name is no place for a document."""
    event = Span.FromString(_otlp.event("n" * 10**6, 1, {"k" * 10**6: 1})).events[0]

    assert len(event.name.encode()) <= NAME_BYTES_MAX
    assert len(event.attributes[0].key.encode()) <= KEY_BYTES_MAX


def test_an_events_attributes_beyond_the_limit_are_counted() -> None:
    """The first are kept, the others are a number."""
    values = {f"k{n}": n for n in range(EVENT_ATTRIBUTES_MAX + 3)}

    event = Span.FromString(_otlp.event("e", 1, values)).events[0]

    assert [pair.key for pair in event.attributes] == list(values)[:EVENT_ATTRIBUTES_MAX]
    assert event.dropped_attributes_count == 3


def test_ever_new_keys_do_not_fill_the_memory() -> None:
    """What is remembered of keys and names is bounded."""
    for number in range(2 * CACHED_TEXTS_MAX):
        _otlp.event(f"name {number}", 1, {f"key {number}": number})

    assert len(_otlp._keys) <= CACHED_TEXTS_MAX
    assert len(_otlp._names) <= CACHED_TEXTS_MAX
