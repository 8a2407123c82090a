"""On which terms a daemon takes requests: repeats, a cap on a trace, a quota of a user."""

import os
from pathlib import Path

import pytest

from sidespand.model import Kind
from tests import doors
from tests.daemon import running
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded

pytestmark = pytest.mark.slow


def test_what_comes_again_is_stored_once(tmp_path: Path) -> None:
    """Over gRPC and HTTP, on sockets and ports, the repeat gets the first token."""
    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        for name in doors.DOORS[1:]:
            body = encoded()
            tokens = []
            for _ in range(2):
                with doors.opened(name, daemon) as door:
                    tokens.append(door.send(body).token)
            assert tokens[0] == tokens[1]
        repeated = [doors.figure(daemon, "sidespan_receiver_repeated_requests_total", door=door)
                    for door in ("grpc", "http")]  # fmt: skip
        assert repeated == [2, 2]
        assert daemon.terminate() == 0
    kinds = [one.header.kind for one in records_of(tmp_path / "data")]
    assert kinds.count(Kind.SPANS) == len(doors.DOORS) - 1


def test_a_trace_over_its_cap_is_told_so(tmp_path: Path) -> None:
    """Every door reports capacity_exceeded as a part that was refused, which nobody sends again."""
    config = "[receivers]\ntrace_spans_max = 10\n"
    with running(tmp_path, doors.TCP_FLAGS, config=config) as daemon:
        for name in doors.DOORS:
            trace_id = os.urandom(16)
            with doors.opened(name, daemon) as door:
                answers = [door.send(encoded(8, trace_id=trace_id)) for _ in range(3)]
            assert [answer.code for answer in answers] == [door.ok] * 3
            assert [answer.rejected for answer in answers] == [0, 6, 8]
            assert "capacity_exceeded" in answers[1].reason
            assert "capacity_exceeded" in answers[2].reason


def test_a_user_over_its_quota_is_told_to_wait(tmp_path: Path) -> None:
    """A session gets a NACK with the time; then its step is taken."""
    config = '[receivers]\nuid_bytes_per_s = "20KiB"\n'
    with running(tmp_path, config=config) as daemon:
        with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
            client.hello(os.urandom(16))
            client.records(1, encoded(200))
            client.ack(1)
            client.records(2, encoded())
            nack = client.nack(2)
            assert "quota" in nack.text
            assert nack.retry_after_ms > 0
        assert daemon.terminate() == 0
