"""Stamps in encoded requests: the fast way equals the plain one, and nothing else changes."""

import random
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from sidespand import hlc
from sidespand.hlc import LOGICAL_MAX, WALL_NS_MAX, Hlc
from sidespand.model import Header
from sidespand.sinks import stamping
from tests.journals import content, records
from tests.otlp import encoded, export_request

NODE_REF = "node://50%d@host"
LEN, VARINT, GROUP, END_GROUP = 2, 0, 3, 4

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=200)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3))),
        st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList,
                values=st.lists(st.builds(KeyValue, key=texts, value=inner), max_size=3),
            ),
        ),
    ),
    max_leaves=5,
)
keys = st.one_of(texts, st.sampled_from(sorted(stamping.KEYS)))
attributes = st.lists(st.builds(KeyValue, key=keys, value=values), max_size=4)
plain_attributes = st.lists(st.builds(KeyValue, key=texts, value=values), max_size=4)
headers = st.builds(
    lambda lsn, wall, logical, generation: header(
        first_lsn=lsn, stamp=Hlc(wall, logical), boot_generation=generation
    ),
    st.one_of(st.integers(1, 2**64 - 1000), st.sampled_from([1, 8, 9, 95, 99, 999_999, 10**18])),
    st.integers(0, WALL_NS_MAX),
    st.integers(0, LOGICAL_MAX - 1000),
    st.integers(1, 2**32 - 1),
)


def spans_of(attributes: st.SearchStrategy[list[KeyValue]]) -> st.SearchStrategy[Span]:
    """Return random spans."""
    return st.builds(
        Span,
        trace_id=st.binary(min_size=16, max_size=16),
        span_id=st.binary(min_size=8, max_size=8),
        name=st.one_of(texts, st.just("x" * 130), st.just("y" * 5000)),
        kind=st.integers(0, 9),
        start_time_unix_nano=st.integers(0, 2**64 - 1),
        attributes=attributes,
        events=st.lists(st.builds(Span.Event, name=texts, attributes=attributes), max_size=2),
        links=st.lists(st.builds(Span.Link, trace_state=texts), max_size=2),
        status=st.builds(Status, message=texts, code=st.integers(0, 3)),
    )


def requests_of(
    attributes: st.SearchStrategy[list[KeyValue]],
) -> st.SearchStrategy[ExportTraceServiceRequest]:
    """Return random requests as the library builds them."""
    scope = st.builds(InstrumentationScope, name=texts, attributes=attributes)
    scope_spans = st.builds(
        ScopeSpans,
        scope=st.one_of(st.none(), scope),
        spans=st.lists(spans_of(attributes), max_size=4),
        schema_url=texts,
    )
    resource = st.builds(Resource, attributes=attributes)
    resource_spans = st.builds(
        ResourceSpans,
        resource=st.one_of(st.none(), resource),
        scope_spans=st.lists(scope_spans, max_size=3),
        schema_url=texts,
    )
    return st.builds(ExportTraceServiceRequest, resource_spans=st.lists(resource_spans, max_size=3))


def header(**changes: object) -> Header:
    """Return a record's header."""
    return replace(records([content(encoded())])[0].header, **changes)  # type: ignore[arg-type]


def canonical(payload: bytes) -> bytes:
    """Return the one encoding of a message: equal messages have equal ones, NaN included."""
    return ExportTraceServiceRequest.FromString(payload).SerializeToString(deterministic=True)


def varint(number: int, padding: int = 0) -> bytes:
    """Return a varint, made longer than it need be by ``padding`` bytes."""
    out = bytearray()
    while number >= 0x80 or padding:
        out.append(number & 0x7F | 0x80)
        if number < 0x80:
            padding -= 1
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, body: bytes, padding: int = 0) -> bytes:
    """Return a field of wire type LEN, its length padded."""
    return varint(number << 3 | LEN) + varint(len(body), padding) + body


def unknown(draw: random.Random) -> bytes:
    """Return a field that OTLP does not have."""
    number = draw.choice([77, 1000, 536_870_911])
    return draw.choice(
        [
            varint(number << 3 | VARINT) + varint(draw.getrandbits(60)),
            field(number, b"later"),
            varint(number << 3 | GROUP) + field(1, b"in a group") + varint(number << 3 | END_GROUP),
        ]
    )


