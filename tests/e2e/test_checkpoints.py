"""A daemon's own checkpoints: soon after what they cover, at a clean end, and never for nothing."""

import contextlib
import os
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidespand.app import node_key
from sidespand.model import Kind
from tests import doors
from tests.checkpoints import checked
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded

pytestmark = pytest.mark.slow


def figures(daemon: Daemon) -> dict[str, float]:
    """Return the samples without labels of ``/metrics``."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def test_what_was_recorded_is_soon_covered(tmp_path: Path) -> None:
    """Everything but the newest checkpoint is covered, and then nothing more is written."""
    key = node_key.create(tmp_path / "data/node.key", "node-1")
    with running(tmp_path) as daemon:
        with FrameClient(daemon.ingest) as client:
            client.hello(os.urandom(16))
            client.records(1, encoded(3))
            client.ack(1)

        def covered() -> bool:
            found = figures(daemon)
            return found["sidespan_journal_uncovered_records"] == 1

        wait_until(covered, 10, "a checkpoint of everything")
        found = figures(daemon)
        assert daemon.terminate() == 0

    records = records_of(daemon.data)
    signed = checked(records, key.verifier)
    # The clean end had nothing to add: no checkpoint is for a checkpoint.
    assert len(signed) == found["sidespan_journal_checkpoints_total"]
    assert found["sidespan_journal_checkpoint_failures_total"] == 0
    assert found["sidespan_journal_hlc_lead_seconds"] == pytest.approx(0, abs=0.5)
    assert signed[-1].checkpoint.size == len(records) - 1
    kinds = [record.header.kind for record in records]
    assert kinds.index(Kind.KEY) < kinds.index(Kind.SESSION)
    assert kinds[-1] is Kind.CHECKPOINT


@pytest.mark.fault(30)
def test_a_key_that_everybody_reads_stops_the_start(tmp_path: Path) -> None:
    """The daemon says which file and what to do, and opens nothing."""
    path = tmp_path / "data/node.key"
    node_key.create(path, "node-1")
    path.chmod(0o644)
    daemon = Daemon(tmp_path)
    daemon.spawn()

    assert daemon.process is not None
    assert daemon.process.wait(20) == 2
    assert "has mode 0644; it is a secret" in daemon.log()
    assert f"chmod 600 {path}" in daemon.log()
    assert list((tmp_path / "data").iterdir()) == [path]
