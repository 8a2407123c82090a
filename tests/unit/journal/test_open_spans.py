"""The table of open spans: what groups make of it, that it is durable, bounded, and checked."""

from collections.abc import Sequence
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import SidespanError, StoreUnreadable, Unavailable
from sidespand.journal import open_spans
from sidespand.journal.open_row import decode_open_span, encode_open_span
from sidespand.journal.open_spans import OpenDraft, OpenSpans, abandoned_bodies
from sidespand.journal.reader import JournalReader
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentWriter
from sidespand.limits import CONTROL_BYTES_MAX, KIB, MIB, SEGMENT_MAP_SLACK_BYTES
from sidespand.model import Admitted, Content, Kind, Mark, OpenSpan, Receipt, SpanKey
from tests.clocks import ManualClock
from tests.unit.journal.faults import file_size_limit
from tests.unit.journal.lives import Life, living, records, segment_files
from tests.unit.journal.making import INSTANCE, LINEAGE, PEER, content, step

OTHER = b"instance-0000002"


def key(number: int) -> SpanKey:
    """Return the ids of a span."""
    return SpanKey(bytes(15) + b"\x01", number.to_bytes(8, "big"))


def open_span(number: int, instance_id: bytes = INSTANCE, name: str = "step") -> OpenSpan:
    """Return an open span; a higher number was opened later."""
    mark = Mark(key(number), 7, name, "planner")
    return OpenSpan(instance_id, mark, PEER, LINEAGE, number, number, 10.0)


def marks(*numbers: int) -> Content:
    """Return an admitted record of marks."""
    each = tuple(Mark(key(number), 7, f"step {number}", "planner") for number in numbers)
    return Content(Kind.MARKS, b"marks", len(each), marks=each)


def numbers(spans: Sequence[OpenSpan]) -> list[int]:
    """Return the numbers of spans."""
    return [int.from_bytes(span.mark.key.span_id, "big") for span in spans]


def stored(data_dir: Path) -> list[int]:
    """Return the numbers of the spans that a reader finds open."""
    reader = JournalReader(data_dir)
    try:
        return numbers(reader.open_spans())
    finally:
        reader.close()


def end(life: Life, seq: int, *ended: int) -> Receipt:
    """Append a step that ends spans."""
    admitted = Admitted((), ended=tuple(key(number) for number in ended))

    async def append() -> Receipt:
        return await life.store.append(admitted, PEER, step(seq))

    return life.run(append())


def abandon(life: Life, instance_id: bytes = INSTANCE) -> Receipt:
    """Give an instance up."""

    async def give_up() -> Receipt:
        return await life.store.abandon(instance_id, "its process is gone")

    return life.run(give_up())


_operations = st.lists(
    st.tuples(
        st.sampled_from(["open", "end", "abandon", "commit", "fail"]),
        st.sampled_from([INSTANCE, OTHER]),
        st.integers(1, 5),
    ),
    max_size=60,
)


