"""Spans for the requests of a WSGI application, of any framework and server.

    app = sidespan.wsgi.TraceMiddleware(app)

Each request is a SERVER span and a child of what its headers brought. It is current in the
application and while the application makes the body; it ends when the server closes that.
"""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from sidespan._current import Inside
from sidespan._http import off, server_span, set_status
from sidespan._runtime import runtime
from sidespan._span import Span

__all__ = ["TraceMiddleware"]

_Environ = dict[str, Any]
_Raised = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_App = Callable[[_Environ, Callable[..., Any]], Iterable[bytes]]
_CODE_DIGITS = 3


class TraceMiddleware:
    """A WSGI application around another.

    Args:
        app: The application.
    """

    def __init__(self, app: _App) -> None:
        self._app = app

    def __call__(self, environ: _Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request; what the application raises goes on unchanged."""
        if off():
            return self._app(environ, start_response)
        opened = _span_of(environ).start()

        def watching(status: str, headers: Any, exc_info: _Raised | None = None) -> Any:
            try:
                set_status(opened, int(status[:_CODE_DIGITS]), server=True)
            except Exception as error:
                runtime.note(error)
            # A server that has no third argument must not be given one.
            return start_response(status, headers, *([exc_info] if exc_info else ()))

        try:
            with opened.activate():
                body = self._app(environ, watching)
        except BaseException as error:
            opened.end(error)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            # The server sends the file by itself, faster than any iteration.
            opened.end()
            return body
        return (_SizedBody if hasattr(body, "__len__") else _Body)(opened, body)


class _Body:
    """The application's body, made within the span; between its parts nothing of it is current."""

    def __init__(self, opened: Span, body: Iterable[bytes]) -> None:
        self._span = opened
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._inside = Inside(opened)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        outside = self._inside.enter()
        try:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)
        except StopIteration:
            raise
        except BaseException as error:
            self._span.end(error)
            raise
        finally:
            self._inside.leave(outside)

    def close(self) -> None:
        """End the span, after the application's own ``close``."""
        outside = self._inside.enter()
        try:
            getattr(self._body, "close", _nothing)()
        except BaseException as error:
            self._span.end(error)
            raise
        finally:
            self._inside.leave(outside)
            self._span.end()

    def __del__(self) -> None:
        self._span.end()


def _nothing() -> None:
    """Close what cannot be closed."""


class _SizedBody(_Body):
    """One that says how many parts it has: of one part the server knows the length."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def _span_of(environ: _Environ) -> Span:
    carrier: dict[str, str] = {}
    given: dict[str, object] = {}
    try:
        carrier = {
            key[5:].replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        port = str(environ.get("SERVER_PORT", ""))
        given = {
            "url.path": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            "url.scheme": environ.get("wsgi.url_scheme"),
            "network.protocol.name": "http",
            "network.protocol.version": str(environ.get("SERVER_PROTOCOL", "")).partition("/")[2],
            "server.address": environ.get("SERVER_NAME"),
            "server.port": int(port) if port.isdigit() else None,
            "client.address": environ.get("REMOTE_ADDR"),
            "user_agent.original": carrier.get("user-agent"),
        }
    except Exception as error:
        runtime.note(error)
    return server_span(str(environ.get("REQUEST_METHOD", "GET")), carrier, given)
