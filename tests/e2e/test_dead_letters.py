"""Dead letters from refusal to replay: by command, beside a daemon and without one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.collector import Collector, Failure, collecting
from tests.daemon import Daemon, running
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


def send(daemon: Daemon, poisoned: bool) -> None:
    """Record five spans, of which the third one may be poison."""
    request = export_request(5)
    if poisoned:
        request.resource_spans[0].scope_spans[0].spans[2].name = POISON.decode()
    with FrameClient(daemon.ingest) as client:
        client.hello()
        client.records(1, traces=request.SerializeToString())
        client.ack()


def names(collector: Collector) -> list[str]:
    """Return the name of every span that arrived."""
    return [
        span.name
        for request in collector.requests
        for group in request.resource_spans
        for span in group.scope_spans[0].spans
    ]
