"""One sink's way through the log: order, tries, cursor, stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidespand.journal.reader import JournalReader
from sidespand.limits import SINK_REASON_CHARACTERS_MAX, SINK_RETRY_AFTER_S_MAX
from sidespand.model import Gap, Kind, Position, Rejected, Retry
from sidespand.ports import Log, Sink
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.patience import bounded, retry_wait_s
from tests.fakes import ListLog, ScriptedSink
from tests.journals import LINEAGE, content, eventually, lsns, records, run, write
from tests.otlp import encoded

OTHER_LINEAGE = bytes(8)


def least(low: float, _high: float) -> float:
    """Wait no time at all, whatever the back-off says."""
    assert low > 0
    return 0.0


@asynccontextmanager
async def carrying(
    log: Log, sink: Sink, place: Path, newest: Position | None
) -> AsyncIterator[Carrier]:
    """Yield a carrier that runs; it is stopped and closed afterwards."""
    cursor = CursorFile(place / "cursor.json")
    carrier = Carrier("archive", sink, log, cursor, uniform=least, coalesce_s=0.0)
    task = asyncio.create_task(carrier.run())
    if newest is not None:
        carrier.advance(newest)
    try:
        yield carrier
        carrier.stop()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await carrier.close()


async def stored(place: Path, *span_counts: int) -> tuple[JournalReader, list[Position]]:
    """Return a reader of a real store with a record for each count."""
    positions = await write(place / "data", [content(encoded(count)) for count in span_counts])
    return JournalReader(place / "data"), positions


def test_a_new_sink_gets_everything_from_the_oldest_record(tmp_path: Path) -> None:
    """Every span of a real store arrives once and in order; control records do not."""

    async def test() -> None:
        log, positions = await stored(tmp_path, 3, 1, 2)
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, positions[-1]) as carrier:
            await eventually(lambda: len(lsns(sink.taken)) == 6, "all spans")
        assert lsns(sink.taken) == sorted(lsns(sink.taken))
        assert {record.header.kind for record in sink.taken} == {Kind.SPANS}
        assert carrier.saved == positions[-1]
        assert carrier.lag_items == 0
        log.close()

    run(test())


def test_nothing_is_read_beyond_what_was_announced(tmp_path: Path) -> None:
    """What lies in the file but was not acknowledged yet stays there until it is."""

    async def test() -> None:
        log, positions = await stored(tmp_path, 1, 1, 1)
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, positions[1]) as carrier:
            await eventually(lambda: carrier.saved == positions[1], "two records")
            assert [record.position for record in sink.taken] == positions[:2]
            assert carrier.lag_items == 0
            carrier.advance(positions[2])
            assert carrier.lag_items == 1
            await eventually(lambda: len(sink.taken) == 3, "the third record")
        log.close()

    run(test())


def test_a_restart_goes_on_behind_the_cursor(tmp_path: Path) -> None:
    """A second carrier with the same cursor file delivers only what the first one did not."""

    async def test() -> None:
        log, positions = await stored(tmp_path, 2, 2)
        first, second = ScriptedSink(), ScriptedSink()
        async with carrying(log, first, tmp_path, positions[0]) as carrier:
            await eventually(lambda: carrier.saved == positions[0], "the first record")
        async with carrying(log, second, tmp_path, positions[1]):
            await eventually(lambda: bool(second.taken), "the second record")
        assert [record.position for record in second.taken] == [positions[1]]
        log.close()

    run(test())


def test_a_failed_delivery_is_tried_again_and_the_cursor_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Retries are counted and logged once in a row; the cursor moves only behind the success."""

    async def test() -> None:
        log, positions = await stored(tmp_path, 1)
        gate = asyncio.Event()
        sink = ScriptedSink(Retry("down"), Retry("still down"), gate)
        async with carrying(log, sink, tmp_path, positions[0]) as carrier:
            await eventually(lambda: len(sink.attempts) == 3, "three tries")
            assert carrier.saved is None
            gate.set()
            await eventually(lambda: carrier.saved == positions[0], "the cursor")
        assert carrier.figures.retries == 2
        assert carrier.figures.delivered_items == 1
        log.close()

    with caplog.at_level(logging.INFO):
        run(test())
    said = [record.getMessage() for record in caplog.records]
    assert said.count("sink archive: down; trying again") == 1
    assert not [line for line in said if "still down" in line]
    assert "sink archive: going on after 2 failed tries" in said


