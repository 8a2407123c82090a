"""A disk that another program left without room: under load, at the start, and for files."""

import os
from pathlib import Path

import pytest

from sidespan.v1.recorder_pb2 import Ack, Nack
from tests.daemon import running, wait_until
from tests.disks import fill, formatted
from tests.fault.examine import examining
from tests.fault.power import ATTRIBUTES, CONFIG
from tests.frame_client import ACK, FrameClient
from tests.line_files import whole_lines
from tests.otlp import encoded

pytestmark = pytest.mark.slow

REQUESTS_MAX = 400
SINK_S_MAX = 20.0


class Sender:
    """One client instance that knows what was acked to it.

    Args:
        path: The daemon's ingest.sock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._instance_id = os.urandom(16)
        self._seq = 0
        self.acked: dict[bytes, int] = {}

    def send_until_refused(self, requests_max: int = REQUESTS_MAX) -> bool:
        """Send one request after another; return whether one was refused, for now."""
        with FrameClient(self._path) as client:
            client.hello(self._instance_id, self._seq)
            for _ in range(requests_max):
                span_id = os.urandom(8)
                body = encoded(5, span_ids=[span_id, *(os.urandom(8) for _ in range(4))],
                               attributes=ATTRIBUTES)  # fmt: skip
                client.records(self._seq + 1, body)
                number, _, answer = client.receive()
                if number != ACK:
                    assert Nack.FromString(answer).code == Nack.UNAVAILABLE
                    return True
                self._seq += 1
                self.acked[span_id] = Ack.FromString(answer).first_lsn
        return False


def sink(path: Path) -> str:
    """Return the configuration of a sink that writes to another disk."""
    return f'[sinks.archive]\ntype = "jsonl"\npath = "{path}"\ncapture = "full"\n'


def delivered(path: Path) -> set[bytes]:
    """Return the id of each span that the sink has written."""
    return {bytes.fromhex(line["span_id"]) for line in whole_lines(path)}


@pytest.mark.fault(11)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_the_open_segment_goes_on_while_the_disk_is_full(tmp_path: Path, kind: str) -> None:
    """Its space is its own; only the next segment is refused, and made as soon as there is room.

    Sinks go on delivering all the while, and nothing that was acked is lost.
    """
    archive = tmp_path / "spans.jsonl"
    with formatted(tmp_path / "data", kind) as volume, examining() as examiner:
        with running(tmp_path, config=CONFIG + sink(archive)) as daemon:
            sender = Sender(daemon.ingest)
            assert not sender.send_until_refused(2)
            wait_until(lambda: bool(delivered(archive)), SINK_S_MAX, "the worker to have its files")
            fill(volume.place / "filler")
            before = len(sender.acked)
            assert sender.send_until_refused()
            assert len(sender.acked) > before
            wait_until(lambda: delivered(archive) >= sender.acked.keys(), SINK_S_MAX, "the sink")
            (volume.place / "filler").unlink()
            wait_until(lambda: not sender.send_until_refused(1), SINK_S_MAX, "room again")
            assert daemon.terminate() == 0
        assert examiner.examine(volume.place, sender.acked) == []


@pytest.mark.fault(12)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_daemon_starts_on_a_full_disk(tmp_path: Path, kind: str) -> None:
    """It starts and delivers what it holds; with room again it records, without a restart."""
    archive = tmp_path / "spans.jsonl"
    with formatted(tmp_path / "data", kind) as volume, examining() as examiner:
        with running(tmp_path, config=CONFIG) as daemon:
            sender = Sender(daemon.ingest)
            assert not sender.send_until_refused(20)
            daemon.kill()
        fill(volume.place / "filler")
        with running(tmp_path, config=CONFIG + sink(archive)) as daemon:
            wait_until(lambda: delivered(archive) >= sender.acked.keys(), SINK_S_MAX, "the sink")
            assert sender.send_until_refused()
            (volume.place / "filler").unlink()
            wait_until(lambda: not sender.send_until_refused(1), SINK_S_MAX, "room again")
            assert daemon.terminate() == 0
        assert examiner.examine(volume.place, sender.acked) == []


@pytest.mark.fault(14)
def test_a_disk_without_inodes_is_a_full_one(tmp_path: Path) -> None:
    """The next segment cannot be made: senders are told to come back, and are taken afterwards."""
    with (
        formatted(tmp_path / "data", "ext4", "-N", "64") as volume,
        examining() as examiner,
    ):
        with running(tmp_path, config=CONFIG) as daemon:
            sender = Sender(daemon.ingest)
            assert not sender.send_until_refused(2)
            names = use_up_inodes(volume.place)
            assert sender.send_until_refused()
            for name in names:
                name.unlink()
            wait_until(lambda: not sender.send_until_refused(1), SINK_S_MAX, "inodes again")
            assert daemon.terminate() == 0
        assert examiner.examine(volume.place, sender.acked) == []


def use_up_inodes(place: Path) -> list[Path]:
    """Make empty files on a disk of its own until there is none left; return them."""
    assert os.path.ismount(place)
    made: list[Path] = []
    while os.statvfs(place).f_favail:
        made.append(place / f"empty-{len(made)}")
        made[-1].touch()
    return made
