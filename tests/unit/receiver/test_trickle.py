"""Clients that send a byte at a time: each is within the stall, and none may go on for ever."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sidespand.config import Address
from sidespand.receiver.access import Access
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.http_message import Request, Response
from sidespand.receiver.http_protocol import HttpProtocol
from sidespand.receiver.listener import listen_tcp
from sidespand.receiver.tls_server import TlsServer
from sidespand.telemetry import Telemetry
from tests.certificates import Authority
from tests.frame_client import HELLO, frame
from tests.journals import eventually
from tests.unit.receiver.serving import Client, run, sessions

# A byte comes much more often than the stall allows, and never makes anything whole.
STALL_S, REQUEST_S, PAUSE_S = 5.0, 0.1, 0.005
HOST = Address("127.0.0.1", 0)


async def trickle(writer: asyncio.StreamWriter, reader: asyncio.StreamReader, byte: bytes) -> None:
    """Send ``byte`` again and again until the peer has had enough."""
    ended = asyncio.ensure_future(reader.read())
    while not ended.done():
        with contextlib.suppress(ConnectionError):
            writer.write(byte)
        await asyncio.wait([ended], timeout=PAUSE_S)
    with contextlib.suppress(ConnectionError):
        await ended
    writer.transport.abort()


async def answer(_request: Request) -> Response:
    """Answer anything."""
    return Response(200, b"", "text/plain")


def gate() -> HttpGate:
    """Return a gate for two connections."""
    made = HttpGate(Access(), Telemetry(), 2)
    made.listens_on(HOST)
    return made


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nx: ",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999\r\n\r\n",
    ],
    ids=["head", "body"],
)
def test_a_request_that_trickles_is_let_go(begun: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It must be whole in time, not only go on."""

    async def test() -> None:
        made = gate()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HttpProtocol(answer, made, 4096, STALL_S, REQUEST_S), sock=listen_tcp(HOST, "x")
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(begun)
        await trickle(writer, reader, b"a")
        await eventually(lambda: not made.connections, "the connection to be forgotten")
        server.close()

    run(test())
    assert "closed: the rest of its request did not come" in caplog.text


@pytest.mark.fault(38)
def test_a_frame_that_trickles_is_let_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same holds on ingest.sock."""

    async def test() -> None:
        async with sessions(tmp_path, stall_s=STALL_S, request_s=REQUEST_S) as given:
            client = await Client.connect(given.path)
            client.writer.write(frame(HELLO, 0, bytes(4000))[:-1000])
            await trickle(client.writer, client.reader, b"a")

    run(test())
    assert "closed: the rest of its frame did not come" in caplog.text


Tls = Callable[[HttpGate, Address, ssl.SSLContext], Awaitable[None]]


def with_tls(root: Path, test: Tls) -> HttpGate:
    """Run ``test`` beside a TLS server whose handshakes must be over in REQUEST_S."""
    authority = Authority(root)
    pair = authority.issue("node", ["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    client = ssl.create_default_context(cafile=str(authority.cert))
    made = gate()

    async def serve() -> None:
        listener = listen_tcp(HOST, "x")
        address = Address(*listener.getsockname())
        server = TlsServer(
            listener, context, lambda: HttpProtocol(answer, made, 4096), made, REQUEST_S
        )
        try:
            await test(made, address, client)
        finally:
            server.close()
            await asyncio.gather(*(one.finish() for one in list(made.connections)))
            await eventually(lambda: not made.handshakes, "the handshakes to end")

    run(serve())
    return made


def test_a_handshake_that_stalls_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Silent clients keep their places only as long as a handshake may take."""

    async def test(made: HttpGate, address: Address, client: ssl.SSLContext) -> None:
        silent = [await asyncio.open_connection(*address) for _ in range(2)]
        await eventually(lambda: made.handshakes == 2, "both to be waited for")
        # A third one finds no place, and is told by the end of its connection.
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b""
        writer.close()
        for reader, writer in silent:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        await eventually(lambda: not made.handshakes, "the places to be free")
        reader, writer = await asyncio.open_connection(
            *address, ssl=client, server_hostname="localhost"
        )
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()

    with caplog.at_level(logging.INFO):
        with_tls(tmp_path, test)
    assert caplog.text.count("closed: no TLS handshake") == 2
    assert caplog.text.count("http: more than 2 connections") == 1


def test_a_stop_does_not_wait_for_handshakes(tmp_path: Path) -> None:
    """They are given up with the listener."""

    async def test(made: HttpGate, address: Address, _client: ssl.SSLContext) -> None:
        _, writer = await asyncio.open_connection(*address)
        await eventually(lambda: made.handshakes == 1, "the handshake to be waited for")
        writer.close()

    with_tls(tmp_path, test)


def test_a_client_that_ends_tls_early_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a connection does not exist in TLS: it is let go without a word."""

    async def test(made: HttpGate, address: Address, client: ssl.SSLContext) -> None:
        def send() -> None:
            with (
                socket.create_connection(address) as plain,
                client.wrap_socket(plain, server_hostname="localhost") as sock,
            ):
                sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                sock.unwrap()

        with contextlib.suppress(ssl.SSLError, OSError):
            await asyncio.to_thread(send)
        await eventually(lambda: not made.connections, "the connection to be forgotten")

    with caplog.at_level(logging.WARNING):
        with_tls(tmp_path, test)
    assert caplog.text == ""
