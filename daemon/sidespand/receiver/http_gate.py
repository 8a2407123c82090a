"""Who comes in at the HTTP door: how many, by which name, and never a web page."""

import asyncio
import logging
from collections.abc import Collection

from sidespand.config import Address
from sidespand.errors import InvalidRequest, PermissionRefused, Unavailable
from sidespand.model import Peer
from sidespand.receiver.access import Access, Caller
from sidespand.receiver.http_message import Request
from sidespand.receiver.http_protocol import HttpProtocol
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
# What a probe asks needs no token; it tells nothing but that the daemon is there.
_PROBES = ("/healthz", "/readyz")
_LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))


class HttpGate:
    """Implements ``http_protocol.Gate`` for the socket and the port together.

    A page in a browser of this host could post to a loopback port. It cannot name another host than
    its own (DNS rebinding) nor leave ``Origin`` out of a POST, so either of both is refused.

    Args:
        access: Who may write.
        telemetry: Counts connections.
        connections_max: Of them together.
        hosts: Lower-case names beside loopback's by which the port may be called.
    """

    def __init__(
        self,
        access: Access,
        telemetry: Telemetry,
        connections_max: int,
        hosts: Collection[str] = (),
    ) -> None:
        self._access = access
        self._telemetry = telemetry
        self._connections_max = connections_max
        self._named = bool(hosts)
        self._hosts = _LOOPBACK_HOSTS | frozenset(hosts)
        self._checks_host = True
        self._full = False
        self.connections: set[HttpProtocol] = set()
        self.handshakes = 0

    def listens_on(self, address: Address) -> None:
        """Take the port's own address for one of its names.

        Beyond loopback every name is good unless the configuration lists some: this host cannot
        know what others call it.
        """
        self._hosts |= {str(address).rpartition(":")[0]}
        self._checks_host = address.is_loopback or self._named

    def is_full(self) -> bool:
        """Tell whether one connection more, shaken hands with or not, is too many."""
        full = len(self.connections) + self.handshakes >= self._connections_max
        if full and not self._full:
            _log.warning("http: more than %d connections; the next are told to come back",
                         self._connections_max)  # fmt: skip
        self._full = full
        return full

    def opened(self, connection: HttpProtocol, transport: asyncio.Transport) -> Caller:
        """Take a connection in and return who it is.

        Raises:
            Unavailable: There are too many.
        """
        shaken = transport.get_extra_info("ssl_object") is not None
        if not shaken and self.is_full():
            raise Unavailable(f"more than {self._connections_max} connections")
        self.connections.add(connection)
        self._telemetry.connections.labels("http").set(len(self.connections))
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            names = _certificate_names(transport) if self._access.reads_certificates else ()
            return self._access.remote("http", str(name[0]), names)
        return self._access.process("http", transport.get_extra_info("socket"))

    def judge(self, request: Request, caller: Caller) -> Peer:
        """Return who makes a request.

        Raises:
            InvalidRequest: It names no host where one is needed.
            PermissionRefused: It comes from a web page, or names a host that is not this one.
            Unauthenticated: Its token is missing or wrong.
        """
        if b"origin" in request.headers:
            raise PermissionRefused("a web page may not call here: the request has an Origin")
        if caller.peer.address and self._checks_host:
            self._check_host(request.headers.get(b"host", b""))
        if request.path in _PROBES:
            return caller.peer
        authorization = request.headers.get(b"authorization")
        if authorization is None:
            return self._access.peer(caller)
        return self._access.peer(caller, authorization.decode("latin-1"))

    def closed(self, connection: HttpProtocol) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self._telemetry.connections.labels("http").set(len(self.connections))

    def _check_host(self, given: bytes) -> None:
        if not given:
            raise InvalidRequest("host: missing")
        host = given.decode("latin-1").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name not in self._hosts:
            raise PermissionRefused(
                f"host: {host[:64]!r} is not a name of this door; receivers.http_hosts lists more"
            )


def _certificate_names(transport: asyncio.Transport) -> list[str]:
    certificate = transport.get_extra_info("peercert") or {}
    fields = [field for group in certificate.get("subject", ()) for field in group]
    common = [value for kind, value in fields if kind == "commonName"]
    return [*common, *(value for _, value in certificate.get("subjectAltName", ()))]
