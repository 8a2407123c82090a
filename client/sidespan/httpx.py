"""Spans for the requests that httpx makes.

    client = httpx.Client(transport=sidespan.httpx.Transport())
    client = httpx.AsyncClient(transport=sidespan.httpx.AsyncTransport())

Each request is a CLIENT span, and its headers carry the trace. It lasts until the response's body
has been read or closed, so that of a streamed answer covers the stream.
"""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

try:
    import httpx
except ImportError as error:
    raise ImportError("sidespan.httpx needs httpx; run: pip install httpx") from error

from sidespan._http import address, client_span, off, outgoing, set_status
from sidespan._runtime import runtime
from sidespan._span import Span

__all__ = ["AsyncTransport", "Transport"]


class Transport(httpx.BaseTransport):
    """A transport around another.

    Args:
        inner: Sends the requests; without one an ``httpx.HTTPTransport`` with its defaults.
    """

    def __init__(self, inner: httpx.BaseTransport | None = None) -> None:
        self._inner = inner if inner is not None else httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; what the inner transport raises goes on unchanged."""
        if off():
            return self._inner.handle_request(request)
        opened = _begin(request)
        try:
            with opened.activate():
                response = self._inner.handle_request(request)
        except BaseException as error:
            opened.end(error)
            raise
        set_status(opened, response.status_code, server=False)
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Stream(opened, response.stream)
        else:
            opened.end()
        return response

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._inner.__exit__(exc_type, exc_value, traceback)


class AsyncTransport(httpx.AsyncBaseTransport):
    """As ``Transport``, around ``httpx.AsyncHTTPTransport`` without another."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._inner = inner if inner is not None else httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; what the inner transport raises goes on unchanged."""
        if off():
            return await self._inner.handle_async_request(request)
        opened = _begin(request)
        try:
            with opened.activate():
                response = await self._inner.handle_async_request(request)
        except BaseException as error:
            opened.end(error)
            raise
        set_status(opened, response.status_code, server=False)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _AsyncStream(opened, response.stream)
        else:
            opened.end()
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._inner.__aexit__(exc_type, exc_value, traceback)


class _Stream(httpx.SyncByteStream):
    def __init__(self, opened: Span, stream: httpx.SyncByteStream) -> None:
        self._span = opened
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except BaseException as error:
            self._span.end(error)
            raise

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._span.end()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, opened: Span, stream: httpx.AsyncByteStream) -> None:
        self._span = opened
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except BaseException as error:
            self._span.end(error)
            raise

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._span.end()


def _begin(request: httpx.Request) -> Span:
    url = request.url
    opened = client_span(
        request.method, request.headers, address(url.scheme, url.host, url.port, url.path)
    )
    try:
        for key, value in outgoing(opened):
            request.headers[key] = value
    except Exception as error:
        runtime.note(error)
    return opened
