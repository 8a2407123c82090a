"""The Python client's open spans, across the death of the daemon and of the client."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import sidespan
from sidespand.model import Kind
from tests.daemon import Daemon, running, wait_until
from tests.journals import records_of

SPANS = 20_000
# So many are open at a time: as many as the daemon watches of one client.
OPEN_AT_ONCE = 2_000
WAIT_S = 20.0

# Two spans are open when it says so: one announced by its age, one durable.
CLIENT = """
import sys, sidespan
sidespan.init("planner", socket=sys.argv[1], mark_after_s=0)
with sidespan.span("plan", goal="lunch"), sidespan.span("pay", durable=True) as s:
    print(s.durable, flush=True)
    sys.stdin.read()
"""


def ids_of(daemon: Daemon, kind: Kind) -> list[bytes]:
    """Return the span ids in the journal's records of one kind, in order."""
    return [
        span.span_id
        for record in records_of(daemon.data)
        if record.header.kind is kind
        for resource in ExportTraceServiceRequest.FromString(record.payload or b"").resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.slow
def test_live_spans_across_a_kill_of_the_daemon_are_there_once(tmp_path: Path) -> None:
    """20,000 spans that are open for a while: each start and each end is in the journal once."""
    with running(tmp_path) as daemon:
        sidespan.init("live", socket=daemon.ingest, mark_after_s=0, buffer_bytes_max=64 * 2**20)
        assert sidespan.flush(WAIT_S)
        ids: list[str] = []
        try:
            for batch in range(SPANS // OPEN_AT_ONCE):
                opened = [sidespan.span("step", n=n).start() for n in range(OPEN_AT_ONCE - 1)]
                # Its mark is behind those of the others.
                last = sidespan.span("last", durable=True, durable_timeout_s=WAIT_S)
                opened.append(last.start())
                ids += [span.span_id for span in opened]
                if batch % 4 == 1:
                    daemon.kill()
                    daemon.start()
                for span in opened:
                    span.end()
            assert sidespan.flush(WAIT_S), sidespan.status()
            assert sidespan.status()[:4] == (SPANS, SPANS, 0, 0)
        finally:
            sidespan.shutdown(0)
        ended, marked = ids_of(daemon, Kind.SPANS), ids_of(daemon, Kind.MARKS)

    assert sorted(span_id.hex() for span_id in ended) == sorted(ids)
    assert set(Counter(marked).values()) == {1}
    assert set(marked) <= set(ended)
    assert len(marked) > SPANS // 2


@pytest.mark.fault(2)
@pytest.mark.slow
def test_a_killed_program_leaves_its_open_spans_abandoned(tmp_path: Path) -> None:
    """What it had begun is in the record, and that it will not end."""
    with running(tmp_path) as daemon:
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(daemon.ingest)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"True\n"
            wait_until(lambda: len(ids_of(daemon, Kind.MARKS)) == 2, WAIT_S, "two marks")
            os.kill(client.pid, signal.SIGKILL)

        def abandoned() -> bool:
            return any(record.header.kind is Kind.ABANDONED for record in records_of(daemon.data))

        wait_until(abandoned, WAIT_S, "ABANDONED")
