"""Spans for the requests of an ASGI application, of any framework and server.

    app = sidespan.asgi.TraceMiddleware(app)
    app.add_middleware(sidespan.asgi.TraceMiddleware)      # Starlette, FastAPI

Each request, and each WebSocket, is a SERVER span and a child of what its headers brought. It is
current in the application and lasts until that is done with the request, its body included.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sidespan._http import off, server_span, set_status
from sidespan._runtime import runtime
from sidespan._span import Span

__all__ = ["TraceMiddleware"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]


class TraceMiddleware:
    """An ASGI application around another.

    Args:
        app: The application.
    """

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send
    ) -> None:
        """Serve one connection; what the application raises goes on unchanged."""
        if off() or scope.get("type") not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        async with _span_of(scope) as opened:
            try:
                await self._app(scope, receive, _watched(send, opened))
            finally:
                opened.set(_route(scope))


def _span_of(scope: Mapping[str, Any]) -> Span:
    carrier: dict[str, list[str]] = {}
    given: dict[str, object] = {}
    try:
        for key, value in scope.get("headers") or ():
            carrier.setdefault(key.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        server: Any = scope.get("server") or (None, None)
        client: Any = scope.get("client") or (None, None)
        agent = carrier.get("user-agent", [""])
        given = {
            "url.path": scope.get("path"),
            "url.scheme": scope.get("scheme"),
            "network.protocol.name": "http",
            "network.protocol.version": scope.get("http_version"),
            "server.address": server[0],
            "server.port": server[1],
            "client.address": client[0],
            "user_agent.original": agent[0] or None,
        }
    except Exception as error:
        runtime.note(error)
    # A WebSocket begins with a GET, which its scope does not say.
    return server_span(str(scope.get("method", "GET")), carrier, given)


def _watched(send: _Send, opened: Span) -> _Send:
    async def watching(message: _Message) -> None:
        try:
            kind = message.get("type")
            if kind in ("http.response.start", "websocket.http.response.start"):
                set_status(opened, int(message["status"]), server=True)
            elif kind == "websocket.accept":
                set_status(opened, 101, server=True)
        except Exception as error:
            runtime.note(error)
        await send(message)

    return watching


def _route(scope: Mapping[str, Any]) -> dict[str, object]:
    """Return the route that a framework has found, where it says so."""
    path = getattr(scope.get("route"), "path", None)
    return {"http.route": path} if isinstance(path, str) else {}
