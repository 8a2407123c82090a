"""HTTP/1.1 for small requests with large bodies, on httptools' parser.

A protocol of our own rather than a general server, because the body's size must be judged before it
is read, and because every microsecond here is one of the event loop's (docs/benchmarks.md).
Requests of one connection are answered in order.
Source: RFC 9112.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from sidespand import platform
from sidespand.errors import InvalidRequest, TooLarge
from sidespand.limits import HTTP_HEADER_BYTES_MAX, HTTP_LINGER_S, HTTP_STALL_S
from sidespand.model import Peer

_log = logging.getLogger(__name__)
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    503: b"Service Unavailable",
}
_GZIP_WINDOW = 31
_PIPELINE_MAX = 16


@dataclass(slots=True)
class Request:
    """One request as it came in.

    Args:
        method: Upper case.
        path: Without query.
        headers: Names in lower case; the last of several wins.
        body: Decompressed when ``whole`` made it.
        failed: Why it cannot be served; its body was not kept.
    """

    method: str = ""
    path: str = ""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    failed: TooLarge | InvalidRequest | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


Serve = Callable[[Request, Peer], Awaitable[Response]]


class HttpProtocol(asyncio.Protocol):
    """One connection.

    Args:
        serve: Answers a request; it must not raise.
        body_bytes_max: Of a body, before and after decompression.
        changed: Called with +1 and -1 as connections come and go.
        stall_s: How long a begun request may wait for its rest, in seconds.
    """

    def __init__(
        self,
        serve: Serve,
        body_bytes_max: int,
        changed: Callable[[int], None],
        stall_s: float = HTTP_STALL_S,
    ) -> None:
        self._serve = serve
        self._body_bytes_max = body_bytes_max
        self._changed = changed
        self._stall_s = stall_s
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("http")
        self._request = Request()
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._unseen_bytes = 0
        self._url = b""
        self._offer = b""
        self._queue: deque[Request] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._begun = False
        self._congested = False
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is there."""
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._changed(1)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self._peer = Peer("http", address=str(name[0]))
        else:
            credentials = platform.peer_credentials(transport.get_extra_info("socket"))
            self._peer = Peer("http", credentials.uid, credentials.pid)

    def data_received(self, data: bytes) -> None:
        """Parse; whole requests are queued by the callbacks below."""
        if self._closing:
            return
        self._parse(data)
        self._watch_stall()

    def eof_received(self) -> bool:
        """Answer what was asked before the client's end; it may still read."""
        self._closing = True
        return bool(self._queue) or (self._serving is not None and not self._serving.done())

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection; what it sent is decided all the same."""
        self._closing = True
        self._changed(-1)
        if self._stall is not None:
            self._stall.cancel()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self._congested = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on once it reads again."""
        self._congested = False
        self._start_answering()

    async def finish(self) -> None:
        """Answer what is under way, then close."""
        self._closing = True
        if self._serving is not None:
            await asyncio.wait([self._serving])
        if self._transport is not None:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Start a request (parser callback)."""
        self._begun = True
        self._request = Request()
        self._chunks = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._url = b""

    def on_url(self, url: bytes) -> None:
        """Keep the target (parser callback)."""
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field (parser callback)."""
        self._request.headers[name.lower()] = value
        self._count_header(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Judge the body before it is read (parser callback)."""
        request = self._request
        request.method = self._parser.get_method().decode("ascii")
        request.keep_alive = self._parser.should_keep_alive()
        if self._parser.should_upgrade() and request.method != "CONNECT":
            self._offer = self._head_without_offer()
            return
        try:
            request.path = (httptools.parse_url(self._url).path or b"/").decode("ascii")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            request.failed = InvalidRequest("the request target is not a URL")
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._body_bytes_max:
            self._refuse_body()
        elif request.headers.get(b"expect", b"").lower() == b"100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        """Keep a piece of the body while it is within bounds (parser callback)."""
        self._unseen_bytes = 0
        self._body_bytes += len(chunk)
        if self._request.failed is not None:
            return
        if self._body_bytes > self._body_bytes_max:
            self._refuse_body()
        else:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Queue the request (parser callback)."""
        if self._offer:
            return
        self._begun = False
        self._request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._enqueue(self._request)

    def _parse(self, data: bytes) -> None:
        # The parser keeps a field until it is complete, however long it grows.
        self._unseen_bytes += len(data)
        while data:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._offer + data[upgrade.args[0] :]
                self._offer = b""
            except httptools.HttpParserError as error:
                cause = error.__context__
                if not isinstance(cause, TooLarge):
                    cause = InvalidRequest(f"not HTTP: {error}")
                self._fail(cause)
                return
        if self._unseen_bytes > HTTP_HEADER_BYTES_MAX:
            self._fail(_header_too_large())

    def _head_without_offer(self) -> bytes:
        # A server may pass an offered protocol over (RFC 9110, section 7.8), and the JDK's client
        # offers h2c with every request. The parser would take the body for that protocol.
        version = self._parser.get_http_version().encode("ascii")
        lines = [b"%s %s HTTP/%s" % (self._parser.get_method(), self._url, version)]
        lines.extend(
            b"%s: %s" % field
            for field in self._request.headers.items()
            if field[0] not in (b"upgrade", b"connection")
        )
        return b"\r\n".join((*lines, b"", b""))

    def _enqueue(self, request: Request) -> None:
        self._queue.append(request)
        if len(self._queue) >= _PIPELINE_MAX and self._transport is not None:
            self._transport.pause_reading()
        self._start_answering()

    def _start_answering(self) -> None:
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._answer_queue())

    async def _answer_queue(self) -> None:
        lingers = False
        while self._queue and not self._congested:
            request = self._queue.popleft()
            response = await self._serve(request, self._peer)
            lingers = request.failed is not None
            last = lingers or not request.keep_alive or (self._closing and not self._queue)
            self._respond(request, response, keep_alive=not last)
            if last:
                self._closing = True
                self._queue.clear()
        if self._transport is None or self._transport.is_closing() or self._congested:
            return
        if not self._closing:
            self._transport.resume_reading()
        elif lingers:
            # Bytes that arrive at a closed connection would take the answer with them.
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(HTTP_LINGER_S, self._transport.close)
        else:
            self._transport.close()

    def _respond(self, request: Request, response: Response, *, keep_alive: bool) -> None:
        head = [
            b"HTTP/1.1 %d %s" % (response.status, _REASONS[response.status]),
            b"content-type: " + response.content_type.encode("ascii"),
            b"content-length: %d" % len(response.body),
        ]
        head.extend(f"{name}: {value}".encode("latin-1") for name, value in response.headers)
        if not keep_alive:
            head.append(b"connection: close")
        body = b"" if request.method == "HEAD" else response.body
        self._write(b"\r\n".join((*head, b"", body)))

    def _count_header(self, size: int) -> None:
        self._unseen_bytes = 0
        self._header_bytes += size
        if self._header_bytes > HTTP_HEADER_BYTES_MAX:
            raise _header_too_large()

    def _refuse_body(self) -> None:
        # The rest of the body is not worth reading: answer now, then close.
        self._chunks = []
        self._request.failed = TooLarge(f"the body is over {self._body_bytes_max} bytes")
        self._enqueue(self._request)
        self._closing = True

    def _fail(self, refusal: TooLarge | InvalidRequest) -> None:
        self._closing = True
        _log.info("http client %s: %s", self._peer.address or self._peer.pid, refusal)
        self._enqueue(Request(failed=refusal))

    def _watch_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._begun and not self._closing:
            self._stall = asyncio.get_running_loop().call_later(self._stall_s, self._on_stall)

    def _on_stall(self) -> None:
        who = self._peer.address or f"pid {self._peer.pid}"
        _log.warning("http client %s closed: no rest of its request for %g s", who, self._stall_s)
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def whole_body(request: Request, bytes_max: int) -> bytes:
    """Return the body without its content coding.

    Raises:
        TooLarge: It is over ``bytes_max`` after decompression; no more than that was made of it.
        InvalidRequest: The coding is unknown, or the body is not of it.
    """
    coding = request.headers.get(b"content-encoding", b"identity").lower()
    if coding in (b"identity", b""):
        return request.body
    if coding != b"gzip":
        raise InvalidRequest(f"content-encoding: {coding[:32]!r} is not gzip")
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = inflate.decompress(request.body, bytes_max + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the body is not gzip: {error}") from error
    if len(body) > bytes_max:
        raise TooLarge(f"the body is over {bytes_max} bytes after decompression")
    if not inflate.eof:
        raise InvalidRequest("the gzip body is cut short")
    if inflate.unused_data:
        raise InvalidRequest("more follows the gzip body")
    return body


def _header_too_large() -> TooLarge:
    return TooLarge(f"the header fields are over {HTTP_HEADER_BYTES_MAX} bytes")
