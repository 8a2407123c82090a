from sidespand.limits import SUMMARY_SERVICES_MAX
from sidespand.query.summaries import newest_traces
from sidespand.query.walk import Walk
from tests.unit.query import samples

MS = 1_000_000


def test_a_summary_covers_all_records_of_a_trace() -> None:
    """Spans, services and times are gathered over the whole trace, whatever its order."""
    records = samples.recorded(
        samples.request(samples.span(2, parent=1, at_ms=3, for_ms=90, error=True), service="w"),
        samples.request(samples.span(1, name="root", at_ms=1, for_ms=50)),
    )

    (summary,) = newest_traces(Walk(records), 20)

    assert summary.trace_id == samples.trace_id(1)
    assert summary.position == records[0].position
    assert summary.start_ns == samples.START_NS + 1 * MS
    assert summary.end_ns == samples.START_NS + 93 * MS
    assert (summary.span_count, summary.error_count) == (2, 1)
    assert summary.services == ("planner", "w")
    assert (summary.root_name, summary.root_recorded) == ("root", True)


def test_without_its_root_a_trace_is_named_by_its_earliest_span() -> None:
    """A trace that began on another node has no root here."""
    records = samples.recorded(
        samples.request(samples.span(2, parent=1, at_ms=3), samples.span(3, parent=1, at_ms=2))
    )

    (summary,) = newest_traces(Walk(records), 20)

    assert (summary.root_name, summary.root_recorded) == ("span 3", False)


def test_traces_come_by_their_newest_span() -> None:
    """The trace that was written to last is first, however early it began."""
    records = samples.recorded(
        samples.request(samples.span(1, trace=1)),
        samples.request(samples.span(2, trace=2)),
        samples.request(samples.span(3, trace=3), samples.span(4, trace=1)),
    )

    found = newest_traces(Walk(records), 20)

    assert [summary.trace_id for summary in found] == [samples.trace_id(n) for n in (1, 3, 2)]


def test_only_so_many_traces_are_listed_but_each_is_counted_whole() -> None:
    """An older trace is left out; older spans of a listed one are not."""
    records = samples.recorded(
        samples.request(samples.span(1, trace=3)),
        samples.request(samples.span(2, trace=1)),
        samples.request(samples.span(3, trace=2)),
        samples.request(samples.span(4, trace=3)),
    )

    found = newest_traces(Walk(records), 2)

    assert [summary.trace_id for summary in found] == [samples.trace_id(n) for n in (3, 2)]
    assert [summary.span_count for summary in found] == [2, 1]


def test_a_full_list_ends_after_a_quiet_stretch() -> None:
    """A list of the newest traces does not read the whole journal, and the walk tells it."""
    payloads = [samples.request(samples.span(n, trace=n)) for n in range(1, 50)]
    walk = Walk(samples.recorded(*payloads), quiet_bytes=3 * len(payloads[0]))

    found = newest_traces(walk, 2)

    assert len(found) == 2
    assert not walk.complete


def test_a_list_that_is_not_full_reads_on() -> None:
    """Fewer traces than asked for means that there are no more."""
    payloads = [samples.request(samples.span(n)) for n in range(1, 21)]
    walk = Walk(samples.recorded(*payloads), quiet_bytes=1)

    (summary,) = newest_traces(walk, 2)

    assert summary.span_count == 20
    assert walk.complete


def test_a_span_that_was_sent_twice_is_one() -> None:
    """A list counts spans as a trace shows them, not how often they came."""
    payload = samples.request(samples.span(1, error=True))

    (summary,) = newest_traces(Walk(samples.recorded(payload, payload)), 2)

    assert (summary.span_count, summary.error_count) == (1, 1)


def test_services_are_bounded() -> None:
    """A sender that makes up services does not fill memory."""
    payloads = [samples.request(samples.span(n), service=f"s{n}") for n in range(1, 40)]

    (summary,) = newest_traces(Walk(samples.recorded(*payloads)), 1)

    assert len(summary.services) == SUMMARY_SERVICES_MAX
