"""A store that is taken away under its daemon: nothing is acked that nobody would find again."""

import os
import re
import shutil
from pathlib import Path

import pytest

from sidespand.model import Kind, Record
from tests.daemon import STOP_S_MAX, Daemon, running
from tests.fault.power import end
from tests.frame_client import ACK, FrameClient
from tests.otlp import encoded
from tests.unit.journal.lives import read_all, segment_files
from tests.unit.journal.upkeeping import controls

pytestmark = pytest.mark.slow

EXIT_IO = 74


@pytest.mark.fault(19, 21)
def test_a_removed_store_is_not_acked_from(tmp_path: Path) -> None:
    """After rm -rf no request is acked; after a few tries the daemon ends with 74.

    The next start makes a store anew, and tells of the one of which nothing is left.
    """
    daemon = Daemon(tmp_path)
    try:
        daemon.start()
        with FrameClient(daemon.ingest) as client:
            client.hello(os.urandom(16))
            client.records(1, encoded())
            acked = client.ack(1).last_lsn
            shutil.rmtree(daemon.data)
            assert refused_until_it_leaves(client)
        assert daemon.process is not None
        assert daemon.process.wait(STOP_S_MAX) == EXIT_IO
        assert "nothing is left" not in daemon.log()
        daemon.start()
        assert daemon.terminate() == 0
    finally:
        end(daemon)
    assert "commits keep failing, giving up" in daemon.log()
    assert re.search(
        rf"ERROR .*nothing is left of the store \w+, which was in {daemon.data}"
        rf" and had come to \w+:{acked}\b",
        daemon.log(),
    )


def refused_until_it_leaves(client: FrameClient) -> bool:
    """Send the same request again and again; return whether none was acked until the end."""
    while True:
        try:
            client.records(2, encoded())
            if client.receive()[0] == ACK:
                return False
        except (OSError, EOFError):
            return True


@pytest.mark.fault(19, 21)
def test_a_removed_segment_is_a_gap_and_the_log_goes_on(tmp_path: Path) -> None:
    """With the open segment's file gone one request is refused; the next ones are kept elsewhere.

    The next start declares what was in the file as lost, in its exact range.
    """
    with running(tmp_path) as daemon, FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, encoded(3))
        lost = client.ack(1)
        (open_file,) = segment_files(daemon.data)
        open_file.unlink()
        client.records(2, encoded())
        assert client.nack(2).retry_after_ms >= 0
        client.records(2, encoded())
        kept = client.ack(2)
        assert daemon.terminate() == 0
    stored = [
        one
        for one in read_all(daemon.data)
        if isinstance(one, Record) and one.header.kind is Kind.SPANS
    ]
    assert [one.header.first_lsn for one in stored] == [kept.first_lsn]
    with running(tmp_path):
        pass
    (loss,) = controls(daemon.data, Kind.DROP)
    assert (loss["reason"], loss["first_lsn"]) == ("missing", 1)
    assert lost.last_lsn <= loss["last_lsn"] < kept.first_lsn
