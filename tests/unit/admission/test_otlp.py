"""Admission: what is good is stored as it came, what is bad is refused and nothing else is."""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.admission import OtlpAdmission, otlp
from sidespand.errors import InvalidRequest, TooLarge
from sidespand.limits import REFUSED_ITEMS_MAX
from sidespand.model import Admitted, Kind
from tests.otlp import encoded, export_request

ADMISSION = OtlpAdmission()
TRACE_KINDS = [Kind.SPANS, Kind.MARKS]
Spoil = Callable[[Span], None]


def _set(field: str, value: bytes) -> Spoil:
    return lambda span: setattr(span, field, value)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "short trace_id": (_set("trace_id", b"x" * 15), "trace_id has 15 bytes, not 16"),
    "long trace_id": (_set("trace_id", b"x" * 17), "trace_id has 17 bytes, not 16"),
    "no trace_id": (_set("trace_id", b""), "trace_id has 0 bytes, not 16"),
    "zero trace_id": (_set("trace_id", bytes(16)), "trace_id is all zero"),
    "short span_id": (_set("span_id", b"x" * 7), "span_id has 7 bytes, not 8"),
    "long span_id": (_set("span_id", b"x" * 16), "span_id has 16 bytes, not 8"),
    "no span_id": (_set("span_id", b""), "span_id has 0 bytes, not 8"),
    "zero span_id": (_set("span_id", bytes(8)), "span_id is all zero"),
    "long parent_span_id": (
        _set("parent_span_id", b"x" * 9),
        "parent_span_id has 9 bytes, not 8",
    ),
}


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    """Return all spans in document order."""
    return [
        span
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def scattered(spans: int) -> ExportTraceServiceRequest:
    """Return a request whose spans lie in several resources and scopes."""
    request = ExportTraceServiceRequest()
    for number in range(spans):
        one = export_request(1, service=f"service-{number % 3}")
        if number % 2 and request.resource_spans:
            last = request.resource_spans[-1].scope_spans.add()
            last.CopyFrom(one.resource_spans[0].scope_spans[0])
        else:
            request.MergeFrom(one)
    return request


@pytest.mark.parametrize("kind", TRACE_KINDS)
@given(count=st.integers(1, 20))
def test_good_spans_are_stored_as_they_came(kind: Kind, count: int) -> None:
    """The payload is the very bytes that were sent, and every span is an item."""
    request = scattered(count)
    if kind is Kind.MARKS:
        for span in spans_of(request):
            span.end_time_unix_nano = 0
    body = request.SerializeToString()
    admitted = ADMISSION.admit(kind, body)
    (one,) = admitted.contents
    assert one.payload is body
    assert (one.kind, one.item_count, one.edges) == (kind, count, ())
    assert not one.edges_truncated
    assert (admitted.rejected_items, admitted.rejected_reason) == (0, "")


def test_bytes_in_another_order_are_not_rewritten() -> None:
    """Unknown fields and an unusual order of fields survive, since the bytes do."""
    unknown = b"\xfa\x3e\x03abc"
    body = unknown + encoded(2) + unknown
    assert ADMISSION.admit(Kind.SPANS, body).contents[0].payload is body


@pytest.mark.parametrize("kind", TRACE_KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_span_alone_is_refused(kind: Kind, fault: str) -> None:
    """Where nothing good is left the whole request is malformed, with the field and its length."""
    spoil, reason = FAULTS[fault]
    request = export_request(1)
    spoil(spans_of(request)[0])
    with pytest.raises(InvalidRequest, match=f"1 of 1 refused; the first: {reason}") as caught:
        ADMISSION.admit(kind, request.SerializeToString())
    assert not caught.value.retryable


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_span_among_good_ones_is_left_out(fault: str) -> None:
    """Partial success: exactly the others are stored, and the reason is told."""
    spoil, reason = FAULTS[fault]
    request = scattered(9)
    wanted = [Span.FromString(span.SerializeToString()) for span in spans_of(request)]
    for index in (0, 4, 8):
        spoil(spans_of(request)[index])
        wanted[index].Clear()
    admitted = ADMISSION.admit(Kind.SPANS, request.SerializeToString())
    (one,) = admitted.contents
    stored = ExportTraceServiceRequest.FromString(one.payload)
    assert spans_of(stored) == [span for span in wanted if span.span_id]
    assert one.item_count == 6
    assert admitted.rejected_items == 3
    assert admitted.rejected_reason == f"3 of 9 refused; the first: {reason}"


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_partial_success_keeps_exactly_the_good_rest(good: list[bool]) -> None:
    """Whichever spans are bad, the others remain in order with their resources and scopes."""
    request = scattered(len(good))
    for span, fine in zip(spans_of(request), good, strict=True):
        if not fine:
            span.span_id = b"bad"
    body = request.SerializeToString()
    kept = [span for span, fine in zip(spans_of(request), good, strict=True) if fine]
    if not kept:
        with pytest.raises(InvalidRequest):
            ADMISSION.admit(Kind.SPANS, body)
        return
    admitted = ADMISSION.admit(Kind.SPANS, body)
    stored = ExportTraceServiceRequest.FromString(admitted.contents[0].payload)
    assert spans_of(stored) == kept
    assert [rs.resource for rs in stored.resource_spans] == [
        rs.resource for rs in request.resource_spans
    ]
    assert admitted.contents[0].item_count == len(kept)
    assert admitted.rejected_items == good.count(False)


def test_a_parent_that_is_absent_is_fine() -> None:
    """A root span has no parent id, and an all-zero one is the sender's affair."""
    request = export_request(2)
    spans_of(request)[1].parent_span_id = bytes(8)
    assert ADMISSION.admit(Kind.SPANS, request.SerializeToString()).rejected_items == 0


def test_a_mark_has_no_end() -> None:
    """A span that has not ended is as good as one that has."""
    request = export_request(1)
    spans_of(request)[0].end_time_unix_nano = 0
    assert ADMISSION.admit(Kind.MARKS, request.SerializeToString()).contents[0].item_count == 1


@pytest.mark.parametrize("kind", [Kind.SPANS, Kind.MARKS, Kind.LOGS, Kind.METRICS])
def test_an_empty_request_stores_nothing(kind: Kind) -> None:
    """Nothing to store is a success."""
    assert ADMISSION.admit(kind, b"") == Admitted(())


def test_a_request_without_items_stores_nothing() -> None:
    """Resources and scopes alone are no items."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add()
    assert ADMISSION.admit(Kind.SPANS, request.SerializeToString()) == Admitted(())
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add()
    assert ADMISSION.admit(Kind.LOGS, logs.SerializeToString()) == Admitted(())


class TestLogs:
    """Log records need no ids, but what they have must be of the right length."""

    def request(self, *ids: tuple[bytes, bytes]) -> ExportLogsServiceRequest:
        """Return a request of log records with these trace and span ids."""
        request = ExportLogsServiceRequest()
        for trace_id, span_id in ids:
            scope = request.resource_logs.add().scope_logs.add()
            scope.log_records.add(trace_id=trace_id, span_id=span_id, severity_text="INFO")
        return request

    def test_with_and_without_ids(self) -> None:
        """Both are stored as they came."""
        body = self.request((b"", b""), (b"t" * 16, b"s" * 8), (b"t" * 16, b"")).SerializeToString()
        (one,) = ADMISSION.admit(Kind.LOGS, body).contents
        assert one.payload is body
        assert (one.kind, one.item_count) == (Kind.LOGS, 3)

    @pytest.mark.parametrize(
        ("ids", "reason"),
        [
            ((b"t" * 15, b""), "trace_id has 15 bytes, not 16"),
            ((b"", b"s" * 9), "span_id has 9 bytes, not 8"),
        ],
    )
    def test_a_wrong_length(self, ids: tuple[bytes, bytes], reason: str) -> None:
        """Alone it is refused, among good ones left out."""
        with pytest.raises(InvalidRequest, match=reason):
            ADMISSION.admit(Kind.LOGS, self.request(ids).SerializeToString())
        mixed = self.request((b"", b""), ids, (b"t" * 16, b"s" * 8))
        admitted = ADMISSION.admit(Kind.LOGS, mixed.SerializeToString())
        stored = ExportLogsServiceRequest.FromString(admitted.contents[0].payload)
        kept = [
            log.trace_id for rl in stored.resource_logs for log in rl.scope_logs[0].log_records[:]
        ]
        assert kept == [b"", b"t" * 16]
        assert (admitted.rejected_items, admitted.contents[0].item_count) == (1, 2)
        assert admitted.rejected_reason.endswith(reason)


def test_metrics_are_one_item() -> None:
    """A metrics request is kept whole, under one LSN."""
    request = ExportMetricsServiceRequest()
    for _ in range(3):
        request.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens")
    body = request.SerializeToString()
    (one,) = ADMISSION.admit(Kind.METRICS, body).contents
    assert one.payload is body
    assert (one.kind, one.item_count) == (Kind.METRICS, 1)


MALFORMED = {
    "truncated": encoded(1)[:-1],
    "text": b"not protobuf",
    "length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "a varint without end": b"\x0a" + b"\xff" * 20,
    "wire type 7": b"\x0f",
    "an end of a group": b"\x0c",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("kind", [Kind.SPANS, Kind.MARKS, Kind.LOGS, Kind.METRICS])
def test_malformed_bytes_are_refused(kind: Kind, body: bytes) -> None:
    """What does not parse names the message that was expected."""
    with pytest.raises(InvalidRequest, match="not an Export"):
        ADMISSION.admit(kind, body)


@pytest.mark.parametrize("field", ["name", "trace_state"])
def test_invalid_utf_8_is_refused(field: str) -> None:
    """Strings of protobuf are UTF-8; what is not would break every reader."""
    request = export_request(1)
    setattr(spans_of(request)[0], field, "MARKER")
    body = request.SerializeToString().replace(b"MARKER", b"MARK\xff\xfe")
    with pytest.raises(InvalidRequest):
        ADMISSION.admit(Kind.SPANS, body)


def test_deep_nesting_is_refused() -> None:
    """Values nested without end cost an error, not the stack."""
    value: Message = Span().attributes.add().value
    nested = value.SerializeToString()
    for _ in range(5000):
        # AnyValue.array_value (5) of ArrayValue.values (1).
        nested = _field(5, _field(1, nested))
    body = _field(1, _field(2, _field(2, _field(9, _field(2, nested)))))
    with pytest.raises(InvalidRequest):
        ADMISSION.admit(Kind.SPANS, body)


def _field(number: int, value: bytes) -> bytes:
    size = len(value)
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + value


@given(st.binary(max_size=300), st.sampled_from([Kind.SPANS, Kind.LOGS, Kind.METRICS]))
def test_junk_is_admitted_or_refused_and_nothing_else(body: bytes, kind: Kind) -> None:
    """Bytes from anywhere never raise anything but a refusal."""
    try:
        admitted = ADMISSION.admit(kind, body)
    except InvalidRequest:
        return
    assert all(one.item_count >= 1 for one in admitted.contents)


@given(st.data())
def test_a_good_request_with_a_broken_byte(data: st.DataObject) -> None:
    """Damage on the way is refused or admitted in part, never a crash."""
    body = bytearray(encoded(3, trace_state="a=b,sidespan=x"))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    try:
        admitted = ADMISSION.admit(Kind.SPANS, bytes(body))
    except InvalidRequest:
        return
    stored = sum(one.item_count for one in admitted.contents)
    assert stored + admitted.rejected_items <= 3


def test_items_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly the bound is admitted, one more is too large."""
    monkeypatch.setattr(otlp, "ITEMS_PER_RECORD_MAX", 5)
    assert ADMISSION.admit(Kind.SPANS, encoded(5)).contents[0].item_count == 5
    with pytest.raises(TooLarge, match="6 items in one request, the limit is 5") as caught:
        ADMISSION.admit(Kind.SPANS, encoded(6))
    assert not caught.value.retryable


@pytest.mark.slow
def test_a_request_of_mostly_bad_items_is_refused_whole() -> None:
    """Ten thousand bad spans are picked out of a request; one more, and none of it is stored."""
    request = export_request(1, attributes=0)
    spans = request.resource_spans[0].scope_spans[0].spans
    for _ in range(REFUSED_ITEMS_MAX):
        spans.add(trace_id=b"short")
    admitted = ADMISSION.admit(Kind.SPANS, request.SerializeToString())
    assert admitted.rejected_items == REFUSED_ITEMS_MAX
    assert admitted.contents[0].item_count == 1

    spans.add(trace_id=b"short")
    with pytest.raises(InvalidRequest, match="more than 10000 items refused; the first: trace_id"):
        ADMISSION.admit(Kind.SPANS, request.SerializeToString())


@pytest.mark.parametrize("kind", [Kind.SPANS, Kind.LOGS])
def test_resources_and_scopes_are_counted_before_they_are_visited(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones cost a visit each; exactly the bound passes."""
    monkeypatch.setattr(otlp, "GROUPS_PER_RECORD_MAX", 5)
    scope = b"\x12\x00"
    within = [b"\x0a\x00" * 5, b"\x0a\x08" + 4 * scope, (b"\x0a\x02" + scope) * 2]
    for body in within:
        assert ADMISSION.admit(kind, body).contents == ()
    for body in (b"\x0a\x00" * 6, b"\x0a\x0a" + 5 * scope, (b"\x0a\x02" + scope) * 3):
        with pytest.raises(TooLarge, match="6 resources and scopes"):
            ADMISSION.admit(kind, body)
