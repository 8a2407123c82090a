"""A daemon whose disk is full tells everybody to come back, says so, and goes on by itself."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidespand.limits import MIB
from sidespand.model import Kind
from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.disks import fill, mounted
from tests.frame_client import ACK, FrameClient
from tests.journals import records_of
from tests.otlp import encoded

WAIT_S = 20.0
REQUESTS_MAX = 200
SPANS = 500
CONFIG = '[journal]\nsegment_bytes = "1MiB"\ndisk_free_min = 0.0\n'

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a small disk for the store alone: the log has its place."""
    with mounted(tmp_path / "data", 16 * MIB) as place:
        yield place


def fill_until_refused(client: FrameClient) -> int:
    """Record requests until one is refused; return how many were acked."""
    for seq in range(1, REQUESTS_MAX):
        client.records(seq, encoded(SPANS, attributes=8))
        number, _, _ = client.receive()
        if number != ACK:
            return seq - 1
    raise AssertionError("the disk was never full")


def ready(daemon: Daemon) -> int:
    """Return the status of ``/readyz``."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status


def refusal_in_json(daemon: Daemon) -> Any:
    """Send a span in OTLP/JSON; return the Status that refuses it for now."""
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/traces", json.dumps(document), headers)
        response = connection.getresponse()
        assert (response.status, response.getheader("retry-after")) == (503, "2")
        assert response.getheader("content-type") == "application/json"
        return json.loads(response.read())


@pytest.mark.fault(11)
def test_a_full_disk_is_told_at_every_door(disk: Path) -> None:
    """Each sender is told to come back; with room again all is well without a restart."""
    with running(disk.parent, doors.TCP_FLAGS, config=CONFIG) as daemon:
        with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
            client.hello(os.urandom(16))
            fill(disk / "filler")
            acked = fill_until_refused(client)
        for name, code in (("grpc.sock", "UNAVAILABLE"), ("http.sock", 503)):
            with doors.opened(name, daemon) as door:
                answer = door.send(encoded())
            assert getattr(answer.code, "name", answer.code) == code
            assert answer.retry
            assert "no room" in answer.text or "full" in answer.text
        assert refusal_in_json(daemon)["details"] == [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
        ]
        assert ready(daemon) == 503
        assert doors.figure(daemon, "sidespan_ready") == 0

        (disk / "filler").unlink()
        assert ready(daemon) == 200
        assert doors.figure(daemon, "sidespan_ready") == 1
        with doors.opened("http.sock", daemon) as door:
            wait_until(lambda: door.send(encoded()).code == door.ok, WAIT_S, "room again")
        assert daemon.log().count("refusing what clients send") == 1
        assert daemon.log().count("there is room on the disk again") == 1
        assert daemon.terminate() == 0
    spans = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]
    assert sum(one.header.item_count for one in spans) == acked * SPANS + 1
