"""What a sink refuses as a whole is taken apart until the bad items are alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidespand.limits import SINK_SPLITS_MAX
from sidespand.model import Delivered, Delivery, Gap, Kind, Position, Record, Rejected, Retry
from sidespand.sinks import otlp_walk
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.dead_letters import DeadLetters
from tests.fakes import ListLog, ScriptedSink
from tests.journals import content, eventually, lsns, records, run
from tests.otlp import encoded


class PickySink:
    """Refuses every delivery that holds a bad item, and takes the others.

    Args:
        is_bad: Tells of an LSN.
        busy: How many deliveries it first says Retry to, of each two.
    """

    kinds = frozenset({Kind.SPANS})

    def __init__(self, is_bad: Callable[[int], bool], *, busy: bool = False) -> None:
        self._is_bad = is_bad
        self._busy = busy
        self.deliveries = 0
        self.taken: list[Record] = []

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Judge one delivery."""
        self.deliveries += 1
        if self._busy and self.deliveries % 2:
            return Retry("busy")
        count = len(lsns(records))
        if any(self._is_bad(lsn) for lsn in lsns(records)):
            return Rejected(count, "one is bad", whole=True)
        self.taken += records
        return Delivered()

    async def close(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def carrying(log: ListLog, sink: object, place: Path) -> AsyncIterator[Carrier]:
    """Yield a carrier that runs up to the log's end; it is closed afterwards."""
    cursor = CursorFile(place / "cursor.json")
    carrier = Carrier(
        "picky",
        sink,  # type: ignore[arg-type]
        log,
        cursor,
        uniform=lambda *_: 0.0,
        coalesce_s=0.0,
    )
    task = asyncio.create_task(carrier.run())
    newest = log.tail()
    assert newest is not None
    carrier.advance(newest)
    try:
        yield carrier
        carrier.stop()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await carrier.close()


def dead(place: Path) -> list[int]:
    """Return the LSN of every item among the dead letters."""
    return lsns([letter.record for letter in DeadLetters(place).letters()])


def span_ids(records: Sequence[Record]) -> list[bytes]:
    """Return the id of every span, in order."""
    return [
        item.span_id
        for record in records
        for _, item in otlp_walk.each(
            record.header.kind, otlp_walk.parse(record.header.kind, record.payload or b"")
        )
    ]


@pytest.mark.fault(34)
@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    bad=st.sets(st.integers(1, 60), max_size=6),
    busy=st.booleans(),
)
def test_every_good_item_is_delivered_once_and_every_bad_one_is_kept(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], bad: set[int], *, busy: bool
) -> None:
    """Delivered items and dead letters together are the log, in order, each under its own LSN."""
    place = tmp_path_factory.mktemp("sink")

    async def test() -> None:
        stored = records([content(encoded(count)) for count in counts])
        sink = PickySink(bad.__contains__, busy=busy)
        async with carrying(ListLog(stored), sink, place) as carrier:
            await eventually(lambda: carrier.saved == stored[-1].position, "the end")
        everything = lsns(stored)
        assert lsns(sink.taken) == [lsn for lsn in everything if lsn not in bad]
        assert dead(place) == [lsn for lsn in everything if lsn in bad]
        by_lsn = dict(zip(everything, span_ids(stored), strict=True))
        assert span_ids(sink.taken) == [by_lsn[lsn] for lsn in lsns(sink.taken)]
        assert carrier.figures.delivered_items == len(lsns(sink.taken))
        assert carrier.figures.rejected_items == len(bad & set(everything))

    run(test())


@pytest.mark.slow
def test_a_sink_that_refuses_everything_costs_a_bounded_number_of_requests(tmp_path: Path) -> None:
    """Beyond the bound what is refused goes to the dead letters in larger parts, none is lost."""

    async def test() -> None:
        stored = records([content(encoded(2000))])
        sink = PickySink(lambda _: True)
        async with carrying(ListLog(stored), sink, tmp_path) as carrier:
            await eventually(lambda: carrier.saved is not None, "the end", 50.0)
        assert sink.deliveries <= 2 * SINK_SPLITS_MAX + 1
        assert dead(tmp_path) == lsns(stored)

    run(test())