def test_a_sink_that_raises_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in a sink costs a retry, not the task, and its traceback is logged once."""

    async def test() -> None:
        log, positions = await stored(tmp_path, 1)
        sink = ScriptedSink(ZeroDivisionError("bug"), ZeroDivisionError("bug"))
        async with carrying(log, sink, tmp_path, positions[0]):
            await eventually(lambda: len(sink.taken) == 1, "the delivery")
        log.close()

    run(test())
    traced = [record for record in caplog.records if record.exc_info]
    assert len(traced) == 1
    assert "ZeroDivisionError: bug" in traced[0].getMessage()


def test_back_off_grows_and_starts_over_after_a_success(tmp_path: Path) -> None:
    """The ceiling doubles with each failure in a row and falls back after a success."""
    ceilings = []

    def note(_low: float, high: float) -> float:
        ceilings.append(high)
        return 0.0

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        sink = ScriptedSink(Retry("1"), Retry("2"), Retry("3"))
        carrier = Carrier("a", sink, log, CursorFile(tmp_path / "c"), uniform=note, coalesce_s=0.0)
        task = asyncio.create_task(carrier.run())
        carrier.advance(log.entries[-1].position)
        await eventually(lambda: len(sink.taken) == 1, "the first record")
        sink.script.append(Retry("4"))
        log.entries += records([content(encoded())], next_lsn=2)
        carrier.advance(log.entries[-1].position)
        await eventually(lambda: len(sink.taken) == 2, "the second record")
        carrier.stop()
        await task

    run(test())
    assert ceilings == [0.1, 0.2, 0.4, 0.1]


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (7.5, 7.5), (1e9, SINK_RETRY_AFTER_S_MAX)],
)
def test_a_sink_may_ask_for_a_longer_wait_not_a_shorter_one(
    after_s: float | None, expected: float
) -> None:
    """What the peer asks for is honoured above the back-off, and bounded."""
    assert retry_wait_s(Retry("", after_s), 1, lambda _low, _high: 2.0) == expected


def test_rejected_items_are_counted_and_never_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The cursor passes what the sink refuses for good, however many it claims to have refused."""

    async def test() -> None:
        log = ListLog(records([content(encoded(3))]))
        sink = ScriptedSink(Rejected(1, "too old"), Rejected(10**9, "too old"))
        async with carrying(log, sink, tmp_path, log.entries[-1].position) as carrier:
            await eventually(lambda: carrier.saved is not None, "the first record")
            log.entries += records([content(encoded(2))], next_lsn=4)
            carrier.advance(log.entries[-1].position)
            await eventually(lambda: carrier.lag_items == 0, "the second record")
        assert len(sink.attempts) == 2
        assert carrier.figures.rejected_items == 1 + 2
        assert carrier.figures.delivered_items == 2

    run(test())
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(said) == 1
    assert "refused 1 of 3 items" in said[0]
    assert said[0].endswith("too old")


def test_a_peers_words_are_cut() -> None:
    """A reason is logged up to its limit and no further."""
    exact = "x" * SINK_REASON_CHARACTERS_MAX
    assert bounded(exact) == exact
    assert len(bounded(exact + "x")) == SINK_REASON_CHARACTERS_MAX


def test_gaps_are_counted_and_passed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A hole in the log is said and stops nothing."""

    async def test() -> None:
        gap = Gap(1, LINEAGE, 2, 5, "trimmed")
        around = (records([content(encoded())]), records([content(encoded())], next_lsn=6))
        log = ListLog([*around[0], gap, *around[1]])
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, log.entries[-1].position) as carrier:
            await eventually(lambda: carrier.lag_items == 0, "the end")
        assert lsns(sink.taken) == [1, 6]
        assert carrier.figures.missed_items == 4

    run(test())
    assert "LSN 2 to 5 of lineage 00112233445566aa cannot be delivered: trimmed" in caplog.text


def test_a_journal_that_cannot_be_read_for_a_while_is_read_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A failing read costs a retry; nothing is passed over because of it."""

    async def test() -> None:
        log = ListLog(records([content(encoded())]), [OSError("no disk"), RuntimeError("bad")])
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, log.entries[-1].position) as carrier:
            await eventually(lambda: len(sink.taken) == 1, "the record")
        assert carrier.figures.retries == 2

    run(test())
    assert caplog.text.count("the journal cannot be read") == 1


@pytest.mark.parametrize(
    "cursor",
    [
        Position(1, LINEAGE, 10**6),
        Position(9, LINEAGE, 1),
        Position(1, OTHER_LINEAGE, 1),
    ],
)
def test_a_cursor_that_is_not_in_the_log_starts_from_the_oldest(
    tmp_path: Path, cursor: Position, caplog: pytest.LogCaptureFixture
) -> None:
    """Ahead of the log or of an unknown lineage: said once, then everything is delivered."""
    CursorFile(tmp_path / "cursor.json").save(cursor)

    async def test() -> None:
        log = ListLog(records([content(encoded()), content(encoded())]))
        gate = asyncio.Event()
        sink = ScriptedSink(gate)
        async with carrying(log, sink, tmp_path, log.entries[-1].position) as carrier:
            await eventually(lambda: bool(sink.attempts), "a try")
            assert carrier.saved is None
            gate.set()
            await eventually(lambda: carrier.lag_items == 0, "the end")
        assert lsns(sink.taken) == [1, 2]
        assert carrier.saved == log.entries[-1].position

    run(test())
    assert caplog.text.count("is not in this log") == 1


