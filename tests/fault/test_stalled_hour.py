"""A sink that is stalled for an hour of its own clock changes nothing for the others."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidespand.config import SinkConfig
from sidespand.model import Admitted, Kind
from sidespand.ports import Sink
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.jsonl import JSONL
from sidespand.sinks.otlp import OTLP
from sidespand.sinks.runner import Runner
from sidespand.sinks.spec import SinkType, read_options
from tests.fakes import ListLog
from tests.journals import NODE_REF, PEER, content, eventually, opened, records, records_of
from tests.otlp import encoded

STEPS = 120
STEP_S = 30.0


class ClockedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test sets forward."""

    ahead_s = 0.0

    def time(self) -> float:
        """Return the loop's clock."""
        return super().time() + self.ahead_s


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[int, list[int]]]:
    """Yield the port of a server that reads and never answers, and how many connected so far."""
    connected = [0]

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected[0] += 1
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connected
    finally:
        server.close()


def made(kind: SinkType, place: Path, **options: str) -> Sink:
    """Return a sink of a type."""
    place.mkdir()
    values = read_options(SinkConfig(place.name, "x", options), kind.options)
    return kind.make(values, place, lambda *_: {"source_node_ref": NODE_REF})


async def _endure(loop: ClockedLoop, place: Path) -> None:
    log = ListLog([])
    async with opened(place / "data") as store, silent() as (port, connected):
        sinks = {
            "well": made(JSONL, place / "well"),
            "stalled": made(
                OTLP,
                place / "stalled",
                endpoint=f"http://127.0.0.1:{port}",
                protocol="http/protobuf",
            ),
        }
        well, stalled = (
            Carrier(
                name,
                sink,
                log,
                CursorFile(place / name / "cursor.json"),
                uniform=random.uniform,
                coalesce_s=0.0,
            )
            for name, sink in sinks.items()
        )
        runner = Runner([well, stalled])
        runner.start()
        for step in range(1, STEPS + 1):
            payload = encoded()
            await store.append(Admitted((content(payload),)), PEER)
            log.entries += records([content(payload)], next_lsn=step)
            newest = log.entries[-1].position
            runner.advance(newest)
            await eventually(lambda: well.lag_items == 0, f"step {step}")
            assert stalled.lag_items == step
            loop.ahead_s += STEP_S
        assert connected[0] > STEPS // 4
        assert stalled.figures.retries > STEPS // 4
        assert well.figures.delivered_items == STEPS
        assert well.figures.retries == 0
        await runner.stop(0.0)
        assert runner.cursors() == {"well": newest}
    # One commit each: none waited for another, and nothing else was committed between them.
    found = [one.header for one in records_of(place / "data") if one.header.kind is Kind.SPANS]
    first = found[0].commit_seq
    assert [header.commit_seq for header in found] == list(range(first, first + STEPS))
    lines = (place / "well/spans.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == STEPS


@pytest.mark.fault(32)
@pytest.mark.slow
def test_an_hour_of_silence_touches_no_other_sink_and_no_ack(tmp_path: Path) -> None:
    """At every half minute of it the sink that is well has everything, and each append is acked."""
    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, ClockedLoop)
        runner.run(_endure(loop, tmp_path))