def odd(request: ExportTraceServiceRequest, draw: random.Random) -> bytes:
    """Return an encoding of ``request`` that the library would not write, but reads.

    Fields come in any order, singular ones several times or not at all, lengths in padded varints,
    and unknown fields and groups between them.
    """

    def fields(parts: list[bytes]) -> bytes:
        if draw.random() < 0.3:
            draw.shuffle(parts)
        if draw.random() < 0.3:
            parts.insert(draw.randint(0, len(parts)), unknown(draw))
        return b"".join(parts)

    def padded(number: int, body: bytes) -> bytes:
        return field(number, body, draw.choice([0, 0, 0, 1, 2]))

    def span(message: Span) -> bytes:
        return fields([message.SerializeToString()])

    def scope_spans(message: ScopeSpans) -> bytes:
        parts = [padded(1, message.scope.SerializeToString())] * draw.choice([0, 1, 1, 2])
        parts += [padded(2, span(one)) for one in message.spans]
        return fields([*parts, padded(3, message.schema_url.encode())])

    def resource_spans(message: ResourceSpans) -> bytes:
        resource = message.resource.SerializeToString()
        parts = [padded(1, resource)] * draw.choice([0, 1, 1, 1, 2])
        parts += [padded(2, scope_spans(one)) for one in message.scope_spans]
        return fields([*parts, padded(3, message.schema_url.encode())])

    return fields([padded(1, resource_spans(one)) for one in request.resource_spans])


def take_stamps_off(payload: bytes, original: bytes) -> bytes:
    """Return a stamped message without its stamps, canonically."""
    message = ExportTraceServiceRequest.FromString(payload)
    before = ExportTraceServiceRequest.FromString(original)
    for resource_spans, unstamped in zip(
        message.resource_spans, before.resource_spans, strict=True
    ):
        del resource_spans.resource.attributes[-3:]
        if not unstamped.HasField("resource"):
            resource_spans.ClearField("resource")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                del span.attributes[-2:]
    return message.SerializeToString(deterministic=True)


def stamps(payload: bytes) -> list[tuple[dict[str, str], dict[str, str | int]]]:
    """Return the stamps on each span and on its resource, in document order."""
    found = []
    for resource_spans in ExportTraceServiceRequest.FromString(payload).resource_spans:
        on_resource: dict[str, str | int] = {
            pair.key: pair.value.int_value or pair.value.string_value
            for pair in resource_spans.resource.attributes
            if pair.key in stamping.KEYS
        }
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                on_span = {
                    pair.key: pair.value.string_value
                    for pair in span.attributes
                    if pair.key in stamping.KEYS
                }
                found.append((on_span, on_resource))
    return found


def ends_with_an_empty_scope() -> ExportTraceServiceRequest:
    """Return the request whose last field is two bytes long: nothing may be read behind it."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().scope.SetInParent()
    return request


@pytest.mark.slow
@given(requests_of(attributes), headers)
def test_splicing_equals_rebuilding_whatever_the_library_writes(
    request: ExportTraceServiceRequest, header: Header
) -> None:
    """The fast way takes every message of the library's own, and decodes equal to the plain way."""
    payload = request.SerializeToString()
    plain = stamping.rebuild(payload, header, NODE_REF)
    assert canonical(stamping.stamp(payload, header, NODE_REF)) == canonical(plain)


@pytest.mark.slow
@given(requests_of(plain_attributes), headers)
@example(ends_with_an_empty_scope(), header())
def test_splicing_takes_every_ordinary_message(
    request: ExportTraceServiceRequest, header: Header
) -> None:
    """Without foreign stamps in it, nothing that the library writes needs the slow way."""
    payload = request.SerializeToString()
    spliced = stamping.splice(payload, header, NODE_REF)
    assert spliced is not None
    assert canonical(spliced) == canonical(stamping.rebuild(payload, header, NODE_REF))


@pytest.mark.slow
@given(requests_of(attributes), headers, st.randoms(use_true_random=False))
def test_stamping_equals_rebuilding_for_odd_encodings(
    request: ExportTraceServiceRequest, header: Header, draw: random.Random
) -> None:
    """Repeated singular fields, unknown fields, groups and padded lengths change nothing."""
    payload = odd(request, draw)
    stamped = stamping.stamp(payload, header, NODE_REF)
    assert canonical(stamped) == canonical(stamping.rebuild(payload, header, NODE_REF))


