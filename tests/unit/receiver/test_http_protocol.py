"""HTTP/1.1 as this door speaks it: whole, in order, bounded, and let go with a reason."""

import asyncio
import logging
import tracemalloc
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import InvalidRequest, TooLarge
from sidespand.limits import HTTP_HEADER_BYTES_MAX, MIB
from sidespand.model import Peer
from sidespand.receiver.access import Caller
from sidespand.receiver.http_message import Request, Response, whole_body
from sidespand.receiver.http_protocol import HttpProtocol
from tests.journals import eventually
from tests.unit.receiver.serving import run

LIMIT = 4096
GET = b"GET /%d HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Server:
    """An HTTP server and its gate. It answers with the body it got; a test may hold that back."""

    def __init__(
        self, path: Path, stall_s: float, request_s: float, answer: Callable[[Request], bytes]
    ) -> None:
        self.path = path
        self.stall_s = stall_s
        self.request_s = request_s
        self.answer = answer
        self.answering = asyncio.Event()
        self.answering.set()
        self.requests: list[Request] = []
        self.protocols: list[HttpProtocol] = []
        self.open = 0
        self.answered = 0

    def protocol(self) -> HttpProtocol:
        """Return the protocol of a new connection."""
        self.protocols.append(HttpProtocol(self.serve, self, LIMIT, self.stall_s, self.request_s))
        return self.protocols[-1]

    def opened(self, _connection: HttpProtocol, _transport: asyncio.Transport) -> Caller:
        """Let everybody in."""
        self.open += 1
        return Caller(Peer("http"))

    def judge(self, _request: Request, caller: Caller) -> Peer:
        """Let every request pass."""
        return caller.peer

    def closed(self, _connection: HttpProtocol) -> None:
        """Count connections."""
        self.open -= 1

    async def serve(self, request: Request) -> Response:
        """Answer when it may."""
        self.requests.append(request)
        await self.answering.wait()
        self.answered += 1
        if request.failed is not None:
            return Response(400, str(request.failed).encode(), "text/plain")
        return Response(200, self.answer(request), "text/plain")


@asynccontextmanager
async def serving(
    root: Path,
    *,
    stall_s: float = 60.0,
    request_s: float = 60.0,
    answer: Callable[[Request], bytes] = lambda request: request.body,
) -> AsyncIterator[Server]:
    """Yield an open server."""
    given_ = Server(root / "http.sock", stall_s, request_s, answer)
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(given_.protocol, str(given_.path))
    try:
        yield given_
    finally:
        server.close()
        given_.answering.set()
        await asyncio.gather(*(one.finish() for one in given_.protocols))


class Answer(NamedTuple):
    """One response."""

    status: int
    fields: dict[str, str]
    body: bytes


async def receive(reader: StreamReader, *, head_only: bool = False) -> Answer:
    """Return the next response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    length = 0 if head_only else int(fields.get("content-length", "0"))
    return Answer(int(head[0].split()[1]), fields, await reader.readexactly(length))


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Yield a client's end of a new connection."""
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def post(body: bytes, *fields: bytes) -> bytes:
    """Return a POST of ``body``."""
    lines = (b"POST /in?x=1 HTTP/1.1", *fields, b"content-length: %d" % len(body), b"", body)
    return b"\r\n".join(lines)


PIPELINE = (
    post(b"first")
    + post(
        b"offered", b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: x"
    )
    + b"POST /in HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"4\r\nin c\r\n5;x=y\r\nhunks\r\n0\r\nx: trailer\r\n\r\n"
    + b"\r\nGET /end HTTP/1.1\r\nconnection: close\r\n\r\n"
)


@asynccontextmanager
async def accepted(server: Server) -> AsyncIterator[tuple[HttpProtocol, StreamReader]]:
    """Yield the protocol of a new connection, to be fed by hand, and what is answered."""
    async with connected(server) as (reader, _):
        await eventually(lambda: server.open == 1, "the connection")
        yield server.protocols[-1], reader
    await eventually(lambda: server.open == 0, "the connection to be forgotten")


@pytest.mark.slow
def test_requests_come_out_whole_wherever_the_stream_is_cut(tmp_path: Path) -> None:
    """Bodies of known length, of chunks, and behind an offer to upgrade are what was sent."""
    cuts = [[PIPELINE[:cut], PIPELINE[cut:]] for cut in range(len(PIPELINE))]
    cuts.append([PIPELINE[index : index + 1] for index in range(len(PIPELINE))])

    async def test() -> None:
        async with serving(tmp_path) as server:
            for pieces in cuts:
                server.requests.clear()
                async with accepted(server) as (protocol, reader):
                    for piece in pieces:
                        protocol.data_received(piece)
                    answers = [await receive(reader) for _ in range(4)]
                    assert await reader.read() == b""
                assert [one.body for one in answers] == [b"first", b"offered", b"in chunks", b""]
                assert ["connection" in one.fields for one in answers] == [False] * 3 + [True]
                assert [one.path for one in server.requests] == ["/in", "/in", "/in", "/end"]
                assert [one.method for one in server.requests] == ["POST"] * 3 + ["GET"]

    run(test())


