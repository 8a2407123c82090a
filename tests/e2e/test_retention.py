"""A real daemon keeps what it was told to keep, and waits for a sink that is required."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import msgpack
import pytest

from sidespand.model import Kind
from tests import doors
from tests.collector import collecting
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import ACK, FrameClient
from tests.journals import records_of, run
from tests.otlp import encoded

pytestmark = pytest.mark.slow

WAIT_S = 90.0
REQUESTS_MAX = 200
SPANS = 500
# About a fifth of a segment.
REQUEST = encoded(SPANS, attributes=8)
SMALL = """
[journal]
segment_bytes = "1MiB"
retention_bytes = "4MiB"
disk_free_min = 0.0
"""


def figure(daemon: Daemon, name: str) -> float:
    """Return one of the journal's figures."""
    return doors.figure(daemon, f"sidespan_journal_{name}")


def send(daemon: Daemon, count: int) -> int:
    """Record requests, one after another; return how many were acked before one was refused."""
    with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
        client.hello(os.urandom(16))
        for seq in range(1, count + 1):
            client.records(seq, REQUEST)
            if client.receive()[0] != ACK:
                return seq - 1
    return count


def test_a_store_stays_at_its_size(tmp_path: Path) -> None:
    """The oldest segments give way, and the figures say what went."""
    with running(tmp_path, config=SMALL) as daemon:
        assert send(daemon, 60) == 60
        wait_until(lambda: figure(daemon, "trimmed_items_total") > 0, WAIT_S, "a trim")
        wait_until(lambda: figure(daemon, "store_bytes") <= 4 << 20, WAIT_S, "the store to fit")
        assert figure(daemon, "oldest_lsn") > 1
        assert figure(daemon, "dropped_items_total") == 0
        assert send(daemon, 5) == 5


def full_then_free(root: Path, port: int, loop: asyncio.AbstractEventLoop) -> None:
    """Fill a store that a required sink holds back; let the sink catch up; go on."""
    sink = (
        f'[sinks.must]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{port}"\n'
        'required = true\ncapture = "full"\n'
    )
    with running(root, config=SMALL + sink) as daemon:
        acked = 0

        def refused() -> bool:
            nonlocal acked
            took = send(daemon, 20)
            acked += took
            return took < 20

        wait_until(refused, WAIT_S, "the store to be full")
        assert figure(daemon, "trimmed_items_total") == 0
        assert "must" in daemon.log()

        roomy = threading.Event()
        collecting_all = collect(port, acked * SPANS, roomy)
        collector = asyncio.run_coroutine_threadsafe(collecting_all, loop)
        wait_until(lambda: send(daemon, 1) == 1, WAIT_S, "room again")
        roomy.set()
        wait_until(lambda: figure(daemon, "trimmed_items_total") > 0, WAIT_S, "the trim's count")
        assert figure(daemon, "dropped_items_total") == 0
        collector.result(WAIT_S)


async def collect(port: int, items: int, enough: threading.Event) -> None:
    """Take what comes until so many items are there, and at least until it is enough.

    What is not answered before it leaves does not count as delivered.
    """
    async with collecting(f"127.0.0.1:{port}") as collector, asyncio.timeout(WAIT_S):
        while len(set(collector.lsns())) < items or not enough.is_set():
            await asyncio.sleep(0.05)


@pytest.mark.fault(13)
def test_a_full_store_waits_for_a_required_sink(tmp_path: Path) -> None:
    """Senders are refused until it has caught up; it gets everything that was acked."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def test() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(full_then_free, tmp_path, port, loop)

    run(test())


@pytest.mark.fault(13)
def test_the_oldest_is_dropped_by_choice(tmp_path: Path) -> None:
    """With a required sink that never comes, new records are taken and the loss is counted."""
    config = SMALL + 'on_full = "drop_oldest"\n' + (
        '[sinks.must]\ntype = "otlp"\nendpoint = "http://127.0.0.1:9"\nrequired = true\n'
    )  # fmt: skip
    with running(tmp_path, config=config) as daemon:
        assert send(daemon, 60) == 60
        wait_until(lambda: figure(daemon, "dropped_items_total") > 0, WAIT_S, "a drop")
        assert send(daemon, 5) == 5
        assert "must never got" in daemon.log()
        assert daemon.terminate() == 0
    drops = [one for one in records_of(daemon.data) if one.header.kind is Kind.DROP]
    assert drops
    for drop in drops:
        body = msgpack.unpackb(drop.payload or b"")
        assert body["sinks"] == ["must"]
        assert body["first_lsn"] <= body["last_lsn"] < drop.header.first_lsn
