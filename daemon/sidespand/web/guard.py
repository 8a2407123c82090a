"""Lets in only who means this server: a web page of another origin does not.

A browser sends any page's requests to a loopback port, and a name that an attacker owns may point
there, too (DNS rebinding). Both show in the headers: Host names who was meant, Origin who asks.
Source: Fetch standard, "Origin header"; RFC 9110, section 7.2.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from sidespand.errors import InvalidRequest, PermissionRefused, SidespanError, TooLarge
from sidespand.limits import API_BODY_BYTES_MAX
from sidespand.web.answers import refusal

_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Middleware that answers for the application where it must not be asked.

    Args:
        app: The application.
        hosts: Names, without port, by which it may be called.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; called by the server."""
        if scope["type"] == "http":
            try:
                self._check(HTTPConnection(scope), str(scope["method"]))
            except SidespanError as error:
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: HTTPConnection, method: str) -> None:
        if _name(request.headers.get("host", "")) not in self._hosts:
            raise PermissionRefused("this server does not go by that name")
        origin = request.headers.get("origin")
        if origin is not None and _name(urlsplit(origin).netloc) not in self._hosts:
            raise PermissionRefused("pages of another origin may not ask here")
        if method in _SAFE:
            return
        # A form of another page can post, but not as JSON.
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise InvalidRequest("content-type: expected application/json")
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise InvalidRequest("content-length: missing")
        if len(length) > len(str(API_BODY_BYTES_MAX)) or int(length) > API_BODY_BYTES_MAX:
            raise TooLarge(f"a request is at most {API_BODY_BYTES_MAX} bytes")


def _name(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdigit() else authority).lower()
