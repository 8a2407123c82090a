"""A span is shown as its marks, its end and its client's fate have it, in the order of the log."""

from collections.abc import Sequence

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded

from sidespand.journal.stamper import control
from sidespand.model import Content, Kind, SpanKey
from sidespand.query.collect import collect_trace
from sidespand.query.documents import span_document
from sidespand.query.find import resolve_trace
from sidespand.query.span import Span
from sidespand.query.summaries import newest_traces
from sidespand.query.walk import Walk
from tests.unit.query import samples

TRACE, SPAN = samples.trace_id(1), samples.span_id(1)
AT_NS = 1_790_000_001_000_000_000


def mark(number: int = 1, **fields: object) -> Content:
    """Return a record of one mark."""
    span = samples.span(number)
    span.ClearField("end_time_unix_nano")
    for name, value in fields.items():
        setattr(span, name, value)
    return Content(Kind.MARKS, samples.request(span), 1)


def update(**attributes: str) -> Content:
    """Return a mark that only adds attributes and an event."""
    span = Encoded(trace_id=TRACE, span_id=SPAN)
    for key, value in attributes.items():
        span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
        span.events.add(name=f"{key} came", time_unix_nano=samples.START_NS)
    return Content(Kind.MARKS, samples.request(span), 1)


def end() -> Content:
    """Return a record of the span's end."""
    return samples.spans_content(samples.request(samples.span(1, name="plan")))


def abandonment(number: int = 1) -> Content:
    """Return an ABANDONED record of one span."""
    row = [TRACE, samples.span_id(number), samples.LINEAGE, 1, 0, "plan", "planner"]
    body = {"at_ns": AT_NS, "reason": "its process is gone", "pid": 77, "uid": 1000, "spans": [row]}
    return control(Kind.ABANDONED, body)


def collected(contents: Sequence[Content], running: Sequence[int] = ()) -> list[Span]:
    """Return the spans of the trace in a log of ``contents``."""
    keys = {SpanKey(TRACE, samples.span_id(number)) for number in running}
    return list(collect_trace(Walk(samples.recorded_contents(contents)), TRACE, keys).spans)


@pytest.mark.parametrize(
    ("contents", "running", "state"),
    [
        ([mark()], [1], "open"),
        ([mark()], [], "no end recorded"),
        ([mark(), end()], [], "ended"),
        ([mark(), abandonment()], [], "abandoned"),
        ([mark(), abandonment(), end()], [], "abandoned, then ended"),
        ([mark(), abandonment(), update(a="1")], [1], "open"),
        ([mark(), abandonment(2)], [], "no end recorded"),
        ([abandonment(), mark(), end()], [], "abandoned, then ended"),
    ],
)
def test_a_span_has_one_state(contents: list[Content], running: list[int], state: str) -> None:
    """What came last in the log decides, and an end is an end."""
    (span,) = collected(contents, running)

    assert span.state == state


def test_marks_of_an_open_span_are_put_together() -> None:
    """Attributes replace by key, events are added, what is not set changes nothing."""
    opening = mark(name="plan")
    (span,) = collected([opening, update(a="1", b="1"), update(b="2")], [1])

    assert (span.name, span.service, span.start_ns) == ("plan", "planner", samples.START_NS)
    assert span.attributes == {"a": "1", "b": "2"}
    assert [event.name for event in span.events] == ["a came", "b came", "b came"]
    assert span.end_ns == 0
    assert span.stamp.position.lsn == 1


def test_a_later_mark_may_rename_its_span() -> None:
    """A field that is set replaces what was known."""
    (span,) = collected([mark(name="plan"), mark(name="plan again")], [1])

    assert span.name == "plan again"


def test_the_end_stands_for_all_marks() -> None:
    """What a mark said and the end does not say is not shown."""
    (span,) = collected([mark(), update(a="1"), end()])

    assert span.attributes == {}
    assert span.name == "plan"


def test_an_abandonment_is_told_in_full() -> None:
    """Its place, its time, the reason and the client."""
    (span,) = collected([mark(), abandonment()])

    assert span_document(span, lambda *_: "")["abandoned"] == {
        "position": f"{samples.LINEAGE.hex()}:2",
        "at_ns": str(AT_NS),
        "reason": "its process is gone",
        "pid": 77,
        "uid": 1000,
    }


def test_a_trace_of_marks_alone_is_found_and_listed() -> None:
    """By any of its ids; no span of it counts as ended."""
    records = samples.recorded_contents([mark(name="plan"), update(a="1")])

    assert resolve_trace(Walk(records), SPAN.hex()) == TRACE
    (summary,) = newest_traces(Walk(records), 5)
    assert (summary.root_name, summary.span_count, summary.end_ns) == ("plan", 0, 0)
    assert summary.start_ns == samples.START_NS
