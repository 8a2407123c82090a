"""What every sink promises, whoever wrote it: run by a carrier over a real journal."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import grpc
import pytest

from sidespand.config import SinkConfig
from sidespand.journal.reader import JournalReader
from sidespand.model import Kind, Position, Retry
from sidespand.ports import Sink
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from tests.collector import Collector, Failure, collecting
from tests.fakes import ScriptedSink
from tests.journals import NODE_REF, content, eventually, lsns, run, write
from tests.otlp import encoded

SPANS = (3, 1, 5, 2)


class Side(Protocol):
    """The other side of a sink: what it holds, and how to make it fail."""

    def make(self) -> Sink:
        """Return a new sink that delivers there."""
        ...

    def held(self) -> list[int]:
        """Return the LSNs of the spans that arrived, in the order of their arrival."""
        ...

    def fail(self, times: int) -> Callable[[], None]:
        """Refuse the next deliveries for now; what is returned ends the trouble."""
        ...


class ScriptedSide:
    """A fake, so that the suite itself is known to be about carriers and sinks, not about OTLP."""

    def __init__(self) -> None:
        self.sinks: list[ScriptedSink] = []
        self.script: list[Retry] = []

    def make(self) -> Sink:
        """Return a sink with what is left of the script."""
        sink = ScriptedSink(*self.script)
        self.sinks.append(sink)
        return sink

    def held(self) -> list[int]:
        """Return what all of them took."""
        return [lsn for sink in self.sinks for lsn in lsns(sink.taken)]

    def fail(self, times: int) -> Callable[[], None]:
        """Script failures."""
        self.script = [Retry("scripted")] * times
        return lambda: None


class JsonlSide:
    """A file; while there is a directory in its place, nothing can be written."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._path = place / "spans.jsonl"

    def make(self) -> Sink:
        """Return a sink that writes the file."""
        (plan,) = registry.parse([SinkConfig("archive", "jsonl", {"path": str(self._path)})])
        return registry.build(plan, self._place / "sink", lambda *_: {"source_node_ref": NODE_REF})

    def held(self) -> list[int]:
        """Return the LSN of each line."""
        if not self._path.is_file():
            return []
        lines = self._path.read_text(encoding="ascii").splitlines()
        return [int(json.loads(line)["stamp"]["lsn"]) for line in lines]

    def fail(self, times: int) -> Callable[[], None]:
        """Put a directory in the way."""
        assert times
        self._path.mkdir()
        return self._path.rmdir


class OtlpSide:
    """A collector on loopback."""

    def __init__(self, place: Path, collector: Collector) -> None:
        self._place = place
        self._collector = collector

    def make(self) -> Sink:
        """Return a sink that exports there."""
        options = {"endpoint": f"http://{self._collector.address}", "compression": "gzip"}
        (plan,) = registry.parse([SinkConfig("collector", "otlp", options)])
        return registry.build(plan, self._place / "sink", lambda *_: {"source_node_ref": NODE_REF})

    def held(self) -> list[int]:
        """Return the stamps that arrived."""
        return self._collector.lsns()

    def fail(self, times: int) -> Callable[[], None]:
        """Answer that it is busy."""
        self._collector.answers += [Failure(grpc.StatusCode.UNAVAILABLE, "busy")] * times
        return lambda: None


@asynccontextmanager
async def side_of(kind: str, place: Path) -> AsyncIterator[Side]:
    """Yield the other side of one kind of sink."""
    if kind == "otlp":
        async with collecting() as collector:
            yield OtlpSide(place, collector)
    elif kind == "jsonl":
        yield JsonlSide(place)
    else:
        yield ScriptedSide()


@asynccontextmanager
async def carrying(
    side: Side, log: JournalReader, place: Path, newest: Position
) -> AsyncIterator[Carrier]:
    """Yield a running carrier of a new sink; both are closed afterwards, the cursor saved."""
    cursor = CursorFile(place / "cursor.json")
    carrier = Carrier("x", side.make(), log, cursor, uniform=hurried, coalesce_s=0.0)
    task = asyncio.create_task(carrier.run())
    carrier.advance(newest)
    try:
        yield carrier
    finally:
        carrier.stop()
        await task
        await carrier.close()


