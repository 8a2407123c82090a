"""Stores become a collection that questions of order can be asked of."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sidespand import token
from sidespand.admission.otlp import OtlpAdmission
from sidespand.errors import NotFound
from sidespand.evidence.collection import Resolution
from sidespand.evidence.verdict import About, Answer, Comparer
from sidespand.model import Content, Gap, Kind, Position, Record
from sidespand.query.evidence import Gathering, entries, facts
from sidespand.query.find import UnusableId
from sidespand.query.names import parse_position, resolve_item, resolve_trace_id
from tests.journals import records
from tests.unit.query import samples


class Stored:
    """A log in memory, read two entries at a time."""

    def __init__(self, found: Sequence[Record | Gap]) -> None:
        self._found = found

    def read(self, after: Position | None, upto: Position | None = None) -> list[Record | Gap]:
        """Return the next two entries."""
        behind = [one for one in self._found if after is None or one.position > after]
        return [one for one in behind if upto is None or one.position <= upto][:2]

    def tail(self) -> Position | None:
        """Return the last entry's position."""
        return self._found[-1].position if self._found else None

    def close(self) -> None:
        """Hold nothing."""


def spans(*numbers: int, trace: int = 1) -> Content:
    """Return a request of some spans."""
    return samples.spans_content(
        samples.request(*(samples.span(n, trace=trace, parent=1) for n in numbers))
    )


def test_items_become_facts_and_payloads_are_let_go() -> None:
    """Every span of every record is known by its place; nothing keeps the bytes."""
    log = records([spans(2, 3), spans(4)])
    gathering = Gathering()
    gathering.add(entries(Stored(log)))

    evidence = gathering.gathered().evidence

    assert [(f.span_id, f.lsn) for f in evidence.facts] == [
        (samples.span_id(2), 1),
        (samples.span_id(3), 2),
        (samples.span_id(4), 3),
    ]
    assert all(one.payload is None for one in evidence.records.values())
    assert {f.parent_span_id for f in evidence.facts} == {samples.span_id(1)}


def test_a_mark_has_no_end() -> None:
    """Whatever a mark says of its end, it was written at the start."""
    payload = samples.request(samples.span(1))
    (mark,) = records([Content(Kind.MARKS, payload, 1)])

    assert [fact.end_ns for fact in facts(mark)] == [0]


def test_a_long_log_is_read_from_its_newest_part() -> None:
    """What was left out is named as a gap, and makes nothing wrong."""
    log = records([spans(n) for n in range(1, 31)])

    found = list(entries(Stored(log), [log[-1].position], items_max=10))

    assert found[0] == Gap(1, log[0].header.lineage, 1, 20, "unread")
    assert found[1:] == log[20:]
    assert list(entries(Stored(log), [log[-1].position], items_max=30)) == log
    assert list(entries(Stored(log), items_max=10)) == log
    assert list(entries(Stored([]))) == []


@pytest.mark.parametrize(
    ("items_max", "unread"), [(3, (30, 2)), (5, (30, 0)), (12, (23, 0)), (35, (0, 0))]
)
def test_a_store_of_several_lineages_is_bounded_as_a_whole(
    items_max: int, unread: tuple[int, int]
) -> None:
    """The newest items count, in whatever lineage they are; what is left out is named in each."""
    old = records([spans(n) for n in range(1, 31)])
    new = [
        replace(one, ordinal=2, header=replace(one.header, lineage=b"\x02" * 8))
        for one in records([spans(n) for n in range(1, 6)])
    ]
    ends = [old[-1].position, new[-1].position]

    found = list(entries(Stored([*old, *new]), ends, items_max))

    gaps = [
        Gap(n, end.lineage, 1, count, "unread")
        for n, end, count in zip((1, 2), ends, unread, strict=True)
    ]
    assert found == [*(gap for gap in gaps if gap.last), *old[unread[0] :], *new[unread[1] :]]


