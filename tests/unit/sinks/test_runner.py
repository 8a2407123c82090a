"""Sinks side by side: none fails or slows another."""

import asyncio
from pathlib import Path

import pytest

from sidespand.model import Retry
from sidespand.ports import Log, Sink
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.runner import Runner
from tests.fakes import ListLog, ScriptedSink
from tests.journals import content, eventually, lsns, records, run
from tests.otlp import encoded


def runner(place: Path, log: Log, **sinks: Sink) -> Runner:
    """Return a runner of these sinks, each with a cursor below ``place``."""
    carriers = [
        Carrier(
            name,
            sink,
            log,
            CursorFile(place / f"{name}.json"),
            uniform=lambda _low, high: high,
            coalesce_s=0.0,
        )
        for name, sink in sinks.items()
    ]
    return Runner(carriers)


@pytest.mark.fault(31, 32)
def test_a_stalled_and_a_failing_sink_touch_no_other(tmp_path: Path) -> None:
    """While one sink hangs and one fails for ever, the third gets every record as it comes."""

    async def test() -> None:
        log = ListLog([])
        good, hanging = ScriptedSink(), ScriptedSink(asyncio.Event())
        failing = ScriptedSink(*[Retry("down")] * 10_000)
        sinks = runner(tmp_path, log, good=good, hanging=hanging, failing=failing)
        sinks.start()
        for lsn in range(1, 50):
            log.entries += records([content(encoded())], next_lsn=lsn)
            sinks.advance(log.entries[-1].position)
            await eventually(lambda: len(good.taken) == len(log.entries), f"LSN {lsn}")
        assert len(hanging.attempts) == 1
        assert not failing.taken
        await sinks.stop(0.0)
        assert sinks.cursors() == {"good": log.entries[-1].position}

    run(test())


def test_a_stop_delivers_what_there_is_and_closes_each_sink_once(tmp_path: Path) -> None:
    """Within its grace a stop drains the log, saves the cursors and closes."""

    async def test() -> None:
        log = ListLog(records([content(encoded(2)), content(encoded(3))]))
        one, other = ScriptedSink(), ScriptedSink()
        sinks = runner(tmp_path, log, one=one, other=other)
        sinks.start()
        sinks.advance(log.entries[-1].position)
        await sinks.stop(30.0)
        for sink in (one, other):
            assert lsns(sink.taken) == [1, 2, 3, 4, 5]
            assert sink.closes == 1
        assert sinks.cursors() == dict.fromkeys(("one", "other"), log.entries[-1].position)

    run(test())


def test_a_stop_breaks_off_a_delivery_that_hangs(tmp_path: Path) -> None:
    """A sink that never answers is let go at the end of the grace; its cursor stays."""

    async def test() -> None:
        log = ListLog(records([content(encoded())]))
        hanging = ScriptedSink(asyncio.Event())
        sinks = runner(tmp_path, log, hanging=hanging)
        sinks.start()
        sinks.advance(log.entries[-1].position)
        await eventually(lambda: bool(hanging.attempts), "the delivery")
        await sinks.stop(0.01)
        assert hanging.closes == 1
        assert not sinks.cursors()

    run(test())


def test_a_sink_that_fails_to_close_does_not_keep_others_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every sink is closed, whatever another one does then."""

    class Clinging(ScriptedSink):
        async def close(self) -> None:
            raise OSError("stuck")

    async def test() -> None:
        other = ScriptedSink()
        sinks = runner(tmp_path, ListLog([]), clinging=Clinging(), other=other)
        sinks.start()
        await sinks.stop(1.0)
        assert other.closes == 1

    run(test())
    assert "sink clinging: closing failed" in caplog.text
