"""Dead letters from refusal to replay: by command, beside a daemon and without one."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidespand.sinks.dead_letters import FILE_NAME
from tests import doors
from tests.collector import Collector, Failure, collecting
from tests.daemon import Daemon, wait_until
from tests.frame_client import FrameClient
from tests.journals import eventually, run
from tests.otlp import export_request

pytestmark = pytest.mark.slow

POISON = b"poison"


def refuse_poison(body: bytes) -> Failure | None:
    """Judge as a collector does that cannot stand one span."""
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, "bad \x1b[31m") if POISON in body else None


async def sidespan(daemon: Daemon, *arguments: str, expect: int = 0) -> Any:
    """Run a deadletter command on the daemon's store; return what it printed as JSON."""
    config = daemon.data.parent / "sidespan.toml"
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "sidespand", "deadletter", "--config", str(config),
         "--data", str(daemon.data), "--run", str(daemon.run), *arguments],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert finished.returncode == expect, finished.stderr
    return json.loads(finished.stdout) if "--json" in arguments else finished.stdout


def send(daemon: Daemon, poisoned: Sequence[bool]) -> None:
    """Record five spans for each; the third of those that are poisoned is poison."""
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        for seq, bad in enumerate(poisoned, 1):
            request = export_request(5)
            if bad:
                request.resource_spans[0].scope_spans[0].spans[2].name = POISON.decode()
            client.records(seq, request.SerializeToString())
            client.ack(seq)


def names(collector: Collector) -> list[str]:
    """Return the name of every span that arrived."""
    return [
        span.name
        for request in collector.requests
        for group in request.resource_spans
        for span in group.scope_spans[0].spans
    ]


@pytest.mark.fault(34)
def test_what_a_collector_refuses_is_kept_and_delivered_later(tmp_path: Path) -> None:
    """One bad span costs no other; it is listed, refused again, replayed beside a daemon."""

    async def test() -> None:
        async with collecting() as collector:
            collector.judge = refuse_poison
            config = (
                f'[sinks.far]\ntype = "otlp"\nendpoint = "http://{collector.address}"\n'
                'capture = "full"\n'
            )
            daemon = Daemon(tmp_path, config=config)
            await asyncio.to_thread(daemon.start)
            try:
                await asyncio.to_thread(send, daemon, [False, True, False])
                await eventually(lambda: len(names(collector)) == 14, "the good ones")
                await _look_and_replay(daemon, collector)
            finally:
                await asyncio.to_thread(daemon.terminate)

    run(test())


async def _look_and_replay(daemon: Daemon, collector: Collector) -> None:
    assert POISON.decode() not in names(collector)
    counted = await sidespan(daemon, "ls", "--json")
    assert counted["sinks"]["far"]["letters"] == 1
    kept = (daemon.data / "sinks/far" / FILE_NAME).stat().st_size

    def told() -> bool:
        rejected = doors.figure(daemon, "sidespan_sink_rejected_items_total", sink="far")
        kept_bytes = doors.figure(daemon, "sidespan_sink_dead_letter_bytes", sink="far")
        return (rejected, kept_bytes) == (1, kept)

    await asyncio.to_thread(wait_until, told, 20.0, "the figures")
    listed = await sidespan(daemon, "ls", "far", "--json")
    (letter,) = listed["letters"]
    assert letter["reason"] == "INVALID_ARGUMENT: bad \x1b[31m"
    assert (letter["item_count"], letter["refused_items"]) == (1, 1)
    text = await sidespan(daemon, "ls", "far")
    assert letter["first"] in text
    assert "\x1b" not in text
    shown = await sidespan(daemon, "show", "far", letter["first"], "--json")
    assert shown["letters"][0]["items"][0]["name"] == "poison"
    assert "poison" in await sidespan(daemon, "show", "far", "--all")
    again = await sidespan(daemon, "replay", "far", "--all", "--json", expect=1)
    assert (again["replayed"], again["refused"]) == (0, 1)
    collector.judge = lambda _: None
    lsn = int(letter["first"].rpartition(":")[2])
    assert lsn not in collector.lsns()
    done = await sidespan(daemon, "replay", "far", letter["first"], "--json")
    assert (done["replayed"], done["refused"], done["stopped"]) == (1, 0, None)
    assert lsn in collector.lsns()
    assert names(collector).count("poison") == 1
    assert (await sidespan(daemon, "ls", "--json"))["sinks"]["far"]["letters"] == 0


def test_without_a_daemon_letters_are_delivered_or_dropped(tmp_path: Path) -> None:
    """The command delivers itself; a sink that is away leaves them; what is dropped is gone."""

    async def test() -> None:
        async with collecting() as collector:
            collector.judge = refuse_poison
            config = (
                f'[sinks.far]\ntype = "otlp"\nendpoint = "http://{collector.address}"\n'
                'capture = "full"\ntimeout = "5s"\n'
            )
            daemon = Daemon(tmp_path, config=config)
            await asyncio.to_thread(daemon.start)
            try:
                await asyncio.to_thread(send, daemon, [True, True, False])
                await eventually(lambda: len(names(collector)) == 13, "the good ones")
            finally:
                await asyncio.to_thread(daemon.terminate)
            collector.answers.append(Failure(grpc.StatusCode.UNAVAILABLE, "away"))
            away = await sidespan(daemon, "replay", "far", "--all", "--json", expect=1)
            assert away["stopped"] == "UNAVAILABLE: away"
            listed = await sidespan(daemon, "ls", "far", "--json")
            first, second = (letter["first"] for letter in listed["letters"])
            collector.judge = lambda _: None
            done = await sidespan(daemon, "replay", "far", first, "--json")
            assert done["replayed"] == 1
            assert names(collector).count("poison") == 1
            await sidespan(daemon, "drop", "far", expect=2)
            await sidespan(daemon, "drop", "near", "--all", expect=1)
            await sidespan(daemon, "drop", "far", first, expect=1)
            dropped = await sidespan(daemon, "drop", "far", second, "--json")
            assert dropped == {"dropped": 1}
            assert not (await sidespan(daemon, "ls", "far", "--json"))["letters"]

    run(test())
