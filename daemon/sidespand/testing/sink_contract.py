"""What every sink promises, whoever wrote it: run by a carrier over a real journal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from sidespand.journal.reader import JournalReader
from sidespand.model import Gap, Kind, Position
from sidespand.ports import Erasable, Sink
from sidespand.redaction import REASON
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.testing.stores import eventually, written

SPANS = (3, 1, 5, 2)
_TEST_S_MAX = 60.0


class Side(Protocol):
    """The other side of a sink: what it holds, and how to make it fail."""

    def make(self) -> Sink:
        """Return a new sink that delivers there; called on the event loop that will deliver."""
        ...

    def held(self) -> list[int]:
        """Return the LSNs of the spans that arrived, in the order of their arrival."""
        ...

    def fail(self, times: int) -> Callable[[], None]:
        """Refuse the next deliveries for now, at least ``times``; the result ends the trouble."""
        ...


class SinkContract:
    """Subclass it under a name that pytest collects, and say how the other side is made."""

    #: Whether the other side holds each span once, however often it was delivered.
    holds_once = False

    def side(self, place: Path) -> AbstractAsyncContextManager[Side]:
        """Return the other side, with what it keeps below the directory ``place``."""
        raise NotImplementedError

    def test_it_takes_spans(self, tmp_path: Path) -> None:
        """A sink says what it takes, and spans are among it."""

        async def test() -> None:
            async with self.side(tmp_path) as side:
                sink = side.make()
                assert Kind.SPANS in sink.kinds
                await sink.close()

        _run(test())

    def test_it_delivers_everything_in_order(self, tmp_path: Path) -> None:
        """Every span arrives once, in LSN order, under its own stamp."""

        async def test() -> None:
            log, positions = await _stored(tmp_path)
            async with self.side(tmp_path) as side:
                async with _carrying(side, log, tmp_path, positions[-1]) as carrier:
                    await eventually(lambda: carrier.saved == positions[-1], "all records")
                assert side.held() == _expected(positions)
            log.close()

        _run(test())

    def test_it_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """After a clean restart only what is new is delivered."""

        async def test() -> None:
            log, positions = await _stored(tmp_path)
            async with self.side(tmp_path) as side:
                for upto in positions:
                    async with _carrying(side, log, tmp_path, upto) as carrier:
                        await eventually(lambda: carrier.lag_items == 0, "its part")
                assert side.held() == _expected(positions)
            log.close()

        _run(test())

    def test_it_takes_the_same_records_again(self, tmp_path: Path) -> None:
        """When the cursor is lost all comes again, and nothing is missing."""

        async def test() -> None:
            log, positions = await _stored(tmp_path)
            async with self.side(tmp_path) as side:
                for _ in range(2):
                    (tmp_path / "cursor.json").unlink(missing_ok=True)
                    async with _carrying(side, log, tmp_path, positions[-1]) as carrier:
                        await eventually(lambda: carrier.saved == positions[-1], "all")
                assert set(side.held()) == set(_expected(positions))
                if self.holds_once:
                    assert side.held() == _expected(positions)
            log.close()

        _run(test())

    def test_trouble_that_passes_loses_and_reorders_nothing(self, tmp_path: Path) -> None:
        """A sink that cannot deliver says Retry; once it can, everything arrives in order."""

        async def test() -> None:
            log, positions = await _stored(tmp_path)
            async with self.side(tmp_path) as side:
                relieve = side.fail(times=3)
                async with _carrying(side, log, tmp_path, positions[-1]) as carrier:
                    await eventually(lambda: carrier.figures.retries >= 2, "two failures")  # noqa: PLR2004
                    assert not side.held()
                    assert carrier.saved is None
                    relieve()
                    await eventually(lambda: carrier.saved == positions[-1], "the recovery")
                assert side.held() == _expected(positions)
            log.close()

        _run(test())

    def test_closing_it_twice_does_no_harm(self, tmp_path: Path) -> None:
        """Close may be called before anything was delivered, and again."""

        async def test() -> None:
            async with self.side(tmp_path) as side:
                sink = side.make()
                await sink.close()
                await sink.close()

        _run(test())

    def test_what_it_keeps_itself_can_be_taken_out(self, tmp_path: Path) -> None:
        """A sink with files of its own erases what it is told to, twice as well as once."""

        async def test() -> None:
            log, positions = await _stored(tmp_path)
            async with self.side(tmp_path) as side:
                async with _carrying(side, log, tmp_path, positions[-1]) as carrier:
                    await eventually(lambda: carrier.saved == positions[-1], "all records")
                sink = side.make()
                if isinstance(sink, Erasable):
                    ordinal, lineage, last = positions[0]
                    gone = Gap(ordinal, lineage, last - SPANS[0] + 1, last, REASON)
                    await sink.erase([gone])
                    await sink.erase([gone])
                    assert side.held() == _expected(positions)[SPANS[0] :]
                await sink.close()
            log.close()

        _run(test())


async def _stored(place: Path) -> tuple[JournalReader, list[Position]]:
    positions = await written(place / "data", SPANS)
    return JournalReader(place / "data"), positions


def _expected(positions: list[Position]) -> list[int]:
    return [
        lsn
        for position, count in zip(positions, SPANS, strict=True)
        for lsn in range(position.lsn - count + 1, position.lsn + 1)
    ]


@asynccontextmanager
async def _carrying(
    side: Side, log: JournalReader, place: Path, newest: Position
) -> AsyncIterator[Carrier]:
    cursor = CursorFile(place / "cursor.json")
    carrier = Carrier("x", side.make(), log, cursor, uniform=_hurried, coalesce_s=0.0)
    task = asyncio.create_task(carrier.run())
    carrier.advance(newest)
    try:
        yield carrier
    finally:
        carrier.stop()
        await task
        await carrier.close()


def _hurried(low: float, high: float) -> float:
    return (low + high) / 200


def _run(test: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(_TEST_S_MAX):
            await test

    asyncio.run(bounded())
