"""HTTP/1.1 for small requests with large bodies, on httptools' parser.

A protocol of our own rather than a general server, because the body's size must be judged before it
is read, and because every microsecond here is one of the event loop's (docs/benchmarks.md).
Requests of one connection are answered in order.
Source: RFC 9112.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import httptools

from sidespand.errors import InvalidRequest, Refused, SidespanError, TooLarge, Unavailable
from sidespand.limits import (
    HTTP_HEADER_BYTES_MAX,
    HTTP_LINGER_S,
    HTTP_STALL_S,
    PEER_RECEIVING_BYTES_MAX,
    RECEIVING_BYTES_MAX,
    REQUEST_S,
)
from sidespand.model import Peer
from sidespand.receiver.access import Caller
from sidespand.receiver.budget import Budget, Share, owner_of
from sidespand.receiver.http_message import Request, Response

_log = logging.getLogger(__name__)
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    503: b"Service Unavailable",
}
_PIPELINE_MAX = 16


Serve = Callable[[Request], Awaitable[Response]]


class Gate(Protocol):
    """Decides who comes in, before anything of a request is kept but its head."""

    def opened(self, connection: "HttpProtocol", transport: asyncio.Transport) -> Caller:
        """Take a connection in and return who it is; raise Unavailable when there are too many."""

    def judge(self, request: Request, caller: Caller) -> Peer:
        """Return who makes the request whose head is here; raise Refused if it may not."""

    def closed(self, connection: "HttpProtocol") -> None:
        """Forget a connection, whether it was taken in or not."""


class HttpProtocol(asyncio.Protocol):
    """One connection.

    Args:
        serve: Answers a request; it must not raise.
        gate: Who comes in.
        body_bytes_max: Of a body, before and after decompression.
        stall_s: How long a begun request may wait for its rest, in seconds.
        request_s: Within what time a request must be whole, in seconds.
        room: For bodies that are being received or wait for their turn, of all connections.
    """

    def __init__(
        self,
        serve: Serve,
        gate: Gate,
        body_bytes_max: int,
        stall_s: float = HTTP_STALL_S,
        request_s: float = REQUEST_S,
        *,
        room: Budget | None = None,
    ) -> None:
        self._serve = serve
        self._gate = gate
        self._body_bytes_max = body_bytes_max
        self._stall_s = stall_s
        self._request_s = request_s
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._caller = Caller(Peer("http"))
        self._room = room or Budget(RECEIVING_BYTES_MAX, PEER_RECEIVING_BYTES_MAX)
        self._share = Share(self._room, "")
        self._queued_bytes = 0
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
        # Set by whoever waits for the rest of a begun request.
        self._rest: asyncio.Event | None = None
        self._due_s = 0.0
        self._congested = False
        self._closing = False
        self._lingers = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is there."""
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = transport = cast("asyncio.Transport", transport)
        try:
            self._caller = self._gate.opened(self, transport)
        except Unavailable as refusal:
            self._closing = True
            self._enqueue(Request(failed=refusal))
        else:
            self._share = Share(self._room, owner_of(self._caller.peer))

    def data_received(self, data: bytes) -> None:
        """Parse; whole requests are queued by the callbacks below."""
        if self._closing:
            return
        self._parse(data)
        self._watch_stall()
        if self._rest is not None and not self._begun:
            self._end_rest()

    def eof_received(self) -> bool:
        """Answer what was asked before the client's end; it may still read."""
        self._closing = True
        self._end_rest()
        # TLS has no half of a connection.
        halves = self._transport is not None and self._transport.can_write_eof()
        under_way = self._serving is not None and not self._serving.done()
        return halves and (bool(self._queue) or under_way)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection; what it sent is decided all the same."""
        self._closing = True
        self._end_rest()
        self._gate.closed(self)
        if self._stall is not None:
            self._stall.cancel()
        self._chunks = []
        self._share.resize(self._queued_bytes)
        if self._queue:
            # Nobody reads the answers any more, and so nobody holds them up.
            self.resume_writing()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self._congested = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on once it reads again."""
        self._congested = False
        self._start_answering()

    async def finish(self, grace_s: float = 0.0) -> None:
        """Answer what was read, and a begun request if it is whole within ``grace_s``; then close.

        Args:
            grace_s: In seconds; 0 waits for nothing.
        """
        if self._begun and not self._closing and grace_s:
            self._rest = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._rest.wait()
        self._closing = True
        if self._serving is not None:
            await asyncio.wait([self._serving])
        if self._transport is not None:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Start a request (parser callback)."""
        self._begun = True
        self._due_s = asyncio.get_running_loop().time() + self._request_s
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
            self._refuse_body(InvalidRequest("the request target is not a URL"))
            return
        try:
            request.peer = self._gate.judge(request, self._caller)
        except Refused as refusal:
            self._refuse_body(refusal)
            return
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._body_bytes_max:
            self._refuse_body(self._too_large())
            return
        try:
            # Before the body is read; one of unknown length pays as it comes.
            self._share.resize(self._queued_bytes + (int(length) if length.isdigit() else 0))
        except Unavailable as refusal:
            self._refuse_body(refusal)
            return
        if request.headers.get(b"expect", b"").lower() == b"100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        """Keep a piece of the body while it is within bounds (parser callback)."""
        self._unseen_bytes = 0
        self._body_bytes += len(chunk)
        if self._request.failed is not None:
            return
        if self._body_bytes > self._body_bytes_max:
            self._refuse_body(self._too_large())
            return
        if b"content-length" not in self._request.headers:
            try:
                self._share.resize(self._queued_bytes + self._body_bytes)
            except Unavailable as refusal:
                self._refuse_body(refusal)
                return
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Queue the request (parser callback)."""
        if self._offer:
            return
        self._begun = False
        self._request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        if self._request.failed is None:
            self._queued_bytes += len(self._request.body)
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
        while self._queue and not self._congested:
            request = self._queue.popleft()
            self._queued_bytes -= len(request.body)
            if not self._begun:
                self._share.resize(self._queued_bytes)
            response = await self._serve(request)
            ends = request.failed is not None or not request.keep_alive
            last = ends or (self._closing and not self._queue)
            self._respond(request, response, keep_alive=not last)
            if last:
                self._closing = True
                self._queue.clear()
                self._queued_bytes = 0
                self._share.resize(0)
        if self._transport is None or self._transport.is_closing() or self._congested:
            return
        if not self._closing:
            self._transport.resume_reading()
        elif self._lingers:
            # Bytes that arrive at a closed connection would take the answer with them.
            if self._transport.can_write_eof():
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

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is over {self._body_bytes_max} bytes")

    def _refuse_body(self, refusal: SidespanError) -> None:
        # The rest of the body is not worth reading: answer now, then close.
        self._chunks = []
        self._share.resize(self._queued_bytes)
        self._request.failed = refusal
        self._lingers = True
        self._enqueue(self._request)
        self._closing = True

    def _fail(self, refusal: TooLarge | InvalidRequest) -> None:
        self._closing = self._lingers = True
        _log.info("http client %s: %s", self._who(), refusal)
        self._enqueue(Request(failed=refusal, peer=self._caller.peer))

    def _who(self) -> str:
        peer = self._caller.peer
        return peer.address or f"pid {peer.pid}"

    def _end_rest(self) -> None:
        if self._rest is not None:
            # Nothing that comes after it is read.
            self._closing = True
            self._rest.set()

    def _watch_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._begun and not self._closing:
            loop = asyncio.get_running_loop()
            # A request that trickles is not let off by every byte of it.
            wait_s = min(self._stall_s, max(0.0, self._due_s - loop.time()))
            self._stall = loop.call_later(wait_s, self._on_stall)

    def _on_stall(self) -> None:
        _log.warning("http client %s closed: the rest of its request did not come", self._who())
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _header_too_large() -> TooLarge:
    return TooLarge(f"the header fields are over {HTTP_HEADER_BYTES_MAX} bytes")