def hurried(low: float, high: float) -> float:
    """Return a hundredth of the back-off."""
    return random.uniform(low, high) / 100


@pytest.fixture(params=["scripted", "jsonl", "otlp"])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name each kind of sink in turn."""
    return request.param  # type: ignore[no-any-return]


async def stored(place: Path) -> tuple[JournalReader, list[Position]]:
    """Return a reader of a new store and the position of each record in it."""
    positions = await write(place / "data", [content(encoded(count)) for count in SPANS])
    return JournalReader(place / "data"), positions


def expected(positions: list[Position]) -> list[int]:
    """Return the LSN of every span that was recorded."""
    return [
        lsn
        for position, count in zip(positions, SPANS, strict=True)
        for lsn in range(position.lsn - count + 1, position.lsn + 1)
    ]


def test_it_takes_spans(kind: str, tmp_path: Path) -> None:
    """A sink says what it takes, and spans are among it."""

    async def test() -> None:
        async with side_of(kind, tmp_path) as side:
            sink = side.make()
            assert Kind.SPANS in sink.kinds
            await sink.close()

    run(test())


def test_it_delivers_everything_in_order(kind: str, tmp_path: Path) -> None:
    """Every span arrives once, in LSN order, under its own stamp."""

    async def test() -> None:
        log, positions = await stored(tmp_path)
        async with side_of(kind, tmp_path) as side:
            async with carrying(side, log, tmp_path, positions[-1]) as carrier:
                await eventually(lambda: carrier.saved == positions[-1], "all records")
            assert side.held() == expected(positions)
        log.close()

    run(test())


def test_it_goes_on_where_it_stopped(kind: str, tmp_path: Path) -> None:
    """After a clean restart only what is new is delivered."""

    async def test() -> None:
        log, positions = await stored(tmp_path)
        async with side_of(kind, tmp_path) as side:
            for upto in positions:
                async with carrying(side, log, tmp_path, upto) as carrier:
                    await eventually(lambda: carrier.lag_items == 0, "its part")
            assert side.held() == expected(positions)
        log.close()

    run(test())


def test_it_takes_the_same_records_again(kind: str, tmp_path: Path) -> None:
    """When the cursor is lost all comes again; nothing is missing, and a file has it once."""

    async def test() -> None:
        log, positions = await stored(tmp_path)
        async with side_of(kind, tmp_path) as side:
            for _ in range(2):
                (tmp_path / "cursor.json").unlink(missing_ok=True)
                async with carrying(side, log, tmp_path, positions[-1]) as carrier:
                    await eventually(lambda: carrier.saved == positions[-1], "all")
            assert set(side.held()) == set(expected(positions))
            if kind == "jsonl":
                assert side.held() == expected(positions)
        log.close()

    run(test())


def test_trouble_that_passes_loses_and_reorders_nothing(kind: str, tmp_path: Path) -> None:
    """A sink that cannot deliver says Retry; once it can, everything arrives in order."""

    async def test() -> None:
        log, positions = await stored(tmp_path)
        async with side_of(kind, tmp_path) as side:
            relieve = side.fail(times=3)
            async with carrying(side, log, tmp_path, positions[-1]) as carrier:
                await eventually(lambda: carrier.figures.retries >= 2, "two failures")
                assert not side.held()
                assert carrier.saved is None
                relieve()
                await eventually(lambda: carrier.saved == positions[-1], "the recovery")
            assert side.held() == expected(positions)
        log.close()

    run(test())


def test_closing_it_twice_does_no_harm(kind: str, tmp_path: Path) -> None:
    """Close may be called before anything was delivered, and again."""

    async def test() -> None:
        async with side_of(kind, tmp_path) as side:
            sink = side.make()
            await sink.close()
            await sink.close()

    run(test())
