"""A disk that fails for good under a running daemon: everybody is refused, then it ends with 74."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidespan.v1.recorder_pb2 import Ack, Nack
from tests.daemon import STOP_S_MAX, Daemon
from tests.disks import Volume, formatted
from tests.fault.examine import examining
from tests.fault.load import SPANS_PER_REQUEST
from tests.fault.power import CONFIG, end
from tests.frame_client import ACK, NACK, FrameClient
from tests.otlp import encoded

pytestmark = pytest.mark.slow

EXIT_IO = 74
REQUESTS = 5


def pull(volume: Volume) -> None:
    """Let every call on the disk fail, as when it is pulled."""
    volume.cut_power()


def turn_read_only(volume: Volume) -> None:
    """Let the kernel find an error of the file system, upon which it is mounted read-only."""
    device = volume.device().name
    (Path("/sys/fs/ext4") / device / "trigger_fs_error").write_text("a test asks for it")


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        pytest.param("ext4", pull, marks=pytest.mark.fault(8)),
        pytest.param("xfs", pull, marks=pytest.mark.fault(8)),
        pytest.param("ext4", turn_read_only, marks=pytest.mark.fault(15)),
    ],
)
def test_a_disk_that_fails_for_good(
    tmp_path: Path, kind: str, harm: Callable[[Volume], None]
) -> None:
    """Nobody is acked any more and all may try again; it exits 74, and keeps all that was acked."""
    with formatted(tmp_path / "data", kind) as volume, examining() as examiner:
        daemon = Daemon(tmp_path, config=CONFIG)
        try:
            daemon.start()
            acked = endured(daemon, lambda: harm(volume))
            assert daemon.process is not None
            assert daemon.process.wait(STOP_S_MAX) == EXIT_IO
        finally:
            end(daemon)
        assert "commits keep failing, giving up" in daemon.log()
        assert "Traceback" not in daemon.log()
        volume.start_again()
        assert examiner.examine(volume.place, acked) == []


def endured(daemon: Daemon, harm: Callable[[], None]) -> dict[bytes, int]:
    """Record until the daemon is gone, whose disk fails on the way; return what was acked."""
    acked = {}
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        seq, failed = 1, False
        while True:
            ids = [os.urandom(8) for _ in range(SPANS_PER_REQUEST)]
            try:
                client.records(seq, encoded(len(ids), span_ids=ids))
                number, _, body = client.receive()
            except (OSError, EOFError):
                assert failed, "the daemon left before its disk did"
                return acked
            if number == ACK:
                assert not failed
                first = Ack.FromString(body).first_lsn
                acked |= {one: first + index for index, one in enumerate(ids)}
                seq += 1
            elif number == NACK:
                assert failed
                assert Nack.FromString(body).code == Nack.UNAVAILABLE
            if seq > REQUESTS and not failed:
                harm()
                failed = True