def test_answers_come_in_the_order_of_their_requests(tmp_path: Path) -> None:
    """A later request is not even looked at before the one ahead of it is answered."""

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            server.answering.clear()
            writer.write(b"".join(post(b"%d" % number) for number in range(40)))
            await eventually(lambda: len(server.requests) == 1, "the first request")
            server.answering.set()
            assert [(await receive(reader)).body for _ in range(40)] == [
                b"%d" % number for number in range(40)
            ]

    run(test())


@pytest.mark.slow
def test_requests_ahead_of_their_answers_are_bounded(tmp_path: Path) -> None:
    """A client that only sends is not read from; all of it is answered in the end."""
    count = 30_000

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            server.answering.clear()
            writer.write(b"".join(GET % number for number in range(count)))
            await eventually(lambda: len(server.requests) == 1, "the first request")
            (protocol,) = server.protocols
            assert protocol._transport is not None
            await eventually(lambda: not is_reading(protocol), "the daemon to stop reading")
            assert len(protocol._queue) < MIB // len(GET)
            server.answering.set()
            for _ in range(count):
                assert (await receive(reader)).status == 200

    run(test())


def is_reading(protocol: HttpProtocol) -> bool:
    """Tell whether a connection takes bytes."""
    assert protocol._transport is not None
    return protocol._transport.is_reading()


def test_a_client_that_does_not_read_its_answers_is_not_served(tmp_path: Path) -> None:
    """What waits to be sent to it is bounded; when it reads, it gets every answer in order."""
    count = 400
    page = bytes(MIB // 16)

    async def test() -> None:
        async with (
            serving(tmp_path, answer=lambda request: request.path.encode() + page) as server,
            connected(server) as (reader, writer),
        ):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            for number in range(count):
                writer.write(GET % number)
            await eventually(lambda: bool(server.protocols), "the connection")
            (protocol,) = server.protocols
            await eventually(lambda: protocol._congested, "the daemon to stop serving")
            assert server.answered < count // 2
            assert protocol._transport is not None
            assert protocol._transport.get_write_buffer_size() < 4 * len(page)
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            for number in range(count):
                assert (await receive(reader)).body == b"/%d" % number + page

    run(test())


def test_a_stop_answers_what_was_read(tmp_path: Path) -> None:
    """Requests that were taken are answered, the last one with the connection's end."""

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            server.answering.clear()
            writer.write(post(b"one") + post(b"two") + post(b"three")[:-1])
            await eventually(lambda: len(server.requests) == 1, "the first request")
            finishing = asyncio.create_task(server.protocols[0].finish())
            await asyncio.sleep(0)
            server.answering.set()
            one, two = await receive(reader), await receive(reader)
            assert (one.body, two.body) == (b"one", b"two")
            assert "connection" not in one.fields
            assert two.fields["connection"] == "close"
            assert await reader.read() == b""
            await finishing

    run(test())


def test_a_stop_waits_a_while_for_a_request_that_has_begun(tmp_path: Path) -> None:
    """It is answered when its rest comes; else the connection just ends."""

    async def test() -> None:
        async with serving(tmp_path) as server:
            for rest, grace_s in ((b"e", 10.0), (b"", 0.01)):
                async with connected(server) as (reader, writer):
                    writer.write(post(b"one")[:-1])
                    await eventually(lambda: server.protocols[-1]._begun, "its beginning")
                    finishing = asyncio.create_task(server.protocols[-1].finish(grace_s))
                    await asyncio.sleep(0)
                    writer.write(rest)
                    if rest:
                        assert (await receive(reader)).body == b"one"
                    assert await reader.read() == b""
                    await finishing
            assert len(server.requests) == 1

    run(test())


def test_a_client_that_only_has_one_question_is_answered(tmp_path: Path) -> None:
    """Whoever ends its own half of the connection still reads; an idle connection just ends."""

    async def test() -> None:
        async with serving(tmp_path) as server:
            async with connected(server) as (reader, writer):
                server.answering.clear()
                writer.write(post(b"one") + post(b"two") + b"PO")
                writer.write_eof()
                await eventually(lambda: len(server.requests) == 1, "the first request")
                await eventually(lambda: server.protocols[0]._closing, "the end of file")
                server.answering.set()
                assert [(await receive(reader)).body for _ in range(2)] == [b"one", b"two"]
                assert await reader.read() == b""
            async with connected(server) as (reader, writer):
                writer.write_eof()
                assert await reader.read() == b""

    run(test())


def test_what_a_lost_client_asked_for_is_done_all_the_same(tmp_path: Path) -> None:
    """A client that goes away before its answer has sent its request nevertheless."""

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            # With an answer unread this is a reset, not an end of file.
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(post(b"one"))
            await eventually(lambda: server.answered == 1, "the first answer")
            server.answering.clear()
            writer.write(post(b"two"))
            await eventually(lambda: len(server.requests) == 2, "the second request")
            writer.transport.abort()
            await eventually(lambda: server.open == 0, "the connection to be lost")
            server.answering.set()
            await eventually(lambda: server.answered == 2, "the request to be served")

    run(test())


@pytest.mark.parametrize(
    "begun",
    [b"GET", GET % 1 + b"GET / HT", post(b"body")[:-1], b"GET / HTTP/1.1\r\nhost: local"],
    ids=["method", "second request", "body", "field"],
)
def test_a_client_that_stops_in_a_request_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begun: bytes
) -> None:
    """After the time that a request may rest the connection is closed; the log says why."""

    async def test() -> None:
        async with (
            serving(tmp_path, stall_s=0.02) as server,
            connected(server) as (idle_reader, idle_writer),
        ):
            idle_writer.write(b"\r\n")
            async with connected(server) as (reader, writer):
                writer.write(begun)
                await reader.read()
                await eventually(lambda: server.open == 1, "the connection to be forgotten")
            # Whoever is between two requests may be silent for as long as it likes.
            idle_writer.write(GET % 1)
            assert (await receive(idle_reader)).status == 200

    with caplog.at_level(logging.WARNING):
        run(test())
    assert caplog.text.count("closed: the rest of its request did not come") == 1


