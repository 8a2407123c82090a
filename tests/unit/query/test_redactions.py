"""Which records hold what is to go, and what the log tells of what is gone."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs

from sidespand import redaction
from sidespand.errors import InvalidRequest, NotFound
from sidespand.journal.stamper import control
from sidespand.limits import REDACT_TRACES_MAX
from sidespand.model import Content, Gap, Kind, Position, Record
from sidespand.query.find import UnusableId
from sidespand.query.redactions import (
    Doomed,
    Named,
    Redactions,
    Wanted,
    doom,
    holding,
    record_at,
    redaction_document,
    resolve,
)
from sidespand.redaction import Target
from tests.fakes import ListLog
from tests.journals import LINEAGE, content, records
from tests.unit.query.samples import request, span, span_id, trace_id


def logs(*numbers: int) -> Content:
    """Return log records of traces."""
    found = [LogRecord(trace_id=trace_id(one), span_id=span_id(one)) for one in numbers]
    data = LogsData(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=found)])])
    return Content(Kind.LOGS, data.SerializeToString(), len(numbers))


def mark(number: int, trace: int) -> Content:
    """Return a mark."""
    return Content(Kind.MARKS, request(span(number, trace=trace)), 1)


def gone(record: Record, *traces: int) -> Content:
    """Return a REDACT record of ``record``."""
    header = record.header
    ids = tuple(trace_id(one) for one in traces)
    one = Target(record.ordinal, header.lineage, header.first_lsn, header.last_lsn, ids)
    return control(Kind.REDACT, redaction.body("ann", f"for {header.first_lsn}", [one]))


class WholeLog(ListLog):
    """A log that answers a question for one item with the record around it, as the journal does."""

    def read(self, _after: Position | None, _upto: Position | None = None) -> list[Record | Gap]:
        """Return everything: the tests' logs hold one entry."""
        return self.entries


def firsts(doomed: list[Doomed]) -> list[int]:
    """Return where each record begins."""
    return [one.record.header.first_lsn for one in doomed]


def test_a_record_is_found_by_any_of_its_items() -> None:
    """The position of any item names the whole record."""
    found = records([content(request(span(1), span(2), span(3)))])
    record = record_at(WholeLog(found), Position(1, LINEAGE, 2))
    assert record is found[0]


@pytest.mark.parametrize(
    "entries", [[], [Gap(1, LINEAGE, 1, 9, "trimmed")]], ids=["nothing", "trimmed"]
)
def test_what_cannot_be_read_is_not_found(entries: list[Record | Gap]) -> None:
    """A hole is named by its reason."""
    with pytest.raises(NotFound, match="trimmed" if entries else "nothing"):
        record_at(WholeLog(entries), Position(1, LINEAGE, 2))


def test_what_goes_along_is_named() -> None:
    """A record lists its spans, and each of its traces once."""
    (record,) = records([content(request(span(1, name="a"), span(2, trace=2), span(3)))])
    doomed = doom(record)
    assert doomed.items[0] == Named(trace_id(1), span_id(1), "a", "planner")
    assert doomed.target == Target(1, LINEAGE, 1, 3, (trace_id(1), trace_id(2)))


def test_a_target_names_a_bounded_number_of_traces() -> None:
    """A request of very many traces is redacted all the same."""
    spans = [span(number, trace=number) for number in range(1, REDACT_TRACES_MAX + 3)]
    (record,) = records([content(request(*spans))])
    assert len(doom(record).target.trace_ids) == REDACT_TRACES_MAX


def test_the_recorders_own_records_stay() -> None:
    """What explains the log cannot be redacted; what repeats a client's words can."""
    own, repeated = records(
        [control(Kind.SESSION, {"uid": 1}), control(Kind.ABANDONED, {"spans": ["named"]})]
    )
    with pytest.raises(InvalidRequest, match="SESSION"):
        doom(own)
    assert doom(repeated).items == ()


