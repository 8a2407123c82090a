"""Under faults of every kind, for as long as one likes, no acked item is lost and nothing grows.

The long run takes SIDESPAN_TEST_SOAK_S seconds, half an hour by default; SIDESPAN_TEST_SOAK_SEED
draws the same faults again.
"""

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.machine import rss_anon_mib
from tests.fault.examine import examining
from tests.fault.load import Load, stop
from tests.fault.receiver import Receiver
from tests.fault.storm import Storm, raging
from tests.journals import eventually
from tests.results import counted

CLIENTS = 4
ATTRIBUTES = 20
PAUSE_S = 0.05
PROGRESS_S_MAX = 60.0
ARRIVED_S_MAX = 180.0
LOOK_S = 0.2
SHORT_S, LONG_S = 10.0, float(os.environ.get("SIDESPAN_TEST_SOAK_S", "1800"))
# Caches, of which the index has some, are full after a third of the calm half; in less time than
# this the size of a process says nothing.
WARM_SHARE = 1 / 3
DRIFT_S_MIN = 180.0
DRIFT_MIB_MAX = 4.0


class Memory:
    """RssAnon of recorder and worker, sampled while both stay the same processes."""

    def __init__(self) -> None:
        self._pids: tuple[int, ...] = ()
        self._times: list[float] = []
        self._mib: list[list[float]] = []

    def look(self, pids: tuple[int, ...]) -> None:
        """Take a sample; other processes than last time begin anew."""
        if pids != self._pids:
            self._pids, self._times, self._mib = pids, [], []
        try:
            sample = [rss_anon_mib(pid) for pid in pids]
        except (OSError, AssertionError):
            return
        self._times.append(time.monotonic())
        self._mib.append(sample)

    def drift_mib(self) -> list[float]:
        """Return by how much each process grew, as the slope over all samples but the first ones.

        Nothing is returned where there is too little time to say.
        """
        first = int(len(self._times) * WARM_SHARE)
        times, samples = self._times[first:], self._mib[first:]
        lasted_s = times[-1] - times[0] if times else 0.0
        if lasted_s < DRIFT_S_MIN:
            return []
        columns = zip(*samples, strict=True)
        return [statistics.linear_regression(times, one).slope * lasted_s for one in columns]


async def watch(storm: Storm, memory: Memory) -> None:
    """Sample for ever."""
    while True:
        memory.look(storm.pids())
        await asyncio.sleep(LOOK_S)


async def progress(storm: Storm, loads: list[Load]) -> None:
    """Return once every client got an ack that it had not before."""
    before = [load.progress for load in loads]
    deadline = time.monotonic() + PROGRESS_S_MAX
    while any(load.progress <= was for load, was in zip(loads, before, strict=True)):
        assert time.monotonic() < deadline, f"no acks:\n{storm.daemon.log()[-4000:]}"
        await storm.mend()
        await asyncio.sleep(0.01)


async def befall(
    storm: Storm, loads: list[Load], choice: random.Random, seconds: float, *, deadly: bool
) -> Counter[str]:
    """Let faults of every kind come, one after another in random order; return which came."""
    came: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        faults = [*storm.mild, *(storm.deadly if deadly else ())]
        choice.shuffle(faults)
        for fault in faults:
            await fault()
            came[fault.__name__] += 1
            await progress(storm, loads)
    return came


async def arrived(receiver: Receiver, acked: dict[bytes, int]) -> None:
    """Return once the receiver has every acked span."""
    deadline = time.monotonic() + ARRIVED_S_MAX
    while missing := acked.keys() - set(receiver.taken()):
        assert time.monotonic() < deadline, f"{len(missing)} of {len(acked)} acked did not arrive"
        await asyncio.sleep(LOOK_S)


async def _soak(place: Path, seed: int, seconds: float) -> None:
    choice = random.Random(seed)
    hold_s = (0.1, 0.6) if seconds <= SHORT_S else (0.1, 5.0)
    async with raging(place, choice, hold_s) as (storm, receiver, volume):
        ingest = storm.daemon.ingest
        loads = [Load(ingest, attributes=ATTRIBUTES, pause_s=PAUSE_S) for _ in range(CLIENTS)]
        memory = Memory()
        watcher = asyncio.create_task(watch(storm, memory))
        try:
            for load in loads:
                load.start()
            await progress(storm, loads)
            came = await befall(storm, loads, choice, seconds / 2, deadly=True)
            # Only processes that live on can be seen to grow.
            came += await befall(storm, loads, choice, seconds / 2, deadly=False)
        finally:
            acked = await asyncio.to_thread(stop, loads)
            watcher.cancel()
        drift = memory.drift_mib()
        await arrived(receiver, acked)
        await eventually(lambda: len(storm.pids()) == 2, "the worker")
        assert await asyncio.to_thread(storm.daemon.terminate) == 0
        taken = receiver.taken()
        with examining() as examiner:
            violations = await asyncio.to_thread(examiner.examine, volume.place, acked)
    assert violations == []
    assert len(set(acked.values())) == len(acked), "two acked spans have one LSN"
    assert all(one <= DRIFT_MIB_MAX for one in drift), drift
    counted(
        f"soak of {seconds:g} s, seed {seed}",
        acked_spans=len(acked), lost=0, repeated=len(taken) - len(set(taken)),
        restarts=storm.restarts, faults=came.total(),
        **{f"drift_MiB_{index}": f"{one:+.2f}" for index, one in enumerate(drift)},
    )  # fmt: skip


@pytest.mark.fault(1, 7, 11, 31, 33)
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SHORT_S, marks=pytest.mark.slow),
        pytest.param(LONG_S, marks=pytest.mark.long),
    ],
    ids=["short", "long"],
)
def test_every_acked_span_outlives_faults_of_every_kind(tmp_path: Path, seconds: float) -> None:
    """Each acked span arrives, where it is kept it lies at its LSN, and no LSN is used twice.

    Recorder, worker and receiver are killed, the disk is full, calls fail, and connections are
    harmed; after each the clients get on by themselves. In the long run, memory does not grow.
    """
    seed = int(os.environ.get("SIDESPAN_TEST_SOAK_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    asyncio.run(_soak(tmp_path, seed, seconds))
