"""A receiver that is killed, and a worker that is, lose nothing that was acknowledged."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sidespand.model import Position
from tests.bench.servers import free_ports
from tests.fault.receiver import Receiver, receiving
from tests.fault.test_sink_chaos import POISON, Load, dead
from tests.journals import eventually, opened, run
from tests.workers import WorkerProcess, working

KILLS = 3


async def _grow(
    worker: WorkerProcess, load: Load, receiver: Receiver, newest: Callable[[], Position]
) -> None:
    # What is under way when something dies must be more than nothing.
    acked, taken = len(load.acked), len(receiver.taken())

    def has_grown() -> bool:
        worker.end.advance(newest())
        return len(load.acked) > acked and len(receiver.taken()) > taken

    await eventually(has_grown, "acks and deliveries")


@pytest.mark.fault(33)
@pytest.mark.slow
def test_every_acked_item_outlives_kills_on_both_sides(tmp_path: Path) -> None:
    """Each acked span is with the receiver or, where it is poison, among the dead letters.

    The receiver keeps ids before it answers, so its file judges, not ours. Only what was under way
    when somebody was killed may be there twice.
    """
    seed = random.randrange(2**32)
    choice = random.Random(seed)

    async def test() -> None:
        (port,) = free_ports(1)
        config = (
            f'[sinks.far]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{port}"\n'
            'timeout = "2s"\ncapture = "full"\n'
        )
        async with (
            opened(tmp_path / "data") as store,
            receiving(port, tmp_path / "ids", POISON) as receiver,
        ):
            load = Load(store, choice)
            for _ in range(KILLS):
                async with working(tmp_path, config) as worker:
                    await _grow(worker, load, receiver, lambda: store.position)
                    worker.end.advance(store.position)
                    await receiver.kill()
                    acked = len(load.acked)
                    await eventually(lambda: len(load.acked) > acked, "acks all the same")  # noqa: B023
                    if choice.random() < 0.5:
                        await worker.kill()
                    await receiver.start()
            await load.stop()
            async with working(tmp_path, config) as worker:
                newest = store.position
                worker.end.advance(newest)
                await eventually(lambda: worker.cursors.get("far") == newest, "the end", 40.0)
            taken, refused = receiver.taken(), dead(tmp_path / "data/sinks/far")
            assert load.acked <= set(taken) | refused
            assert refused & load.acked == load.poisoned
            assert not load.poisoned & set(taken)
            assert set(taken) <= load.acked

    print(f"seed {seed}")
    run(test())
