"""Spans for the requests that requests makes.

    session = sidespan.requests.traced(requests.Session())

Each request is a CLIENT span, redirects apart, and its headers carry the trace. It lasts until the
response's headers are there.
"""

from typing import Any
from urllib.parse import urlsplit

try:
    import requests
    from requests.adapters import BaseAdapter, HTTPAdapter
except ImportError as error:
    raise ImportError("sidespan.requests needs requests; run: pip install requests") from error

from sidespan._http import address, client_span, off, outgoing, set_status
from sidespan._runtime import runtime
from sidespan._span import Span

__all__ = ["Adapter", "traced"]


class Adapter(BaseAdapter):
    """A transport adapter around another, to be mounted on a session.

    Args:
        inner: Sends the requests; without one a ``requests.adapters.HTTPAdapter``.
    """

    def __init__(self, inner: BaseAdapter | None = None) -> None:
        super().__init__()
        self._inner = inner if inner is not None else HTTPAdapter()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send one request; what the inner adapter raises goes on unchanged."""
        if off():
            return self._inner.send(request, *args, **kwargs)
        opened = _begin(request)
        try:
            with opened.activate():
                response = self._inner.send(request, *args, **kwargs)
        except BaseException as error:
            opened.end(error)
            raise
        set_status(opened, response.status_code, server=False)
        opened.end()
        return response

    def close(self) -> None:
        """Close the inner adapter."""
        self._inner.close()


def traced(session: requests.Session) -> requests.Session:
    """Return ``session`` with an ``Adapter`` around each of its adapters; twice is as once."""
    for prefix, inner in list(session.adapters.items()):
        if not isinstance(inner, Adapter):
            session.mount(prefix, Adapter(inner))
    return session


def _begin(request: requests.PreparedRequest) -> Span:
    given: dict[str, object] = {}
    try:
        url = urlsplit(request.url or "")
        given = address(url.scheme, url.hostname or "", url.port, url.path)
    except ValueError as error:
        runtime.note(error)
    opened = client_span(request.method or "GET", request.headers, given)
    try:
        request.headers.update(outgoing(opened))
    except Exception as error:
        runtime.note(error)
    return opened
