"""What the HTTP middlewares and hooks share: how a request becomes a span.

What follows the question mark of an address is never recorded: keys and signatures travel there.
Source: OpenTelemetry semantic conventions for HTTP.
"""

from collections.abc import Mapping
from typing import Any

from sidespan._correlation import correlation
from sidespan._factory import span
from sidespan._propagation import extract, headers
from sidespan._runtime import runtime
from sidespan._span import Span

METHOD = "http.request.method"
STATUS = "http.response.status_code"

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
_CLIENT_ERRORS, _SERVER_ERRORS = 400, 500


def off() -> bool:
    """Tell whether nothing is recorded, so that nothing need be looked at."""
    return runtime.buffer is None and (not runtime.undecided or runtime.decide() is None)


def server_span(method: str, carrier: Mapping[Any, Any], given: Mapping[str, object]) -> Span:
    """Return the span of a request that this process serves, a child of its caller's, not started.

    Args:
        method: Of the request; an unknown one is called ``HTTP``.
        carrier: Its headers.
        given: What else is known of it; None for what is not.
    """
    try:
        attributes = {**_known(method, given), **correlation(carrier)}
        return span(_name(method), attributes, kind="server", parent=extract(carrier))
    except Exception as error:
        runtime.note(error)
        return span("HTTP", kind="server")


def client_span(method: str, carrier: Mapping[Any, Any], given: Mapping[str, object]) -> Span:
    """Return the started span of a request that this process makes.

    Args:
        method: As in ``server_span``.
        carrier: Its headers, as they are so far.
        given: As in ``server_span``.
    """
    try:
        attributes = {**_known(method, given), **correlation(carrier)}
        return span(_name(method), attributes, kind="client").start()
    except Exception as error:
        runtime.note(error)
        return span("HTTP", kind="client").start()


def outgoing(opened: Span) -> list[tuple[str, str]]:
    """Return the headers that carry a client's span."""
    return headers(opened.context)


def set_status(opened: Span, code: int, *, server: bool) -> None:
    """Record the status of a response; to a server only its own failures are failures."""
    opened.set({STATUS: code})
    if code >= (_SERVER_ERRORS if server else _CLIENT_ERRORS):
        opened.set({"error.type": str(code)}).fail(f"HTTP {code}")


def address(scheme: str, host: str, port: int | None, path: str) -> dict[str, object]:
    """Return the attributes of where a client's request goes."""
    where = f"[{host}]" if ":" in host else host
    if port is not None:
        where = f"{where}:{port}"
    default = 443 if scheme == "https" else 80
    return {
        "url.full": f"{scheme}://{where}{path}",
        "server.address": host,
        "server.port": port or default,
    }


def _known(method: str, given: Mapping[str, object]) -> dict[str, object]:
    known = {key: value for key, value in given.items() if value is not None}
    if method.upper() in _METHODS:
        return {METHOD: method.upper(), **known}
    return {METHOD: "_OTHER", "http.request.method_original": method, **known}


def _name(method: str) -> str:
    return method.upper() if method.upper() in _METHODS else "HTTP"
