"""What surrounds a process misbehaves: signals, its output, its locale, its clock, its paths."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.model import Kind
from tests import doors
from tests.daemon import STOP_S_MAX, Daemon, running
from tests.fault.examine import examining
from tests.fault.load import Load, stop, wait_for_acks
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded
from tests.toolchain import require

pytestmark = pytest.mark.slow

SPANS = 40
YEAR_S = 365 * 86_400
FAKETIME = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu" / "faketime/libfaketime.so.1"


def record(daemon: Daemon) -> int:
    """Record one span; return its LSN."""
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, encoded())
        return client.ack(1).first_lsn


def stored(daemon: Daemon) -> list[int]:
    """Return the LSN of each record of spans."""
    return [r.header.first_lsn for r in records_of(daemon.data) if r.header.kind is Kind.SPANS]


@pytest.mark.fault(42)
def test_more_signals_than_one_still_end_in_order(tmp_path: Path) -> None:
    """Under load, a second and a third SIGTERM hasten nothing and break nothing: it exits 0."""
    with running(tmp_path) as daemon, examining() as examiner:
        loads = [Load(daemon.ingest) for _ in range(2)]
        for load in loads:
            load.start()
        try:
            wait_for_acks(loads, 10)
            pid = daemon.pid
            assert daemon.process is not None
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            assert daemon.process.wait(STOP_S_MAX) == 0
        finally:
            acked = stop(loads)
        assert examiner.examine(daemon.data, acked) == []
        assert "Traceback" not in daemon.log()


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param(["sh", "-c", 'exec "$@" >&- 2>&-', "sh"], id="closed"),
        pytest.param(["sh", "-c", 'exec "$@" >/dev/full 2>/dev/full', "sh"], id="full"),
        pytest.param(["bash", "-c", 'exec "$@" > >(exit) 2>&1', "bash"], id="nobody reads"),
    ],
)
def test_a_daemon_that_nobody_hears_records(tmp_path: Path, prefix: list[str]) -> None:
    """Without an output, with one that is full, and with one whose reader left (SIGPIPE)."""
    with running(tmp_path, prefix=prefix) as daemon:
        # Each life of a worker, and each that is refused, is told to the log.
        told = [record(daemon) for _ in range(3)]
        os.kill(daemon.pid, signal.SIGHUP)
        told.append(record(daemon))
        assert daemon.terminate() == 0
    assert stored(daemon) == told


@pytest.mark.fault(42)
def test_the_locale_of_the_process_does_not_matter(tmp_path: Path) -> None:
    """In the C locale, as cron and containers have it, paths beyond ASCII are what they are."""
    root = tmp_path / "größe"
    plain = {"LC_ALL": "C", "LANG": "C"}
    config = f'[sinks.archive]\ntype = "jsonl"\npath = "{root}/日本.jsonl"\n'
    with running(root, environment=plain, config=config) as daemon:
        told = record(daemon)
        assert daemon.terminate() == 0
    assert stored(daemon) == [told]
    assert "Traceback" not in daemon.log()


@contextlib.contextmanager
def bound(source: Path, place: Path) -> Iterator[Path]:
    """Yield another path of a directory (mount(8), ``--bind``)."""
    require(os.geteuid() == 0, "root", "run the tests as root to mount")
    place.mkdir()
    subprocess.run(["mount", "--bind", str(source), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.fault(26)
def test_another_path_of_a_store_is_the_same_store(tmp_path: Path) -> None:
    """A second daemon that finds it by a bind mount is told who has it; the first goes on."""
    with (
        running(tmp_path / "first") as first,
        bound(first.data, tmp_path / "elsewhere") as elsewhere,
    ):
        told = [record(first)]
        config = tmp_path / "second.toml"
        config.write_text("", encoding="utf-8")
        second = subprocess.run(
            [sys.executable, "-m", "sidespand", "serve", "--config", str(config),
             "--data", str(elsewhere), "--run", str(tmp_path / "run"),
             "--otlp-grpc", "off", "--otlp-http", "off"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"in use by process {first.pid}" in second.stderr
        told.append(record(first))
        assert first.terminate() == 0
    assert stored(first) == told


@pytest.mark.fault(41)
def test_a_wall_clock_that_leaps_leaves_the_log_in_order(tmp_path: Path) -> None:
    """By ten years ahead, then to 1970: what was acked stays, in order, and each leap is told.

    The leaps are those of the whole process (faketime(1)); its time since boot runs on.
    """
    require(FAKETIME.exists(), "libfaketime", "apt install faketime")
    wall = tmp_path / "wall"
    wall.write_text("+0\n", encoding="ascii")
    leaping = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(wall),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    with running(tmp_path, environment=leaping) as daemon:
        told = [record(daemon)]
        for offset in (f"+{10 * YEAR_S}", "@1970-01-02 00:00:00"):
            wall.write_text(f"{offset}\n", encoding="ascii")
            told += [record(daemon), record(daemon)]
        assert daemon.terminate() == 0
    assert stored(daemon) == told
    records = records_of(daemon.data)
    stamps = [one.header.stamp for one in records]
    assert stamps == sorted(set(stamps))
    assert len([one for one in records if one.header.kind is Kind.CLOCK]) >= 2


@pytest.mark.fault(2)
@pytest.mark.parametrize("name", doors.DOORS)
def test_a_client_that_is_killed_leaves_whole_requests(tmp_path: Path, name: str) -> None:
    """Whatever it was in the middle of, each request is there as a whole or not at all."""
    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        sending = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.sending", name, str(tmp_path), str(SPANS)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert sending.stdout is not None
            acked = [sending.stdout.readline() for _ in range(5)]
        finally:
            sending.kill()
            sending.wait()
            sending.stdout.close()
        record(daemon)
        assert daemon.terminate() == 0
    spans = [r.header.item_count for r in records_of(daemon.data) if r.header.kind is Kind.SPANS]
    assert len(spans) > len(acked)
    assert set(spans) == {SPANS, 1}
