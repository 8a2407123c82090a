import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from sidespand import hlc
from sidespand.errors import StoreUnreadable
from sidespand.model import Content, Kind
from sidespand.query.spans import Item, decode, items
from tests.unit.query import samples


def only(payload: bytes) -> Item:
    """Return the one span of a request, recorded."""
    (entry,) = samples.recorded(payload)
    (item,) = items(entry)
    return item


def test_each_item_has_its_own_stamp() -> None:
    """Item i of a record has LSN first + i and logical clock first + i, across resources."""
    message = ExportTraceServiceRequest()
    for number in (1, 2):
        part = samples.request(samples.span(2 * number), samples.span(2 * number + 1))
        message.MergeFromString(part)
    entry, _ = samples.recorded(samples.request(samples.span(1)), message.SerializeToString())

    stamps = [item.stamp for item in items(entry)]

    assert [stamp.position.lsn for stamp in stamps] == [2, 3, 4, 5]
    assert [stamp.hlc for stamp in stamps] == [hlc.nth(entry.header.stamp, i) for i in range(4)]
    assert {stamp.position.lineage for stamp in stamps} == {samples.LINEAGE}
    assert {stamp.boot_generation for stamp in stamps} == {3}


def test_every_kind_of_attribute_value_is_decoded() -> None:
    """Values become the Python values that they are, nested ones too."""
    nested = KeyValueList(values=[KeyValue(key="deep", value=AnyValue(int_value=-1))])
    values = {
        "string": (AnyValue(string_value="ä"), "ä"),
        "bool": (AnyValue(bool_value=True), True),
        "int": (AnyValue(int_value=2**62), 2**62),
        "double": (AnyValue(double_value=0.5), 0.5),
        "bytes": (AnyValue(bytes_value=b"\x00\xff"), b"\x00\xff"),
        "array": (AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=False)])), [False]),
        "map": (AnyValue(kvlist_value=nested), {"deep": -1}),
        "empty": (AnyValue(), None),
        "index": (AnyValue(string_value_strindex=7), None),
    }
    span = samples.span(1)
    span.attributes.extend(KeyValue(key=key, value=value) for key, (value, _) in values.items())

    decoded = decode(only(samples.request(span)))

    assert decoded.attributes == {key: expected for key, (_, expected) in values.items()}


def test_a_whole_span_is_decoded() -> None:
    """Everything that a span carries is in its value."""
    span = samples.span(2, parent=1, name="call", at_ms=5, for_ms=7)
    span.kind = Span.SPAN_KIND_CLIENT
    span.trace_state = "a=b"
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "no route"
    span.events.add(time_unix_nano=9, name="retry").attributes.add(key="n").value.int_value = 2
    span.links.add(
        trace_id=samples.trace_id(8), span_id=samples.span_id(8), trace_state="c=d"
    ).attributes.add(key="why").value.string_value = "fan-in"
    message = ExportTraceServiceRequest.FromString(samples.request(span, service="worker"))
    message.resource_spans[0].scope_spans[0].scope.CopyFrom(InstrumentationScope(name="lib"))

    decoded = decode(only(message.SerializeToString()))

    assert (decoded.trace_id, decoded.span_id) == (samples.trace_id(1), samples.span_id(2))
    assert decoded.parent_span_id == samples.span_id(1)
    assert (decoded.name, decoded.kind, decoded.service) == ("call", "client", "worker")
    assert decoded.start_ns == samples.START_NS + 5_000_000
    assert decoded.end_ns == decoded.start_ns + 7_000_000
    assert (decoded.status, decoded.status_message) == ("error", "no route")
    assert decoded.resource == {"service.name": "worker"}
    assert (decoded.scope, decoded.trace_state) == ("lib", "a=b")
    (event,), (link,) = decoded.events, decoded.links
    assert (event.time_ns, event.name, event.attributes) == (9, "retry", {"n": 2})
    assert (link.trace_id, link.span_id) == (samples.trace_id(8), samples.span_id(8))
    assert (link.trace_state, link.attributes) == ("c=d", {"why": "fan-in"})


def test_a_parent_of_zeros_is_no_parent() -> None:
    """Some senders write a root's parent as eight zero bytes."""
    span = samples.span(1)
    span.parent_span_id = bytes(8)

    assert decode(only(samples.request(span))).parent_span_id == b""


def test_an_unknown_kind_or_status_is_read_as_none_given() -> None:
    """An enum value that a later sender may use does not stop the reading."""
    span = samples.span(1)
    span.kind = 99  # type: ignore[assignment]
    span.status.code = 42  # type: ignore[assignment]

    decoded = decode(only(samples.request(span)))

    assert (decoded.kind, decoded.status) == ("unspecified", "unset")


def test_a_span_without_a_service_has_an_empty_one() -> None:
    """No resource is no reason to fail."""
    bare = ResourceSpans(scope_spans=[ScopeSpans(spans=[samples.span(1)])])
    payload = ExportTraceServiceRequest(resource_spans=[bare]).SerializeToString()

    assert only(payload).service == ""


def test_other_records_hold_no_spans() -> None:
    """Marks, control records and redacted payloads yield nothing."""
    payload = samples.request(samples.span(1))
    marks, generation = samples.recorded_contents(
        [samples.control_content(Kind.GEN), Content(Kind.MARKS, payload, 1)]
    )
    (spans,) = samples.recorded(payload)

    assert not list(items(marks))
    assert not list(items(generation))
    assert not list(items(samples.redacted(spans)))


def test_a_payload_that_does_not_parse_is_named_by_its_position() -> None:
    """What admission can not have let through is an error, never silence."""
    (entry,) = samples.recorded_contents([Content(Kind.SPANS, b"\xff\xff\xff", 1)])

    with pytest.raises(StoreUnreadable, match=f"{samples.LINEAGE.hex()}:1 does not parse"):
        list(items(entry))
