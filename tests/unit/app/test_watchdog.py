"""Signs of life: by way of the write thread, and none while it is stuck."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from sidespand.app.watchdog import Watchdog, period_s
from sidespand.errors import Unavailable
from sidespand.journal.segment import SegmentWriter
from sidespand.model import Admitted
from tests.journals import PEER, content, eventually, opened, run
from tests.otlp import encoded


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
    ],
)
def test_the_period_is_the_managers(environment: dict[str, str], expected: float | None) -> None:
    """It is read as sd_watchdog_enabled(3) reads it."""
    assert period_s(environment) == expected


def test_an_idle_journal_answers_and_writes_nothing(tmp_path: Path) -> None:
    """A pulse comes back without a record; one after the close is refused."""

    async def test() -> None:
        async with opened(tmp_path) as store:
            before = store.head
            sent: list[str] = []
            watchdog = Watchdog(store.pulse, 0.03, sent.append)
            watchdog.start()
            await eventually(lambda: len(sent) > 3, "signs of life")
            await watchdog.close()
            assert set(sent) == {"WATCHDOG=1"}
            assert store.head == before
        with pytest.raises(Unavailable):
            await store.pulse()

    run(test())


def test_one_late_sign_does_not_end_a_busy_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two lies half the manager's period at most, as sd_watchdog_enabled(3) asks."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(pause_s: float) -> None:
        pauses.append(pause_s)
        await sleep(0)

    async def pulse() -> None:
        pass

    async def test() -> None:
        watchdog = Watchdog(pulse, 60.0, lambda _: None)
        monkeypatch.setattr(asyncio, "sleep", noted)
        watchdog.start()
        await eventually(lambda: len(pauses) > 2, "signs of life")
        await watchdog.close()

    run(test())

    assert 1.0 < max(pauses) <= 30.0


def test_a_stuck_commit_stops_the_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk does not answer none is sent; they go on when it does."""
    going, stuck = threading.Event(), threading.Event()
    commit = SegmentWriter.commit

    def slow(self: SegmentWriter, *given: object) -> int:
        stuck.set()
        assert going.wait(20)
        return commit(self, *given)  # type: ignore[arg-type]

    async def test() -> None:
        async with opened(tmp_path) as store:
            monkeypatch.setattr(SegmentWriter, "commit", slow)
            sent: list[str] = []
            appended = store.append(Admitted((content(encoded(1)),)), PEER)
            await asyncio.to_thread(stuck.wait, 20)
            watchdog = Watchdog(store.pulse, 0.003, sent.append)
            watchdog.start()
            # A pulse of ours after the watchdog's is answered after it.
            behind = store.pulse()
            for _ in range(100):
                await asyncio.sleep(0)
            assert sent == []
            assert not behind.done()
            going.set()
            await appended
            await eventually(lambda: len(sent) > 1, "signs of life")
            await watchdog.close()

    run(test())