def test_many_requests_alike_are_not_one_head_too_long(tmp_path: Path) -> None:
    """The limit of header fields is that of one request."""
    count = 2 * HTTP_HEADER_BYTES_MAX // len(GET)

    async def test() -> None:
        async with serving(tmp_path) as server, accepted(server) as (protocol, reader):
            for _ in range(count):
                protocol.data_received(GET % 7)
                assert (await receive(reader)).status == 200

    run(test())


def test_an_answer_to_head_has_no_body(tmp_path: Path) -> None:
    """The next answer begins right behind its fields."""

    async def test() -> None:
        async with (
            serving(tmp_path, answer=lambda _: b"some text") as server,
            connected(server) as (reader, writer),
        ):
            writer.write(b"HEAD / HTTP/1.1\r\n\r\n" + GET % 1)
            head = await receive(reader, head_only=True)
            assert head.fields["content-length"] == "9"
            assert (await receive(reader)).body == b"some text"

    run(test())


def test_good_requests_ahead_of_a_bad_one_are_answered(tmp_path: Path) -> None:
    """A pipeline that ends in garbage, or in too much, is served up to there."""

    async def test() -> None:
        async with serving(tmp_path) as server:
            for bad in (b"\0garbage", post(bytes(LIMIT + 1)), b"GET / HTTP/1.1\r\n: \r\n\r\n"):
                async with connected(server) as (reader, writer):
                    writer.write(post(b"one") + post(b"two") + bad)
                    answers = [await receive(reader) for _ in range(3)]
                    assert await reader.read() == b""
                assert [one.status for one in answers] == [200, 200, 400]
                assert [one.body for one in answers[:2]] == [b"one", b"two"]
                assert answers[2].fields["connection"] == "close"

    run(test())


@pytest.mark.slow
def test_a_refused_sender_can_read_why(tmp_path: Path) -> None:
    """What is still under way is read and dropped, so that the answer is not lost with it."""
    rest = bytes(MIB)

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n")
            answer = await receive(reader)
            assert (answer.status, answer.body) == (400, b"the body is over 4096 bytes")
            for _ in range(32):
                writer.write(rest)
                await writer.drain()
            assert await reader.read() == b""

    run(test())


@given(st.binary(max_size=3 * LIMIT), st.sampled_from([b"gzip", b"GZIP", b"deflate"]))
def test_a_coded_body_is_judged_by_its_real_size(body: bytes, coding: bytes) -> None:
    """It comes out as it was, or is too large; never a part of it."""
    # What HTTP calls deflate is a zlib stream (RFC 9110, section 8.4.1.2).
    deflate = zlib.compressobj(wbits=15 if coding == b"deflate" else 31)
    request = Request(
        headers={b"content-encoding": coding}, body=deflate.compress(body) + deflate.flush()
    )
    if len(body) <= LIMIT:
        assert whole_body(request, LIMIT) == body
    else:
        with pytest.raises(TooLarge):
            whole_body(request, LIMIT)


@pytest.mark.parametrize(("coding", "bits"), [(b"gzip", 31), (b"deflate", 15)])
def test_a_bomb_is_not_unpacked(coding: bytes, bits: int) -> None:
    """What is over the limit takes little more than the limit, however much it would make."""
    deflate = zlib.compressobj(wbits=bits)
    bomb = deflate.compress(bytes(16 * MIB)) + deflate.flush()
    request = Request(headers={b"content-encoding": coding}, body=bomb)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            whole_body(request, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB


@given(st.binary(max_size=200))
def test_bytes_that_claim_to_be_gzip_are_gzip_or_invalid(body: bytes) -> None:
    """Hostile bytes raise nothing but a refusal."""
    with pytest.raises(InvalidRequest):
        whole_body(Request(headers={b"content-encoding": b"gzip"}, body=body), LIMIT)