@pytest.mark.slow
@given(requests_of(plain_attributes), headers, st.randoms(use_true_random=False))
def test_without_its_stamps_the_message_is_what_it_was(
    request: ExportTraceServiceRequest, header: Header, draw: random.Random
) -> None:
    """Taking the stamps off gives back an equal message, odd encoding or not."""
    for payload in (request.SerializeToString(), odd(request, draw)):
        stamped = stamping.stamp(payload, header, NODE_REF)
        assert take_stamps_off(stamped, payload) == canonical(payload)


@pytest.mark.slow
@given(requests_of(attributes), headers)
def test_item_i_has_the_ith_lsn_and_hlc(request: ExportTraceServiceRequest, header: Header) -> None:
    """Every span has one stamp: first LSN + i, and the HLC whose logical part is i further."""
    found = stamps(stamping.stamp(request.SerializeToString(), header, NODE_REF))
    on_resource = {
        "sidespan.lineage": header.lineage.hex(),
        "sidespan.boot_generation": header.boot_generation,
        "sidespan.node_ref": NODE_REF,
    }
    assert found == [
        (
            {
                "sidespan.lsn": str(header.first_lsn + index),
                "sidespan.hlc": hlc.text(hlc.nth(header.stamp, index)),
            },
            on_resource,
        )
        for index in range(len(found))
    ]


@given(st.binary(max_size=200), headers)
def test_splicing_arbitrary_bytes_never_raises(payload: bytes, header: Header) -> None:
    """What is no request at all is declined, or spliced into what still is none."""
    spliced = stamping.splice(payload, header, NODE_REF)
    assert spliced is None or isinstance(spliced, bytes)


def test_a_stamp_that_the_sender_wrote_gives_way() -> None:
    """A span that brings its own sidespan.lsn leaves with ours alone."""
    request = export_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key in stamping.KEYS:
        span.attributes.add(key=key).value.string_value = "forged"
        request.resource_spans[0].resource.attributes.add(key=key).value.string_value = "forged"
    stamped = stamping.stamp(request.SerializeToString(), header(), NODE_REF)
    assert b"forged" not in stamped
    message = ExportTraceServiceRequest.FromString(stamped)
    on_span = [pair.key for pair in message.resource_spans[0].scope_spans[0].spans[0].attributes]
    assert on_span == ["attribute.0", "attribute.1", "sidespan.lsn", "sidespan.hlc"]


@pytest.mark.parametrize("first_lsn", [1, 9, 95, 999_950, 2**64 - 200])
def test_stamps_are_right_where_an_lsn_gets_another_digit(first_lsn: int) -> None:
    """Lengths are written anew when 99 becomes 100 inside one record."""
    payload = encoded(120)
    spliced = stamping.splice(payload, header(first_lsn=first_lsn), NODE_REF)
    assert spliced is not None
    assert [int(on_span["sidespan.lsn"]) for on_span, _ in stamps(spliced)] == list(
        range(first_lsn, first_lsn + 120)
    )


@pytest.mark.parametrize("size", [0, 1, 100, 3990, 4010, 16_300, 16_400, 2_100_000])
def test_lengths_of_every_size_are_rewritten(size: int) -> None:
    """Spans whose length takes one to four bytes, or changes from one to the next, are spliced."""
    request = export_request(2)
    request.resource_spans[0].scope_spans[0].spans[0].name = "x" * size
    payload = request.SerializeToString()
    stamp = header()
    spliced = stamping.splice(payload, stamp, NODE_REF)
    assert spliced is not None
    assert canonical(spliced) == canonical(stamping.rebuild(payload, stamp, NODE_REF))


def test_joined_records_are_one_request() -> None:
    """Stamped records put behind one another decode as all of their resources, in order."""
    both = records([content(encoded(3)), content(encoded(2))])
    joined = b"".join(stamping.stamp(one.payload or b"", one.header, NODE_REF) for one in both)
    assert [on_span["sidespan.lsn"] for on_span, _ in stamps(joined)] == ["1", "2", "3", "4", "5"]
