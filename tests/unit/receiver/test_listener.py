"""Sockets become visible when they are ready, are never stolen, and are not left behind."""

import socket
import stat
from pathlib import Path

import pytest

from sidespand.config import Address
from sidespand.errors import ConfigError, InUse
from sidespand.receiver.listener import Ownership, UnixPath, listen_tcp


def connects(path: Path) -> bool:
    """Tell whether somebody listens on ``path``."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_a_path_listens_as_soon_as_it_can_be_seen(tmp_path: Path) -> None:
    """Owner and group may connect, nothing else is left, and nothing after it is discarded."""
    unix = UnixPath(tmp_path / "x.sock")
    with unix.listen():
        assert connects(unix.public)
        assert stat.S_IMODE(unix.public.stat().st_mode) == 0o660
        assert list(tmp_path.iterdir()) == [unix.public]
        unix.discard()
        assert list(tmp_path.iterdir()) == []
        unix.discard()


def test_nobody_else_connects_before_it_is_given_away(tmp_path: Path) -> None:
    """What is bound under the private name is this user's alone, whatever its mode will be."""
    unix = UnixPath(tmp_path / "x.sock", Ownership(mode=0o666))
    with socket.socket(socket.AF_UNIX) as listener:
        with unix.guarded():
            listener.bind(str(unix.private))
        assert stat.S_IMODE(unix.private.stat().st_mode) == 0o600
        unix.publish()
        assert stat.S_IMODE(unix.public.stat().st_mode) == 0o666


def test_leftovers_are_replaced(tmp_path: Path) -> None:
    """Sockets of a process that died, published or not yet, make way."""
    unix = UnixPath(tmp_path / "x.sock")
    for path in (unix.public, unix.private):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

    with unix.listen():
        assert connects(unix.public)
    unix.discard()


@pytest.mark.parametrize("name", ["x.sock", ".x.sock.new"])
@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_refused_and_kept(tmp_path: Path, name: str, kind: str) -> None:
    """The message names the key and the path; a link is not followed."""
    path = tmp_path / name
    if kind == "file":
        path.write_text("precious", encoding="utf-8")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    before = path.lstat()

    with pytest.raises(ConfigError, match=f"runtime_dir: {path} exists and is not a socket"):
        UnixPath(tmp_path / "x.sock").listen()

    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_socket_that_was_not_published_by_us_is_not_removed(tmp_path: Path) -> None:
    """A door that failed to open takes nobody else's socket away."""
    theirs = UnixPath(tmp_path / "x.sock")
    with theirs.listen():
        UnixPath(tmp_path / "x.sock").discard()

        assert connects(theirs.public)
    theirs.discard()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_is_not_shared(host: str) -> None:
    """A second listener is told the key and the address; the first goes on."""
    with listen_tcp(Address(host, 0), "receivers.otlp_http") as first:
        port = first.getsockname()[1]
        with pytest.raises(InUse, match=r"receivers\.otlp_http: cannot listen on") as refused:
            listen_tcp(Address(host, port), "receivers.otlp_http")
        assert str(Address(host, port)) in str(refused.value)
        assert 'set receivers.otlp_http to another port or "off"' in refused.value.hint
        with socket.create_connection((host, port), timeout=5):
            pass


def test_a_port_is_free_again_at_once() -> None:
    """A restart does not wait for the connections of the life before."""
    with listen_tcp(Address("127.0.0.1", 0), "key") as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            listener.setblocking(True)
            accepted, _ = listener.accept()
            # Who closes first is the one that has to wait.
            accepted.close()
            assert client.recv(1) == b""

    listen_tcp(Address("127.0.0.1", port), "key").close()
