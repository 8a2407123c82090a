"""Who comes in at the HTTP door: never a web page, by whatever name it calls."""

import pytest

from sidespand.config import Address
from sidespand.errors import InvalidRequest, PermissionRefused
from sidespand.model import Peer
from sidespand.receiver.access import Access, Caller
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.http_message import Request
from sidespand.telemetry import Telemetry

LOOPBACK = Address("127.0.0.1", 4318)
REMOTE = Caller(Peer("http", address="127.0.0.1"))
LOCAL = Caller(Peer("http", uid=1000, pid=1))


def gate(address: Address, *hosts: str) -> HttpGate:
    """Return a gate to one port."""
    made = HttpGate(Access(), Telemetry(), 10, hosts)
    made.listens_on(address)
    return made


def request(**headers: bytes) -> Request:
    """Return a POST of spans."""
    return Request("POST", "/v1/traces", {name.encode(): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:4318", b"127.0.0.1", b"127.0.0.1:1", b"[::1]", b"[::1]:4318"]
)
def test_loopback_has_its_names(host: bytes) -> None:
    """With and without a port, in any case."""
    assert gate(LOOPBACK).judge(request(host=host), REMOTE) is REMOTE.peer


@pytest.mark.parametrize(
    "host", [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example:4318", b"[::2]",
             b"[::1", b"evil@localhost", b"\xff", b"localhost evil"]
)  # fmt: skip
def test_a_page_that_renames_this_host_is_refused(host: bytes) -> None:
    """DNS may say that any name is 127.0.0.1; a browser sends that name."""
    with pytest.raises(PermissionRefused, match=r"host: .* is not a name of this door"):
        gate(LOOPBACK).judge(request(host=host), REMOTE)


def test_a_request_to_a_port_names_its_host() -> None:
    """HTTP/1.1 demands it."""
    with pytest.raises(InvalidRequest, match="host: missing"):
        gate(LOOPBACK).judge(request(), REMOTE)


def test_configured_names_and_the_address_itself_are_good() -> None:
    """An operator knows by what name this host is called."""
    made = gate(Address("127.8.9.1", 1), "traces.example")
    for host in (b"traces.example:4318", b"127.8.9.1"):
        made.judge(request(host=host), REMOTE)


def test_beyond_loopback_any_name_is_good_unless_some_are_listed() -> None:
    """This host cannot know what others call it."""
    address = Address("0.0.0.0", 4318)
    gate(address).judge(request(host=b"sidespan.pod.local"), REMOTE)
    with pytest.raises(PermissionRefused):
        gate(address, "traces.example").judge(request(host=b"sidespan.pod.local"), REMOTE)


def test_on_the_socket_any_name_is_good() -> None:
    """No page reaches it, and its clients send anything from localhost to an escaped path."""
    for headers in ({}, {"host": b"%2Frun%2Fsidespan%2Fhttp.sock"}):
        assert gate(LOOPBACK).judge(request(**headers), LOCAL) is LOCAL.peer


@pytest.mark.parametrize("caller", [REMOTE, LOCAL], ids=["port", "socket"])
@pytest.mark.parametrize("origin", [b"https://evil.example", b"http://localhost:3000", b"null"])
def test_what_a_page_sends_is_refused(caller: Caller, origin: bytes) -> None:
    """A browser marks every POST of a page with its origin, its own host's included."""
    with pytest.raises(PermissionRefused, match="a web page may not call"):
        gate(LOOPBACK).judge(request(host=b"localhost", origin=origin), caller)