@pytest.mark.fault(35)
def test_a_partial_success_is_kept_and_not_sent_again(tmp_path: Path) -> None:
    """Which items were refused is not said: the records are kept, with how many."""

    async def test() -> None:
        stored = records([content(encoded(3)), content(encoded(2))])
        sink = ScriptedSink(Rejected(1, "too old"))
        async with carrying(ListLog(stored), sink, tmp_path) as carrier:
            await eventually(lambda: carrier.saved is not None, "the end")
        assert len(sink.attempts) == 1
        letters = list(DeadLetters(tmp_path).letters())
        assert [(one.refused_items, one.reason) for one in letters] == [(1, "too old")] * 2
        assert [one.record.payload for one in letters] == [one.payload for one in stored]
        assert (carrier.figures.rejected_items, carrier.figures.delivered_items) == (1, 4)

    run(test())


def test_the_cursor_waits_for_the_dead_letter(tmp_path: Path) -> None:
    """While a refusal cannot be written down, nothing moves; afterwards it goes on."""
    obstacle = tmp_path / "dead-letters.jsonl"
    obstacle.mkdir()

    async def test() -> None:
        stored = records([content(encoded(1)), content(encoded(1))])
        sink = PickySink(lambda lsn: lsn == 1)
        async with carrying(ListLog(stored), sink, tmp_path) as carrier:
            await eventually(lambda: carrier.figures.retries > 2, "some tries")
            assert carrier.saved is None
            assert not sink.taken
            obstacle.rmdir()
            await eventually(lambda: carrier.saved == stored[-1].position, "the end")
        assert dead(tmp_path) == [1]
        assert lsns(sink.taken) == [2]

    run(test())


def test_a_stop_in_the_middle_brings_the_batch_again_and_no_letter_twice(tmp_path: Path) -> None:
    """After a stop among the parts all of them come again; a dead letter is there once."""

    async def test() -> None:
        stored = records([content(encoded(4))])
        stalled = ScriptedSink(
            Rejected(4, "bad", whole=True),
            Rejected(2, "bad", whole=True),
            Rejected(1, "bad", whole=True),
            *[Retry("down")] * 1000,
        )
        async with carrying(ListLog(stored), stalled, tmp_path) as carrier:
            await eventually(lambda: carrier.figures.retries > 0, "the stall")
        assert carrier.saved is None
        sink = PickySink(lambda lsn: lsn == 1)
        async with carrying(ListLog(stored), sink, tmp_path) as carrier:
            await eventually(lambda: carrier.saved is not None, "the end")
        assert dead(tmp_path) == [1]
        assert lsns(sink.taken) == [2, 3, 4]

    run(test())


def test_a_redaction_reaches_the_dead_letters(tmp_path: Path) -> None:
    """What the journal took back is not kept among the letters of a sink without files."""

    async def test() -> None:
        stored = records([content(encoded(2)), content(encoded(1))])
        async with carrying(ListLog(stored), PickySink(lambda _: True), tmp_path) as carrier:
            await eventually(lambda: carrier.saved is not None, "the end")
            assert dead(tmp_path) == [1, 2, 3]
            header = stored[0].header
            await carrier.erase([Gap(1, header.lineage, 1, 2, "redacted")])
        assert dead(tmp_path) == [3]
        text = (tmp_path / "dead-letters.jsonl").read_text()
        assert '"first_lsn":"1"' not in text

    run(test())


@pytest.mark.fault(31)
def test_the_age_of_what_waits_is_known(tmp_path: Path) -> None:
    """A sink that is well has none waiting; a stalled one says for how long the oldest does."""

    async def test() -> None:
        stored = records([content(encoded())])
        gate = asyncio.Event()
        async with carrying(ListLog(stored), ScriptedSink(gate), tmp_path) as carrier:
            await eventually(lambda: carrier.oldest_age_s(2**63) > 0, "the delivery")
            wall_ns = stored[0].header.wall_ns
            assert carrier.oldest_age_s(wall_ns + 3600 * 10**9) == 3600.0
            assert carrier.oldest_age_s(wall_ns - 1) == 0.0
            gate.set()
            await eventually(lambda: carrier.saved is not None, "the end")
            assert carrier.oldest_age_s(2**63) == 0.0

    run(test())


def test_positions_of_parts_lie_in_their_record() -> None:
    """A part's place is that of its last item, in the same lineage."""
    (record,) = records([content(encoded(5))], next_lsn=10)
    first, last = otlp_walk.part(record, 0, 2), otlp_walk.part(record, 2, 5)
    assert first.position == Position(1, record.header.lineage, 11)
    assert (last.header.first_lsn, last.header.last_lsn) == (12, 14)
    assert last.header.stamp.logical == record.header.stamp.logical + 2
    assert otlp_walk.part(record, 0, 5) is record
