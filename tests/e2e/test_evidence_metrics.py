"""What an operator is to be warned of: a clock that leads, an anchor that cannot be written."""

import os
import time
from pathlib import Path

import pytest

from sidespand import token
from sidespand.hlc import Hlc
from sidespand.model import Kind
from tests.daemon import Daemon, running, wait_until
from tests.doors import figure
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded

pytestmark = pytest.mark.slow
AHEAD_NS = 400_000_000


def test_the_lead_of_the_hlc_is_a_figure(tmp_path: Path) -> None:
    """A token of a clock that is ahead makes the next record lead, and the metric says by how much.

    It is that of the newest record.
    """
    with running(tmp_path) as daemon, FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        seq = 0

        def leads() -> bool:
            nonlocal seq
            seq += 1
            ahead = Hlc(time.time_ns() + AHEAD_NS, 0)
            cited = token.encode(os.urandom(8), 1, ahead, os.urandom(16))
            client.records(seq, encoded(trace_state=f"sidespan={cited}"))
            client.ack(seq)
            return lead_s(daemon) > 0

        wait_until(leads, 20, "a record that leads its clock")
        # A checkpoint that comes in between is the newest record then.
        wait_until(lambda: lead_s(daemon) == newest_lead_s(daemon), 20, "the newest record's lead")
        assert 0 <= lead_s(daemon) <= AHEAD_NS / 1e9


def lead_s(daemon: Daemon) -> float:
    """Return what the metric says."""
    return figure(daemon, "sidespan_journal_hlc_lead_seconds")


def newest_lead_s(daemon: Daemon) -> float:
    """Return by how much the newest stored record's HLC leads its wall clock."""
    header = records_of(daemon.data)[-1].header
    return (header.stamp.wall_ns - header.wall_ns) / 1e9


def test_an_anchor_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """The daemon goes on, and says that a rollback may go unnoticed until it can be written."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a directory should be")
    config = f'[journal]\nanchor_dir = "{blocked}"\n'
    with running(tmp_path / "node", config=config) as daemon:
        assert figure(daemon, "sidespan_journal_failing_anchors") == 1
        assert daemon.log().count(f"cannot write in {blocked}") == 1
        blocked.unlink()
        with FrameClient(daemon.ingest) as client:
            client.hello(os.urandom(16))
            client.records(1, encoded())
            client.ack(1)
        wait_until(
            lambda: figure(daemon, "sidespan_journal_failing_anchors") == 0,
            20,
            "the anchor to be written",
        )
        assert [path.suffix for path in blocked.iterdir()] == [".json"]
    kinds = [record.header.kind for record in records_of(daemon.data)]
    assert Kind.SPANS in kinds
