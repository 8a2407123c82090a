"""Lets in only who means this server and may ask: a web page of another origin does not.

A browser sends any page's requests to a loopback port, and a name that an attacker owns may point
there, too (DNS rebinding). Both show in the headers: Host names who was meant, Origin and
Sec-Fetch-Site who asks. What goes out may load nothing from elsewhere, and nothing may frame it.
Source: Fetch standard, "Origin header" and "CORS protocol"; RFC 9110, section 7.2; Fetch Metadata
Request Headers; Content Security Policy Level 3.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidespand.errors import (
    InvalidRequest,
    PermissionRefused,
    SidespanError,
    TooLarge,
    Unauthenticated,
)
from sidespand.limits import API_BODY_BYTES_MAX, API_TARGET_BYTES_MAX
from sidespand.web.access import Door
from sidespand.web.refusals import refusal

_SAFE = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
}
_ASKED_HEADERS = "authorization, content-type, last-event-id, range"
_SHOWN_HEADERS = "content-range, retry-after"


class Guard:
    """Middleware that answers for the application where it must not be asked.

    Args:
        app: The application.
        door: What this one lets in.
        public: Paths under ``/v1/`` that tell nothing of what was recorded: no token is asked.
    """

    def __init__(self, app: ASGIApp, door: Door, public: Sequence[str] = ()) -> None:
        self._app = app
        self._door = door
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; called by the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        origin = request.headers.get("origin")
        welcome = origin if origin in self._door.origins else None

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                _protect(MutableHeaders(scope=message), welcome)
            await send(message)

        try:
            self._check_names(request, origin, welcome)
            if welcome is not None and scope["method"] == "OPTIONS":
                await _preflight()(scope, receive, sent)
                return
            self._check_asker(request, welcome)
            self._check_body(request, str(scope["method"]))
        except SidespanError as error:
            await refusal(error)(scope, receive, sent)
            return
        await self._app(scope, receive, sent)

    def _check_names(
        self, request: HTTPConnection, origin: str | None, welcome: str | None
    ) -> None:
        host = request.headers.get("host", "").lower()
        if _name(host) not in self._door.hosts:
            raise PermissionRefused("this server does not go by that name")
        if origin is not None and welcome is None and _authority(origin) != host:
            raise PermissionRefused(
                "pages of another origin may not ask here", hint="web.allowed_origins names some"
            )
        target = len(request.url.path) + len(request.url.query)
        if target > API_TARGET_BYTES_MAX:
            raise TooLarge(f"a question is at most {API_TARGET_BYTES_MAX} characters")

    def _check_asker(self, request: HTTPConnection, welcome: str | None) -> None:
        path = request.url.path
        if not path.startswith("/v1/") or path in self._public:
            return
        site = request.headers.get("sec-fetch-site", "none")
        if welcome is None and site not in ("none", "same-origin"):
            raise PermissionRefused("pages of another origin may not ask here")
        if not self._door.admits(request.headers.get("authorization")):
            raise Unauthenticated(
                "the token of this store is missing or wrong",
                hint="`sidespan open` opens the page with it; it is in api.token in data_dir",
            )

    def _check_body(self, request: HTTPConnection, method: str) -> None:
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


def _protect(headers: MutableHeaders, welcome: str | None) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")
    headers.add_vary_header("Origin")
    headers["cross-origin-resource-policy"] = "cross-origin" if welcome else "same-origin"
    if welcome is not None:
        headers["access-control-allow-origin"] = welcome
        headers["access-control-expose-headers"] = _SHOWN_HEADERS


def _preflight() -> Response:
    allowed = {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": _ASKED_HEADERS,
        "access-control-max-age": "600",
    }
    return Response(status_code=204, headers=allowed)


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        # Half of an IPv6 address: no browser sends it.
        return None


def _name(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() else authority