def test_a_cursor_of_a_lost_older_lineage_starts_from_the_oldest(tmp_path: Path) -> None:
    """A cursor whose number now names another lineage is found out when that lineage is read."""
    CursorFile(tmp_path / "cursor.json").save(Position(1, b"vanished", 1))

    async def test() -> None:
        old = records([content(encoded()), content(encoded())])
        new = records([content(encoded())], ordinal=2, lineage=OTHER_LINEAGE)
        log = ListLog([*old, *new])
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, new[-1].position) as carrier:
            await eventually(lambda: carrier.lag_items == 0, "the end")
        assert lsns(sink.taken) == [1, 2, 1]

    run(test())


def test_the_cursor_is_durable_before_another_lineage_begins(tmp_path: Path) -> None:
    """A sink that knows its own last item needs to tell lineages apart only at the newest one."""

    async def test() -> None:
        old = records([content(encoded())])
        new = records([content(encoded())], ordinal=2, lineage=OTHER_LINEAGE)
        gate = asyncio.Event()
        sink = ScriptedSink(asyncio.Event(), gate)
        sink.script[0].set()  # type: ignore[union-attr]
        async with carrying(ListLog([*old, *new]), sink, tmp_path, new[-1].position) as carrier:
            await eventually(lambda: len(sink.attempts) == 2, "the new lineage")
            assert CursorFile(tmp_path / "cursor.json").load() == old[-1].position
            assert carrier.saved == old[-1].position
            gate.set()
            await eventually(lambda: carrier.saved == new[-1].position, "the end")

    run(test())


def test_an_unsaved_cursor_delays_nothing_and_is_saved_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the cursor's directory is missing, delivery goes on; the failure is said once."""
    place = tmp_path / "later"

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        sink = ScriptedSink()
        async with carrying(log, sink, place, log.entries[-1].position) as carrier:
            await eventually(lambda: "cannot be saved" in caplog.text, "the failure")
            log.entries += records([content(encoded())], next_lsn=2)
            carrier.advance(log.entries[-1].position)
            await eventually(lambda: len(sink.taken) == 2, "the second record")
            assert carrier.saved is None
            place.mkdir()
        assert carrier.saved == log.entries[-1].position

    run(test())
    assert caplog.text.count("cannot be saved") == 1


@pytest.mark.parametrize("script", [[Retry("down", 200.0)], [ZeroDivisionError()]])
def test_a_stop_does_not_wait_for_a_sink_that_fails(
    tmp_path: Path, script: Sequence[Retry | Exception]
) -> None:
    """A back-off of minutes ends with the stop; what was not delivered comes after a restart."""

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        sink = ScriptedSink(*script, *[Retry("down", 200.0)] * 9)
        async with carrying(log, sink, tmp_path, log.entries[-1].position) as carrier:
            await eventually(lambda: bool(sink.attempts), "a try")
        assert carrier.saved is None
        assert sink.closes == 1

    run(test())


def test_small_commits_after_a_pause_are_delivered_together(tmp_path: Path) -> None:
    """A backlog is drained at once; after it, what commits within the wait shares a delivery."""

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        sink = ScriptedSink()
        cursor = CursorFile(tmp_path / "c")
        carrier = Carrier("a", sink, log, cursor, uniform=least, coalesce_s=3600.0)
        task = asyncio.create_task(carrier.run())
        carrier.advance(log.entries[-1].position)
        await eventually(lambda: carrier.saved is not None, "the backlog")
        for lsn in (2, 3, 4):
            log.entries += records([content(encoded())], next_lsn=lsn)
            carrier.advance(log.entries[-1].position)
            await asyncio.sleep(0)
        carrier.stop()
        await task
        assert [lsns(attempt) for attempt in sink.attempts] == [[1], [2, 3, 4]]

    run(test())


def test_a_stop_before_the_first_position_ends_it(tmp_path: Path) -> None:
    """A carrier that never learned how far it may read delivers nothing and stops."""

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        sink = ScriptedSink()
        async with carrying(log, sink, tmp_path, None):
            pass
        assert not log.reads
        assert not sink.attempts

    run(test())
