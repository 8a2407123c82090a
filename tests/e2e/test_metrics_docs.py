"""docs/operations.md lists the metrics of a running daemon: all of them, and no other."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import doors, metrics
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.otlp import encoded, export_request, marked

pytestmark = pytest.mark.slow
WAIT_S = 20.0
CONFIG = """
[receivers]
capture = "metadata"
[tap]
path = "TAP"
[sinks.lines]
type = "jsonl"
[sinks.bundles]
type = "aitrace_file"
[sinks.screen]
type = "console"
[sinks.far]
type = "otlp"
endpoint = "http://127.0.0.1:PORT"
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Yield a daemon with sinks of several kinds, one of which nobody answers."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = CONFIG.replace("PORT", str(nobody.getsockname()[1]))
        config = config.replace("TAP", str(tmp_path / "tap.jsonl"))
        with running(tmp_path, doors.TCP_FLAGS, config=config) as one:
            yield one


def exposition(daemon: Daemon) -> str:
    """Return what ``/metrics`` says."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode("utf-8")


def test_every_metric_is_documented_and_every_documented_one_is_there(daemon: Daemon) -> None:
    """By name, type, labels and meaning, after requests of every outcome."""
    partly = export_request(3, attributes=2)
    spans = partly.resource_spans[0].scope_spans[0].spans
    spans[0].span_id = b"short"
    spans[1].status.message = "what somebody said"
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(
            1, traces=partly.SerializeToString(), marks=marked(os.urandom(16), [b"8" * 8])
        )
        client.ack(1)
        client.records(2, traces=b"\xff")
        client.nack(2)
    repeated = encoded(1)
    with doors.opened("http.sock", daemon) as door:
        assert [door.send(repeated).code for _ in range(2)] == [door.ok] * 2
    wait_until(
        lambda: doors.figure(daemon, "sidespan_sink_failures", sink="far") > 0,
        WAIT_S,
        "the figures of the sinks",
    )
    wait_until(
        lambda: doors.figure(daemon, "sidespan_index_indexed_items_total") > 0, WAIT_S, "the index"
    )

    found = metrics.scraped(exposition(daemon))

    assert found == metrics.documented(metrics.PAGE.read_text(encoding="utf-8"))


def test_counters_go_on_when_the_worker_is_replaced(daemon: Daemon) -> None:
    """And the series of a sink that was taken away end."""
    name = "sidespan_sink_delivered_items_total"

    def delivered() -> float:
        return doors.figure(daemon, name, sink="lines")

    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, encoded(3))
        client.ack(1)
        wait_until(lambda: delivered() == 3, WAIT_S, "the first three")
        worker = int((daemon.data / "WORKER.lock").read_text(encoding="ascii"))
        os.kill(worker, 9)
        wait_until(
            lambda: doors.figure(daemon, "sidespan_worker_starts_total") == 2, WAIT_S, "another one"
        )
        client.records(2, encoded(2))
        client.ack(2)
        wait_until(lambda: delivered() == 5, WAIT_S, "two more")

    assert 'sink="lines"' in exposition(daemon)
    path = daemon.data.parent / "sidespan.toml"
    text = path.read_text(encoding="utf-8").replace("sinks.lines", "sinks.other")
    path.write_text(text, encoding="utf-8")
    os.kill(daemon.pid, 1)
    wait_until(lambda: 'sink="other"' in exposition(daemon), WAIT_S, "the reload")
    assert 'sink="lines"' not in exposition(daemon)
