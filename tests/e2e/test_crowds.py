"""Ten thousand connections to one door: as many as it has places, the others told, memory kept."""

import contextlib
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespan.v1.recorder_pb2 import Nack
from sidespand.limits import CONNECTIONS_MAX, MIB
from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import HEAD, NACK
from tests.otlp import encoded
from tests.toolchain import require

CROWD = 10_000
# What a place may cost beside its connection's buffers in the kernel.
PLACE_BYTES_MAX = 24 * 1024
SPARE_DESCRIPTORS = 500

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Let this process, and the daemon that it starts, hold that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CROWD + SPARE_DESCRIPTORS
    require(hard == resource.RLIM_INFINITY or hard >= needed, "descriptors", f"ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon with all doors open."""
    with running(tmp_path, doors.TCP_FLAGS) as started:
        yield started
        assert started.terminate() == 0
        assert "Traceback" not in started.log()


def crowd(address: str | tuple[str, int], stack: contextlib.ExitStack) -> list[socket.socket]:
    """Connect CROWD times and say nothing."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    clients = []
    for _ in range(CROWD):
        client = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        # With a timeout a Unix socket would not wait for its place in the backlog.
        client.connect(address)
        client.settimeout(doors.TIMEOUT_S)
        clients.append(client)
    return clients


def ended(clients: list[socket.socket]) -> list[socket.socket]:
    """Return those whose connection the daemon has ended."""
    poll = select.poll()
    by_number = {client.fileno(): client for client in clients}
    for number in by_number:
        poll.register(number, select.POLLRDHUP)
    return [by_number[number] for number, _ in poll.poll(0)]


def said(client: socket.socket) -> bytes:
    """Return all that a client is told until its connection ends."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while more := client.recv(65536):
            found += more
    return found


@pytest.mark.fault(38, 39)
@pytest.mark.parametrize("name", ["frames", "http.sock", "http port", "grpc.sock", "grpc port"])
def test_a_door_has_so_many_places(daemon: Daemon, name: str) -> None:
    """Who is in stays and is served, the next are told and closed, a free place is given again."""
    address: str | tuple[str, int] = {
        "frames": str(daemon.ingest),
        "http.sock": str(daemon.http),
        "http port": ("127.0.0.1", doors.ports(daemon).http),
        "grpc.sock": str(daemon.grpc),
        "grpc port": ("127.0.0.1", doors.ports(daemon).grpc),
    }[name]
    with doors.opened(name, daemon) as first, contextlib.ExitStack() as stack:
        assert first.send(encoded()).code == first.ok
        before = doors.anonymous_bytes(daemon.pid)
        clients = crowd(address, stack)
        refused = CROWD - CONNECTIONS_MAX + 1
        wait_until(lambda: len(ended(clients)) == refused, doors.TIMEOUT_S, "the refusals")

        grown = doors.anonymous_bytes(daemon.pid) - before
        print(f"{name}: {grown / MIB:.1f} MiB for {CROWD} connections")
        assert grown < CONNECTIONS_MAX * PLACE_BYTES_MAX
        assert first.send(encoded()).code == first.ok
        for client in ended(clients):
            assert_refusal(name, said(client))
    # The places are free again.
    wait_until(lambda: stores(name, daemon), doors.TIMEOUT_S, "a place")
    assert doors.figure(daemon, "sidespan_receiver_connections", door="http") <= 1


def assert_refusal(name: str, text: bytes) -> None:
    """Fail unless the refusal is as clear as the protocol lets it be."""
    if name == "frames":
        length, number, seq = HEAD.unpack(text[: HEAD.size])
        nack = Nack.FromString(text[HEAD.size : length + 4])
        assert (number, seq, nack.code) == (NACK, 0, Nack.UNAVAILABLE)
        assert nack.text == f"more than {CONNECTIONS_MAX} connections"
        assert nack.retry_after_ms > 0
    elif name.startswith("http"):
        head, _, body = text.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nretry-after: " in head
        assert b"more than" in body
    else:
        # grpc-core closes before a word of HTTP/2; its clients call that UNAVAILABLE.
        assert text == b""


def stores(name: str, daemon: Daemon) -> bool:
    """Tell whether a new connection to a door stores a span."""
    with (
        contextlib.suppress(ConnectionError, AssertionError),
        doors.opened(name, daemon) as door,
    ):
        return door.send(encoded()).code == door.ok
    return False
