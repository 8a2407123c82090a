"""Who may write, and as which tenant: one rule for all doors.

    ingest.sock, http.sock   the peer's uid and groups, as the kernel tells them
    grpc.sock                nothing is seen: where users or groups are listed, a token is needed
    TCP                      a bearer token or a name in the client's certificate

Where the configuration names nobody for a kind of door, whoever can reach it may write, without a
tenant. A token that is shown must be good wherever tokens are configured.
"""

import hashlib
import hmac
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidespand import platform
from sidespand.errors import PermissionRefused, Unauthenticated
from sidespand.model import Peer

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """A connection, judged by what it is rather than by what its requests carry.

    Args:
        peer: Who is there; with the tenant that a request without a token has.
        refusal: Why a request without a token is refused; empty when it is not.
    """

    peer: Peer
    refusal: str = ""


class Access:
    """The rule, made once at start.

    Args:
        uids: Tenant by uid.
        gids: Tenant by gid.
        tokens: Tenant by the SHA-256 of a bearer token.
        certificates: Tenant by a name in a client's certificate.
    """

    def __init__(
        self,
        *,
        uids: Mapping[int, str] | None = None,
        gids: Mapping[int, str] | None = None,
        tokens: Mapping[bytes, str] | None = None,
        certificates: Mapping[str, str] | None = None,
    ) -> None:
        self._uids = dict(uids or {})
        self._gids = dict(gids or {})
        self._tokens = dict(tokens or {})
        self._certificates = dict(certificates or {})

    @property
    def reads_tokens(self) -> bool:
        """Whether a request's ``authorization`` matters."""
        return bool(self._tokens)

    @property
    def reads_certificates(self) -> bool:
        """Whether the names in a client's certificate matter."""
        return bool(self._certificates)

    def process(self, door: str, connection: socket.socket) -> Caller:
        """Judge the process at the other end of a Unix socket by its uid, then by its groups."""
        credentials = platform.peer_credentials(connection)
        peer = Peer(door, credentials.uid, credentials.pid)
        if not self._lists_processes:
            return Caller(peer)
        tenant = self._uids.get(credentials.uid)
        if tenant is None and self._gids:
            groups = platform.peer_groups(connection)
            tenant = next((name for gid, name in self._gids.items() if gid in groups), None)
        if tenant is None:
            # A frame has no place for a token.
            else_what = " without a token" if self._tokens and door == "http" else ""
            return Caller(peer, f"uid {credentials.uid} may not write here{else_what}")
        return Caller(peer._replace(tenant=tenant))

    def unseen(self, door: str) -> Caller:
        """Judge a Unix socket whose peer the door cannot learn."""
        if self._lists_processes:
            return Caller(Peer(door), "this socket does not show who writes: a token is needed")
        return Caller(Peer(door))

    def remote(self, door: str, address: str, names: Iterable[str] = ()) -> Caller:
        """Judge a TCP connection.

        Args:
            door: Which.
            address: The peer's host.
            names: Those in its certificate, which TLS has verified.
        """
        peer = Peer(door, address=address)
        for name in names:
            tenant = self._certificates.get(name)
            if tenant is not None:
                return Caller(peer._replace(tenant=tenant))
        if self._tokens:
            return Caller(peer, "a bearer token is needed")
        if self._certificates:
            return Caller(peer, "the client's certificate stands for no tenant")
        return Caller(peer)

    def peer(self, caller: Caller, authorization: str | None = None) -> Peer:
        """Return who makes a request, with their tenant.

        Args:
            caller: The connection that it came by.
            authorization: The request's header or metadata of that name; None without.

        Raises:
            Unauthenticated: The token is wrong, or one is missing.
            PermissionRefused: The connection may not write, and no token would help.
        """
        if authorization is not None and self._tokens:
            return caller.peer._replace(tenant=self._tenant_of(authorization))
        if not caller.refusal:
            return caller.peer
        if self._tokens:
            raise Unauthenticated(caller.refusal)
        raise PermissionRefused(caller.refusal)

    @property
    def _lists_processes(self) -> bool:
        return bool(self._uids or self._gids)

    def _tenant_of(self, authorization: str) -> str:
        scheme, token = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        tenant = ""
        # Every token is compared, so that the time tells nothing about any of them.
        for digest, name in self._tokens.items():
            if hmac.compare_digest(digest, given):
                tenant = name
        if scheme.lower() != _SCHEME or not tenant:
            raise Unauthenticated("the bearer token is not known here")
        return tenant
