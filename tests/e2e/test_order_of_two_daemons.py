"""Two real daemons, one of them with a clock that is ten seconds slow, and a kill -9."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from sidespand.app import node_key
from sidespand.model import Flag
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.journals import records_of

pytestmark = pytest.mark.slow
TRACE = bytes(15) + b"\x01"
SLOW_NS = 10 * 1_000_000_000
# Python imports it before anything of the daemon: its clock is then as slow as it says.
SITE = f"""
import time
_real = time.time_ns
time.time_ns = lambda: _real() - {SLOW_NS}
"""


def sidespan(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own."""
    command = [sys.executable, "-m", "sidespand", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def asked(*arguments: object) -> Any:
    """Return what a command prints as JSON."""
    outcome = sidespan(*arguments, "--json")
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


def record(daemon: Daemon, number: int, token: str = "") -> str:
    """Record a span that was received with a token; return the token of its acknowledgement."""
    span = Span(
        trace_id=TRACE,
        span_id=number.to_bytes(8),
        name=f"span {number}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=1,
        end_time_unix_nano=2,
        trace_state=f"sidespan={token}" if token else "",
    )
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])]
    )
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, request.SerializeToString())
        return client.ack(1).token


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """Yield two daemons with keys; the second one's clock is slow."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    for name in ("a", "b"):
        node_key.create(tmp_path / name / "data/node.key", name)
    with (
        running(tmp_path / "a", environment={"SIDESPAN_NODE_SOURCE_NODE_REF": "node://a"}) as a,
        running(
            tmp_path / "b",
            environment={"SIDESPAN_NODE_SOURCE_NODE_REF": "node://b", "PYTHONPATH": str(site)},
        ) as b,
    ):
        yield a, b


def test_a_wrong_clock_does_not_turn_the_order(daemons: tuple[Daemon, Daemon]) -> None:
    """The token decides, on stores that are being written and on closed ones alike."""
    a, b = daemons
    stores = ("--store", a.data, "--store", b.data)
    plan = record(a, 1)
    tool = record(b, 2, plan)
    record(b, 9)
    record(a, 3, tool)

    live = asked("compare", (1).to_bytes(8).hex(), (2).to_bytes(8).hex(), *stores)
    assert (a.terminate(), b.terminate()) == (0, 0)
    closed = asked("compare", (1).to_bytes(8).hex(), (2).to_bytes(8).hex(), *stores)

    assert live == closed
    assert (live["verdict"], live["strength"]) == ("before", "cryptographic")
    assert live["hint"]["hlc"] == ">"
    spans = [one for one in records_of(b.data) if one.edges]
    assert [Flag.MERGE_REJECTED in one.header.flags for one in spans] == [True]
    order = asked("order", TRACE.hex(), *stores)
    of_the_story = [item["span_id"] for item in order["items"] if item["span_id"][-1] != "9"]
    assert of_the_story == [number.to_bytes(8).hex() for number in (1, 2, 3)]
    assert order["by_hlc"] is False
    cleanup = asked("compare", (9).to_bytes(8).hex(), (3).to_bytes(8).hex(), *stores)
    assert cleanup["verdict"] == "unordered"
    for daemon, name in ((a, "a"), (b, "b")):
        key = asked("keys", "show", "--data", daemon.data)["verifier_key"]
        report = asked("verify", daemon.data, "--key", key)
        assert report["ok"] is True
        assert name in key
        assert report["facts"]["lineages"][0]["uncovered"] is None


def test_after_a_kill_the_uncovered_records_are_named(tmp_path: Path) -> None:
    """With the daemon gone receipt and verify say what no checkpoint covers; the next life does."""
    node_key.create(tmp_path / "data/node.key", "node-1")
    with running(tmp_path) as daemon:
        record(daemon, 1)
        early = (1).to_bytes(8).hex()

        def covered() -> bool:
            return bool(asked("receipt", early, "--data", daemon.data)["covered"])

        wait_until(covered, 15, "a checkpoint of the first span")
        for number in range(2, 8):
            late = number.to_bytes(8).hex()
            record(daemon, number)
            daemon.kill()
            receipt = asked("receipt", late, "--data", daemon.data)
            if not receipt["covered"]:
                break
            # The machine paused for a second, and the checkpoint came first.
            daemon.start()
        uncovered = asked("verify", daemon.data)["facts"]["lineages"][0]["uncovered"]
        assert receipt["uncovered_reason"] == "no checkpoint was signed since"
        assert int(uncovered["first_lsn"]) <= int(receipt["lsn"]) <= int(uncovered["last_lsn"])
        assert sidespan("prove", early, "--data", daemon.data).returncode == 0
        assert sidespan("prove", late, "--data", daemon.data).returncode == 1
        daemon.start()
        assert daemon.terminate() == 0

    assert asked("receipt", late, "--data", daemon.data)["covered"] is True
    proof = tmp_path / "late.proof"
    assert sidespan("prove", late, "--data", daemon.data, "-o", proof).returncode == 0
    key = asked("keys", "show", "--data", daemon.data)["verifier_key"]
    assert asked("verify", proof, "--key", key)["ok"] is True
