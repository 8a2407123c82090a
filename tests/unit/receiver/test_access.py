"""Who may write: one rule, whatever the door can see of its callers."""

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.errors import PermissionRefused, Unauthenticated
from sidespand.receiver.access import Access
from tests.toolchain import require

TOKEN = "a-token-of-team-a"
TOKENS = {hashlib.sha256(TOKEN.encode()).digest(): "team-a", bytes(32): "team-b"}
ME, OTHER = os.getuid(), os.getuid() + 1
LISTED = {OTHER: "team-b"}


def tenant_of_process(access: Access) -> str:
    """Return the tenant of this process, at a Unix socket that shows it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = access.peer(access.process("ingest", ours))
    assert (peer.uid, peer.pid) == (ME, os.getpid())
    return peer.tenant


def test_without_any_list_everybody_may_write() -> None:
    """Permissions and loopback are the bound then; an unknown token disturbs nobody."""
    access = Access()

    assert tenant_of_process(access) == ""
    for caller in (access.unseen("grpc"), access.remote("http", "127.0.0.1", ["somebody"])):
        assert access.peer(caller).tenant == ""
        assert access.peer(caller, "Bearer of another place").tenant == ""


def test_a_user_writes_as_its_tenant() -> None:
    """A uid goes before a group."""
    groups = {os.getegid(): "by-group"}

    assert tenant_of_process(Access(uids={ME: "team-a"}, gids=groups)) == "team-a"
    assert tenant_of_process(Access(uids=LISTED, gids=groups)) == "by-group"


def test_who_is_not_listed_may_not_write() -> None:
    """Where users or groups are listed, the others are refused by name."""
    with pytest.raises(PermissionRefused, match=f"uid {ME} may not write here"):
        tenant_of_process(Access(uids=LISTED))
    with pytest.raises(PermissionRefused):
        tenant_of_process(Access(gids={2**31: "team-b"}))


def test_who_is_not_listed_is_told_where_a_token_would_help() -> None:
    """Over HTTP it would; a frame has no place for one."""
    access = Access(uids=LISTED, tokens=TOKENS)
    for door, said in (("http", "here without a token$"), ("ingest", "here$")):
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs, pytest.raises(Unauthenticated, match=said):
            access.peer(access.process(door, ours))


def test_a_socket_that_shows_nobody_needs_a_token_where_users_are_listed() -> None:
    """Or the list could be walked around."""
    access = Access(uids=LISTED)
    with pytest.raises(PermissionRefused, match="a token is needed"):
        access.peer(access.unseen("grpc"))
    access = Access(uids=LISTED, tokens=TOKENS)
    with pytest.raises(Unauthenticated):
        access.peer(access.unseen("grpc"))
    assert access.peer(access.unseen("grpc"), f"Bearer {TOKEN}").tenant == "team-a"


def test_a_remote_caller_needs_what_is_configured() -> None:
    """A token where there are tokens, else a certificate where there are certificates."""
    both = Access(tokens=TOKENS, certificates={"agent-1": "team-b"})
    stranger = both.remote("http", "10.0.0.1", ["agent-2"])
    with pytest.raises(Unauthenticated, match="a bearer token is needed"):
        both.peer(stranger)
    assert both.peer(stranger, f"Bearer {TOKEN}").tenant == "team-a"
    known = both.remote("http", "10.0.0.1", ["agent-2", "agent-1"])
    assert both.peer(known).tenant == "team-b"
    assert both.peer(known, f"Bearer {TOKEN}").tenant == "team-a"
    with pytest.raises(Unauthenticated):
        both.peer(known, "Bearer wrong")

    certificates = Access(certificates={"agent-1": "team-b"})
    with pytest.raises(PermissionRefused, match="stands for no tenant"):
        certificates.peer(certificates.remote("grpc", "10.0.0.1"))
    assert tenant_of_process(both) == ""


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} x",
        "Bearer \udcff",
        TOKEN,
        f"Digest {TOKEN}",
    ],
)
def test_only_the_whole_token_is_good(authorization: str) -> None:
    """Nothing that resembles one passes, and nothing crashes."""
    access = Access(tokens=TOKENS)

    with pytest.raises(Unauthenticated):
        access.peer(access.unseen("grpc"), authorization)


AS_NOBODY = """
import os, socket, sys
os.setgroups([int(group) for group in sys.argv[2].split()])
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    client.recv(1)
"""


@pytest.mark.slow
def test_a_supplementary_group_is_enough(tmp_path: Path) -> None:
    """A user who is in the group by more than their primary one is known by it."""
    require(os.geteuid() == 0, "root", "run as root, so that the test can be another user")
    access = Access(gids={4242: "team-a"})
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        listener.listen()
        found = []
        for groups in ("4242", ""):
            with subprocess.Popen([sys.executable, "-c", AS_NOBODY, str(path), groups]):
                connection, _ = listener.accept()
                with connection:
                    caller = access.process("ingest", connection)
                    found.append((caller.peer.uid, caller.peer.tenant, bool(caller.refusal)))
    assert found == [(65534, "team-a", False), (65534, "", True)]