def test_gaps_and_payloads_that_do_not_parse_are_named() -> None:
    """The order of such a record is known, its spans are not."""
    broken, _ = log = records([Content(Kind.SPANS, b"\xff\xff", 1), spans(2)])
    gap = Gap(1, log[0].header.lineage, 3, 9, "damaged")
    gathering = Gathering()
    gathering.add([*log, gap])

    gathered = gathering.gathered()

    assert gathered.gaps == (gap,)
    assert gathered.unreadable == (broken.position,)
    assert len(gathered.evidence.records) == 2


def test_the_same_store_twice_counts_once() -> None:
    """A copy adds nothing but what it wrote since."""
    log = records([spans(2), spans(3)])
    gathering = Gathering()
    gathering.add(log)
    gathering.add(log)

    evidence = gathering.gathered().evidence

    assert (len(evidence.records), evidence.forks) == (2, {})


def test_tokens_of_another_store_are_found() -> None:
    """A span that was received with a token is joined to its record, on whatever node that is."""
    (plan,) = records([spans(1)])
    header = plan.header
    held = token.encode(header.lineage, header.last_lsn, header.stamp, plan.leaf[:16])
    called = samples.span(2, parent=1)
    called.trace_state = f"vendor=1,sidespan={held}"
    admitted = OtlpAdmission().admit(Kind.SPANS, samples.request(called))
    (tool,) = records(admitted.contents, lineage=b"otherlog")
    gathering = Gathering()
    gathering.add([tool])
    gathering.add([plan])
    evidence = gathering.gathered().evidence

    ((citation,),) = evidence.citations.values()
    assert citation.resolution is Resolution.VERIFIED
    a, b = (resolve_item(evidence, samples.span_id(n).hex()) for n in (1, 2))
    verdict = Comparer(evidence).compare(a, b, About.COMMIT)
    assert verdict.verdict is Answer.BEFORE


def test_names_of_items() -> None:
    """A position, a token, a span id or a prefix of one; of a span the newest recording."""
    log = records([spans(2, 3), spans(2), spans(2, trace=2)])
    gathering = Gathering()
    gathering.add(log)
    evidence = gathering.gathered().evidence
    lineage = log[0].header.lineage

    assert resolve_item(evidence, f"{lineage.hex()}:2").lsn == 2
    text = token.encode(lineage, 2, log[0].header.stamp, log[0].leaf[:16])
    assert parse_position(text) == (lineage, 2)
    assert resolve_item(evidence, samples.span_id(3).hex()[:8]).lsn == 2
    with pytest.raises(UnusableId, match="ambiguous"):
        resolve_item(evidence, samples.span_id(2).hex())
    with pytest.raises(NotFound, match="is at"):
        resolve_item(evidence, f"{lineage.hex()}:99")
    with pytest.raises(NotFound, match="a trace's"):
        resolve_item(evidence, samples.trace_id(1).hex())
    assert resolve_trace_id(evidence, samples.trace_id(2).hex()[:8]) == samples.trace_id(2)
    with pytest.raises(UnusableId, match="ambiguous"):
        resolve_trace_id(evidence, "000000")
    with pytest.raises(NotFound):
        resolve_trace_id(evidence, "abcdef")


def test_a_place_that_two_records_claim_is_ambiguous() -> None:
    """The hint leads to the fork."""
    gathering = Gathering()
    gathering.add(records([spans(2)]))
    gathering.add(records([spans(3)]))
    evidence = gathering.gathered().evidence

    with pytest.raises(UnusableId, match="2 records claim"):
        resolve_item(evidence, f"{next(iter(evidence.logs)).hex()}:1")


@pytest.mark.parametrize(
    "text", ["", "0:1", "00112233445566aa:0", "00112233445566aa:18446744073709551616", "x" * 99]
)
def test_what_is_no_position(text: str) -> None:
    """It may still be an id."""
    assert parse_position(text) is None
