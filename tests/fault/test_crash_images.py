"""Promise 1 on a disk with a volatile cache: what a power cut may leave of it still holds all acks.

The real daemon records on a file system on a disk that logs each write and flush. Then, for points
of that log, the disk is made as the power may have left it there: what was flushed is whole, the
rest is there, dropped or torn by chance. Each such image is mounted and its store opened.
"""

import json
import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidespand.journal.layout import Layout
from sidespand.limits import MIB
from tests.daemon import Daemon
from tests.disks import Volume, make_image
from tests.fault.examine import Examiner, examining
from tests.fault.power import ATTRIBUTES, CONFIG, TRIMMING, eatmydata, end
from tests.fault.write_log import What, entries, images, logging_disk
from tests.frame_client import FrameClient
from tests.otlp import encoded
from tests.results import counted

pytestmark = pytest.mark.slow

DISK_BYTES = {"ext4": 48 * MIB, "xfs": 320 * MIB}
SPANS = 5
REQUESTS = 120
INFLIGHT = 4
SEED = 20261121
UNMOUNTABLE = "cannot be mounted"


def losses(found: list[str]) -> list[str]:
    """Return the violations that are the store's: a file system may be broken on its own."""
    return [one for one in found if UNMOUNTABLE not in one]


def send(daemon: Daemon, marks: Path, until_trimmed: Path | None) -> None:
    """Record requests, and enter each ack into the log of the disk when it has come."""
    oldest = Layout(until_trimmed).segments()[0] if until_trimmed else None
    with FrameClient(daemon.ingest) as client, marks.open("wb", 0) as marked:
        client.hello(os.urandom(16))
        sent: list[list[bytes]] = []
        acked = 0
        while acked < REQUESTS or (until_trimmed and Layout(until_trimmed).path(oldest).exists()):
            while len(sent) < acked + INFLIGHT:
                sent.append([os.urandom(8) for _ in range(SPANS)])
                body = encoded(SPANS, span_ids=sent[-1], attributes=ATTRIBUTES)
                client.records(len(sent), body)
            first = client.ack(acked + 1).first_lsn
            told = {one.hex(): first + index for index, one in enumerate(sent[acked])}
            marked.write(json.dumps(told).encode())
            acked += 1


def record(
    root: Path, kind: str, config: str, environment: Mapping[str, str] | None = None
) -> Path:
    """Let two lives of a daemon record on a disk that logs; return the log."""
    log = root / "log"
    size_bytes = DISK_BYTES[kind]
    make_image(log.with_suffix(".base"), kind, size_bytes=size_bytes)
    daemon = Daemon(root, config=config, environment=environment)
    with logging_disk(root / "fuse", log, size_bytes) as disk:
        daemon.data.mkdir()
        volume = Volume(disk, daemon.data, kind)
        volume.mount()
        daemon.data.chmod(0o700)
        try:
            for _ in range(2):
                daemon.start()
                send(daemon, disk.with_name("marks"), daemon.data if config is TRIMMING else None)
                daemon.kill()
        finally:
            end(daemon)
            volume.unmount()
    return log


def violated(root: Path, kind: str, log_path: Path, count: int) -> tuple[int, list[str]]:
    """Examine what ``count`` power cuts leave; return the size of the log, and what is violated."""
    log = entries(log_path)
    image = Volume(root / "image", root / "image-data", kind)
    image.place.mkdir()
    found = []
    acked: dict[bytes, int] = {}
    marks_from = 0
    base = log_path.with_suffix(".base")
    with examining() as examiner:
        for cut in images(log, base, image.image, count, random.Random(SEED)):
            for one in log[marks_from:cut]:
                if one.what is What.MARK:
                    told = json.loads(one.data)
                    acked |= {bytes.fromhex(key): lsn for key, lsn in told.items()}
            marks_from = cut
            broken = examined_image(image, examiner, acked)
            found += [f"power cut after {cut} of {len(log)}: {one}" for one in broken]
    return len(log), found


def examined_image(image: Volume, examiner: Examiner, acked: Mapping[bytes, int]) -> list[str]:
    """Mount an image and examine its store."""
    try:
        image.mount()
    except subprocess.CalledProcessError as error:
        return [f"{UNMOUNTABLE}: {error.stderr!r}"]
    try:
        return examiner.examine(image.place, acked)
    finally:
        image.unmount()


@pytest.mark.fault(4, 5)
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("ext4", 20),
        pytest.param("ext4", 120, marks=pytest.mark.long),
        pytest.param("xfs", 60, marks=pytest.mark.long),
    ],
)
def test_torn_and_reordered_writes_take_back_nothing_that_was_acked(
    tmp_path: Path, kind: str, count: int
) -> None:
    """Whatever the disk's cache lost, the store opens and holds each acked span at its LSN."""
    events, found = violated(tmp_path, kind, record(tmp_path, kind, CONFIG), count)
    assert found == []
    counted(f"crash images of {kind}", images=count, log_entries=events, violations=len(found))


@pytest.mark.fault(4, 6)
@pytest.mark.parametrize("count", [20, pytest.param(120, marks=pytest.mark.long)])
def test_torn_and_reordered_writes_bring_back_nothing_that_was_trimmed(
    tmp_path: Path, count: int
) -> None:
    """Between the record of a trim and the removal of the file, no point leaves a hole."""
    events, found = violated(tmp_path, "ext4", record(tmp_path, "ext4", TRIMMING), count)
    assert found == []
    counted("crash images with trims", images=count, log_entries=events, violations=len(found))


@pytest.mark.fault(4)
@pytest.mark.parametrize("count", [5, pytest.param(40, marks=pytest.mark.long)])
def test_without_fsync_crash_images_lose_what_was_acked(tmp_path: Path, count: int) -> None:
    """The harness can fail: with journal.durability none most images break the promise."""
    log = record(tmp_path, "ext4", CONFIG + 'durability = "none"\n')
    _, found = violated(tmp_path, "ext4", log, count)
    assert losses(found) != []
    counted("crash images without fsync", images=count, violations=len(found))


@pytest.mark.fault(4)
@pytest.mark.parametrize("count", [5, pytest.param(40, marks=pytest.mark.long)])
def test_when_flushes_do_nothing_crash_images_lose_what_was_acked(
    tmp_path: Path, count: int
) -> None:
    """The harness can fail: under eatmydata most images break the promise."""
    log = record(tmp_path, "ext4", CONFIG, eatmydata())
    _, found = violated(tmp_path, "ext4", log, count)
    assert losses(found) != []
    counted("crash images under eatmydata", images=count, violations=len(found))
