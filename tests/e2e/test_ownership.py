"""A store, a runtime directory and a port have one owner; a second daemon harms nothing."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import doors
from tests.daemon import START_S_MAX, Daemon, running
from tests.frame_client import FrameClient
from tests.otlp import encoded

SOCKETS = ("ingest.sock", "grpc.sock", "http.sock")

pytestmark = pytest.mark.slow


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon with all doors open."""
    with running(tmp_path / "first", doors.TCP_FLAGS) as daemon:
        yield daemon


def second(root: Path, data: Path, run: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Start another daemon and return how it ended."""
    config = root / "second.toml"
    config.write_text("", encoding="utf-8")
    given = [flag for door in ("grpc", "http") for flag in (f"--otlp-{door}", "off")]
    return subprocess.run(
        [
            *(sys.executable, "-m", "sidespand", "serve", "--config", str(config)),
            *("--data", str(data), "--run", str(run)),
            *given, *flags,
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S_MAX, check=False,
    )  # fmt: skip


def processes_of(path: Path) -> list[str]:
    """Return the command lines of running processes that name ``path``."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = one.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(path) in line:
            found.append(line)
    return found


def identity(daemon: Daemon) -> list[tuple[int, int]]:
    """Return what tells a socket file from one that took its place."""
    facts = [(daemon.run / name).stat() for name in SOCKETS]
    return [(one.st_dev, one.st_ino) for one in facts]


def assert_serves(daemon: Daemon) -> None:
    """Fail unless every door stores a request."""
    for name in doors.DOORS:
        with doors.opened(name, daemon) as door:
            assert door.send(encoded()).code == door.ok, name


Start = Callable[[Path, Daemon], subprocess.CompletedProcess[str]]


def same_store(root: Path, first: Daemon) -> subprocess.CompletedProcess[str]:
    """Take the first one's store."""
    return second(root, first.data, root / "run")


def same_runtime_dir(root: Path, first: Daemon) -> subprocess.CompletedProcess[str]:
    """Take the first one's sockets."""
    return second(root, root / "data", first.run)


def same_grpc_port(root: Path, first: Daemon) -> subprocess.CompletedProcess[str]:
    """Take the first one's gRPC port."""
    address = f"127.0.0.1:{doors.ports(first).grpc}"
    return second(root, root / "data", root / "run", "--otlp-grpc", address)


def same_http_port(root: Path, first: Daemon) -> subprocess.CompletedProcess[str]:
    """Take the first one's HTTP port."""
    address = f"127.0.0.1:{doors.ports(first).http}"
    return second(root, root / "data", root / "run", "--otlp-http", address)


@pytest.mark.fault(26, 27)
@pytest.mark.parametrize(
    ("start", "texts"),
    [
        (same_store, ("the store in", "in use by process {pid}", "data_dir")),
        (same_runtime_dir, ("the sockets in", "in use by process {pid}", "runtime_dir")),
        (same_grpc_port, ("receivers.otlp_grpc", "127.0.0.1:{ports.grpc}", "in use")),
        (same_http_port, ("receivers.otlp_http", "127.0.0.1:{ports.http}", "in use")),
    ],
)
def test_a_second_daemon_is_refused_and_harms_nothing(
    tmp_path: Path, first: Daemon, start: Start, texts: tuple[str, ...]
) -> None:
    """It exits 2 and names what has another owner; the first serves on at the same sockets."""
    assert_serves(first)
    before = identity(first)
    other = tmp_path / "second"
    other.mkdir()

    ended = start(other, first)

    assert ended.returncode == 2, ended.stderr
    for text in texts:
        assert text.format(pid=first.pid, ports=doors.ports(first)) in ended.stderr
    assert "Traceback" not in ended.stderr
    # Nor what gRPC's own core would say of a port.
    assert ".cc:" not in ended.stderr
    assert processes_of(other) == []
    assert [path for path in other.rglob("*") if path.is_socket()] == []
    assert identity(first) == before
    assert_serves(first)


@pytest.mark.fault(29)
@pytest.mark.parametrize("name", SOCKETS)
def test_a_file_in_a_sockets_place_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    """Only a socket can be a leftover of ours; anything else is somebody's."""
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text("precious", encoding="utf-8")

    ended = second(tmp_path, tmp_path / "data", run)

    assert ended.returncode == 2
    assert f"runtime_dir: {run / name} exists and is not a socket" in ended.stderr
    assert (run / name).read_text(encoding="utf-8") == "precious"
    assert [path for path in run.rglob("*") if path.is_socket()] == []
    assert processes_of(tmp_path / "data") == []


@pytest.mark.fault(28)
def test_what_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    """After kill -9 the socket files lie there, answer nobody, and do not stop the next start."""
    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        assert_serves(daemon)
        daemon.kill()
    for name in SOCKETS:
        with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(str(daemon.run / name))
    for name in SOCKETS:
        # What a death between bind and publication leaves.
        with socket.socket(socket.AF_UNIX) as unpublished:
            unpublished.bind(str(daemon.run / f".{name}.new"))

    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        assert_serves(daemon)
        names = {path.name for path in daemon.run.iterdir()}
        assert names >= {*SOCKETS, "LOCK"}
        assert not [name for name in names if name.endswith(".new")]
        assert daemon.terminate() == 0

    # An HTTP client that finds no file would give up; one that is refused comes back.
    assert [path.name for path in daemon.run.iterdir() if path.is_socket()] == ["http.sock"]
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(str(daemon.http))


@pytest.mark.fault(30)
def test_sockets_are_for_owner_and_group(tmp_path: Path) -> None:
    """Whatever the umask, others may not connect."""
    before = os.umask(0o077)
    try:
        with running(tmp_path) as daemon:
            modes = [stat.S_IMODE((daemon.run / name).stat().st_mode) for name in SOCKETS]
            assert modes == [0o660] * 3
            with FrameClient(daemon.ingest) as client:
                assert client.hello(os.urandom(16)).last_seq == 0
    finally:
        os.umask(before)
