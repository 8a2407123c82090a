"""``sidespan tail -f`` beside a daemon: what ends is printed as the daemon tells of it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.cli.changes import Changes
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.otlp import encoded, marked
from tests.unit.cli.test_following import child

WAIT_S = 20.0

pytestmark = pytest.mark.slow


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon."""
    with running(tmp_path) as daemon:
        yield daemon


def test_each_span_is_printed_once_when_it_ends(daemon: Daemon) -> None:
    """In order; one that was open, the newest of all, does not bring back what was before it."""
    trace_id, open_id = os.urandom(16), os.urandom(8)
    steps = [
        {"traces": encoded(1, service="before")},
        {"marks": marked(trace_id, [open_id])},
        {"traces": encoded(1, trace_id=trace_id, span_ids=[open_id], service="was open"),
         "ended": trace_id + open_id},
        {"traces": encoded(2, service="two")},
    ]  # fmt: skip
    command = ("-m", "sidespand", "tail", "-f", "--json", "--run", str(daemon.run))
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        for seq, step in enumerate(steps[:2], start=1):
            client.records(seq, **step)
            client.ack(seq)
        with child(*command) as tail:
            seen = [json.loads(tail.line())]
            for seq, step in enumerate(steps[2:], start=3):
                client.records(seq, **step)
                client.ack(seq)
                seen.append(json.loads(tail.line()))
            seen.append(json.loads(tail.line()))
            assert tail.end(signal.SIGINT) == (130, b"")

    assert [span["service"] for span in seen] == ["before", "was open", "two", "two"]
    places = [int(span["position"].split(":")[1]) for span in seen]
    assert places == sorted(set(places))


def test_a_quiet_daemon_is_not_asked(daemon: Daemon) -> None:
    """Its stream tells of what is new, and once it has ended each pause is followed by a look."""
    changes = Changes(daemon.run / "api.sock")
    wait_until(lambda: not changes.wait(0.5), WAIT_S, "the stream to fall silent")

    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, traces=encoded())
        client.ack(1)
        assert changes.wait(WAIT_S)

    daemon.terminate()
    wait_until(lambda: changes.wait(0.5) and changes.wait(0.5), WAIT_S, "looks without a stream")