@given(_operations)
def test_groups_change_table_and_rows_alike(operations: list[tuple[str, bytes, int]]) -> None:
    """Whatever a group does, the table and the rows say the same, and a failed group nothing."""
    table, rows = OpenSpans(()), dict[bytes, bytes]()
    durable: dict[tuple[bytes, int], None] = {}
    draft, expected = OpenDraft(table), dict(durable)
    for operation, instance_id, number in operations:
        if operation == "open":
            draft.open(open_span(number, instance_id))
            expected.setdefault((instance_id, number))
        elif operation == "end":
            draft.end(instance_id, key(number))
            expected.pop((instance_id, number), None)
        elif operation == "abandon":
            given_up = draft.abandon(instance_id)
            assert set(numbers(given_up)) == {n for i, n in expected if i == instance_id}
            expected = {one: None for one in expected if one[0] != instance_id}
        elif operation == "commit":
            for row_key, row in draft.rows(everything=False).items():
                if row is None:
                    rows.pop(row_key, None)
                else:
                    rows[row_key] = row
            whole = {k: row for k, row in draft.rows(everything=True).items() if row is not None}
            table.update(draft.changes)
            assert whole == rows
            durable = dict(expected)
            draft = OpenDraft(table)
        else:
            draft, expected = OpenDraft(table), dict(durable)
        assert {(one.instance_id, one.lsn) for one in table.all()} == set(durable)
        assert table.count == len(durable)
    again = OpenSpans(decode_open_span(k, row) or pytest.fail("no row") for k, row in rows.items())
    assert set(again.all()) == set(table.all())


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One instance leaves room for others; what has no room is counted, and ends free it."""
    monkeypatch.setattr(open_spans, "OPEN_SPANS_PER_INSTANCE_MAX", 2)
    monkeypatch.setattr(open_spans, "OPEN_SPANS_MAX", 3)
    table = OpenSpans([open_span(1)])
    draft = OpenDraft(table)
    for number in (2, 3):
        draft.open(open_span(number))
    for number in (4, 5):
        draft.open(open_span(number, OTHER))
    assert draft.unwatched == 2
    table.update(draft.changes)
    assert numbers(list(table.all())) == [1, 2, 4]
    draft = OpenDraft(table)
    draft.end(INSTANCE, key(1))
    draft.open(open_span(3))
    table.update(draft.changes)
    assert numbers(list(table.all())) == [2, 3, 4]


def test_open_spans_survive_restarts_and_rolls(tmp_path: Path) -> None:
    """Every new segment begins with all of them; a reader sees them without a daemon."""
    clock = ManualClock()
    with living(tmp_path, clock) as life:
        receipt = life.append(marks(1, 2, 3), step=step(1))
        assert [one.lsn for one in life.store._open_spans.all()] == list(
            range(receipt.first_lsn, receipt.last_lsn + 1)
        )
        clock.pass_time(3601)
        life.append(content(b"in a new segment"))
        end(life, 2, 2)
    assert len(segment_files(tmp_path)) == 2
    assert stored(tmp_path) == [1, 3]
    with living(tmp_path, clock) as life:
        assert life.store.open_instances() == {INSTANCE: 10.0}
        assert life.store.open_count(INSTANCE) == life.store.open_span_count == 2
        end(life, 3, 1, 3)
    assert stored(tmp_path) == []


def test_a_failed_commit_opens_and_ends_nothing(tmp_path: Path) -> None:
    """The table is that of what was acknowledged, in the segment that follows too."""
    with living(tmp_path) as life:
        life.append(marks(1), step=step(1))
        with file_size_limit(16 * KIB), pytest.raises(SidespanError):
            life.append(content(bytes(MIB)))
        life.append(marks(2), step=step(2))
    assert stored(tmp_path) == [1, 2]


def test_abandoned_and_forgotten_are_one_commit(tmp_path: Path) -> None:
    """ABANDONED counts what was appended before it, and is not written without open spans."""
    with living(tmp_path) as life:
        life.append(marks(1, 2), step=step(1))
        end(life, 2, 1)
        receipt = abandon(life)
        assert receipt.first_lsn == receipt.last_lsn > 0
        assert abandon(life).first_lsn == 0
        assert life.store.open_span_count == 0
    assert stored(tmp_path) == []
    (record,) = [one for one in records(tmp_path) if one.header.kind is Kind.ABANDONED]
    assert record.header.producer_session == 0
    assert record.payload is not None
    body = msgpack.unpackb(record.payload)
    assert [row[:2] for row in body["spans"]] == [list(key(2))]
    assert (body["pid"], body["uid"], body["part"], body["parts"]) == (PEER.pid, PEER.uid, 1, 1)


def test_a_commit_that_fails_abandons_nothing(tmp_path: Path) -> None:
    """The spans stay open, and giving up can be tried again."""
    with living(tmp_path) as life:
        life.append(marks(1), step=step(1))
        with file_size_limit(1), pytest.raises(Unavailable):
            abandon(life)
        assert life.store.open_count(INSTANCE) == 1
        assert abandon(life).last_lsn > 0
    assert stored(tmp_path) == []


def test_many_abandoned_spans_become_several_records() -> None:
    """Each within the bound of a control record, together all spans in their order."""
    spans = [open_span(number, name="漢" * 80) for number in range(1, 1001)]
    bodies = abandoned_bodies(spans, "its process is gone", 5)

    assert len(bodies) > 1
    assert all(len(msgpack.packb(dict(body))) <= CONTROL_BYTES_MAX for body in bodies)
    assert [body["part"] for body in bodies] == list(range(1, len(bodies) + 1))
    assert [row[1] for body in bodies for row in body["spans"]] == [s.mark.key[1] for s in spans]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_row_is_noticed(at: int, flip: int) -> None:
    """Whatever byte of the value is another one."""
    row_key, row = encode_open_span(open_span(1))
    damaged = bytearray(row)
    damaged[at % len(row)] ^= flip

    with pytest.raises(DamagedRecord):
        decode_open_span(row_key, bytes(damaged))


def test_a_damaged_row_stops_the_start(tmp_path: Path) -> None:
    """It is the end of the log that cannot be read; nothing is changed."""
    with living(tmp_path) as life:
        life.append(marks(1), step=step(1))
    row_key, row = encode_open_span(open_span(9))
    (segment,) = segment_files(tmp_path)
    writer = SegmentWriter(segment, MIB + SEGMENT_MAP_SLACK_BYTES, sync=False)
    writer.commit((), {row_key: row[:-1] + b"\xff"})
    writer.close()
    before = segment.read_bytes()

    with pytest.raises(StoreUnreadable, match="checksum of an open span"):
        Life(tmp_path)
    assert segment.read_bytes() == before
