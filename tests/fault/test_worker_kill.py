"""Killing the worker under load loses nothing, writes nothing twice, and delays no ack."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from sidespand.journal.store import JournalStore
from sidespand.model import Admitted
from tests.collector import collecting
from tests.journals import PEER, content, eventually, opened, run
from tests.otlp import encoded
from tests.workers import working

LIVES = 10
SPANS_PER_REQUEST = 40


class Load:
    """Appends for ever, and keeps the LSNs that were acknowledged outside of everything tested."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self.acked: list[int] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            admitted = Admitted((content(encoded(SPANS_PER_REQUEST)),))
            receipt = await self._store.append(admitted, PEER)
            self.acked += range(receipt.first_lsn, receipt.last_lsn + 1)
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Wait for the request under way, then append no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def lsns(path: Path) -> list[int]:
    """Return the LSN of each line; the file has whole lines only."""
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [int(json.loads(line)["stamp"]["lsn"]) for line in text.splitlines()]


def size(path: Path) -> int:
    """Return the bytes of a file that may not be there yet."""
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_a_worker_killed_at_random_points_delivers_each_span(tmp_path: Path) -> None:
    """After many lives cut short, the file has each acknowledged span once and in order.

    The collector, which cannot tell a second time from a first, has each at least once.
    """
    choice = random.Random()
    file = tmp_path / "data/sinks/archive/spans.jsonl"

    async def test() -> None:
        async with opened(tmp_path / "data") as store, collecting() as collector:
            config = (
                '[sinks.archive]\ntype = "jsonl"\n'
                f'[sinks.tempo]\ntype = "otlp"\nendpoint = "http://{collector.address}"\n'
            )
            load = Load(store)
            for _ in range(LIVES):
                acked = len(load.acked)
                async with working(tmp_path, config) as worker:
                    await eventually(lambda: worker.ready, "the worker")
                    before = size(file)
                    worker.end.advance(store.position)
                    some = before + choice.randint(1, 200_000)
                    await eventually(lambda: size(file) >= some, "lines")  # noqa: B023
                    await worker.kill()
                assert len(load.acked) > acked
            await load.stop()
            async with working(tmp_path, config) as worker:
                newest = store.position
                worker.end.advance(newest)
                await eventually(
                    lambda: worker.cursors == {"archive": newest, "tempo": newest}, "the end"
                )
                worker.end.stop(5.0)
                assert await worker.process.wait() == 0
            # A request whose answer was cancelled may be durable all the same.
            assert lsns(file)[: len(load.acked)] == sorted(set(load.acked))
            assert len(lsns(file)) == len(set(lsns(file)))
            assert set(collector.lsns()) == set(lsns(file))

    run(test())