def test_a_trace_is_found_wherever_it_was_recorded() -> None:
    """Spans, marks, logs and what tells of abandoned spans all hold it."""
    found = records(
        [
            content(request(span(1, trace=1))),
            content(request(span(2, trace=2))),
            mark(3, 1),
            logs(2, 1),
            control(Kind.ABANDONED, {"spans": [[trace_id(1), span_id(3)]]}),
            control(Kind.ABANDONED, {"spans": [[trace_id(2), span_id(2)]]}),
        ]
    )
    assert firsts(list(holding(found, [Wanted(trace_id(1), b"")]))) == [1, 3, 4, 6]


def test_a_span_is_not_its_child() -> None:
    """Whoever names it as a parent, or only has its bytes, is left alone."""
    found = records(
        [
            content(request(span(1, trace=1))),
            content(request(span(2, trace=1, parent=1))),
            mark(1, 1),
            control(Kind.ABANDONED, {"spans": [[trace_id(1), span_id(1)]]}),
            control(Kind.SESSION, {"instance_id": trace_id(1) + span_id(1)}),
        ]
    )
    assert firsts(list(holding(found, [Wanted(trace_id(1), span_id(1))]))) == [1, 3, 4]


def test_ids_and_prefixes_are_resolved() -> None:
    """A whole trace id needs no search; a prefix names a trace or a span, if it names one."""
    found = records([content(request(span(1, trace=1), span(2, trace=1))), logs(5)])
    whole = trace_id(9).hex()
    assert resolve([], whole) == Wanted(trace_id(9), b"")
    assert resolve(found, span_id(2).hex()) == Wanted(trace_id(1), span_id(2))
    assert resolve(found, trace_id(1).hex()[:10]) == Wanted(trace_id(1), b"")
    assert resolve(found, trace_id(5).hex()[:9]) == Wanted(trace_id(5), b"")
    with pytest.raises(NotFound):
        resolve(found, "abcdef")
    with pytest.raises(UnusableId, match="ambiguous"):
        resolve(found, span_id(1).hex()[:6])
    with pytest.raises(UnusableId, match="not an id"):
        resolve(found, "xyz")


def test_a_walk_learns_what_is_gone() -> None:
    """From the newest record back, each redacted record is known before it is met."""
    first = records([content(request(span(1))), content(request(span(2, trace=2)))])
    log = records(
        [
            content(request(span(1))),
            content(request(span(2, trace=2))),
            gone(first[0], 1),
            gone(first[1], 2),
        ]
    )
    redactions = Redactions()
    assert list(redactions.noting(reversed(log))) == log[::-1]
    assert list(redactions.noting(reversed(log))) == log[::-1]

    assert [target.first for _, target in redactions.all()] == [1, 2]
    ((told, target),) = redactions.of_trace(trace_id(2))
    assert (told.reason, target.first) == ("for 2", 2)
    item = redactions.of_item(Position(1, LINEAGE, 1))
    assert item is not None
    assert item.reason == "for 1"
    assert redactions.of_item(Position(1, b"elsewher", 1)) is None
    assert redactions.of_item(Position(1, LINEAGE, 3)) is None
    assert redactions.traces(trace_id(2).hex()[:8]) == [trace_id(2)]
    assert redaction_document(told, target) == {
        "first": f"{LINEAGE.hex()}:2",
        "last": f"{LINEAGE.hex()}:2",
        "item_count": 1,
        "actor": "ann",
        "reason": "for 2",
        "time_ns": str(log[3].header.wall_ns),
        "position": f"{LINEAGE.hex()}:4",
    }


def test_a_record_that_is_named_twice_counts_once() -> None:
    """A redaction that was completed after a crash is told a second time."""
    (record,) = records([content(request(span(1)))])
    log = records([content(request(span(1))), gone(record, 1), gone(record, 1)])
    redactions = Redactions()
    for _ in redactions.noting(reversed(log)):
        pass
    assert len(redactions.found) == 2
    assert len(redactions.all()) == 1
