"""Bodies that are being received: their room is taken before they are read, and given back."""

from pathlib import Path

import pytest

from sidespand.receiver.budget import Budget
from sidespand.receiver.http_protocol import HttpProtocol
from tests.journals import eventually
from tests.unit.receiver.serving import run
from tests.unit.receiver.test_http_protocol import (
    LIMIT,
    Server,
    connected,
    post,
    receive,
    serving,
)

HEAD = b"POST /in HTTP/1.1\r\ncontent-length: 3000\r\n\r\n"
CHUNKED = b"POST /in HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """Return the room that every connection of a server shares: a largest body and a bit."""
    shared = Budget(LIMIT + 100, LIMIT + 100)

    def protocol(server: Server) -> HttpProtocol:
        server.protocols.append(HttpProtocol(server.serve, server, LIMIT, room=shared))
        return server.protocols[-1]

    monkeypatch.setattr(Server, "protocol", protocol)
    return shared


def test_a_body_has_its_room_before_it_is_read(tmp_path: Path, room: Budget) -> None:
    """Who announces what does not fit is refused at its head; there is room when the first goes."""

    async def test() -> None:
        async with serving(tmp_path) as server:
            async with connected(server) as (_, first):
                first.write(HEAD)
                await eventually(lambda: room.used_bytes == 3000, "the head to be read")
                async with connected(server) as (reader, second):
                    second.write(HEAD)
                    answer = await receive(reader)
                    assert (answer.status, answer.fields["connection"]) == (400, "close")
                    assert b"requests are under way" in answer.body
            await eventually(lambda: room.used_bytes == 0, "the first to be forgotten")
            async with connected(server) as (reader, third):
                third.write(post(bytes(3000)))
                assert (await receive(reader)).status == 200

    run(test())


def test_a_body_of_unknown_size_pays_as_it_comes(tmp_path: Path, room: Budget) -> None:
    """It is refused in the middle when the room is used up."""

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            writer.write(CHUNKED + b"400\r\n" + bytes(1024))
            await eventually(lambda: room.used_bytes == 1024, "the chunk")
            room.take("somebody", 3000)
            writer.write(b"\r\n400\r\n" + bytes(1024))
            assert (await receive(reader)).status == 400
            room.give_back("somebody", 3000)
        await eventually(lambda: room.used_bytes == 0, "it to be forgotten")

    run(test())


def test_what_waits_for_its_turn_counts(tmp_path: Path, room: Budget) -> None:
    """Requests that a connection sent ahead hold room until they are served."""

    async def test() -> None:
        async with serving(tmp_path) as server, connected(server) as (reader, writer):
            server.answering.clear()
            writer.write(post(bytes(1000)) * 3)
            await eventually(lambda: room.used_bytes == 2000, "two to wait")
            server.answering.set()
            for _ in range(3):
                assert (await receive(reader)).status == 200
            await eventually(lambda: room.used_bytes == 0, "all to be served")

    run(test())


@pytest.mark.fault(38)
def test_nothing_is_left_of_a_client_that_does_not_read(tmp_path: Path, room: Budget) -> None:
    """When it goes, what it sent ahead is decided and its room is free."""

    async def test() -> None:
        answer = bytes(1 << 20)
        async with serving(tmp_path, answer=lambda _: answer) as server:
            async with connected(server) as (reader, writer):
                reader._transport.pause_reading()  # type: ignore[attr-defined]
                writer.write(post(bytes(500)) * 6)
                await eventually(
                    lambda: bool(server.protocols) and server.protocols[0]._congested,
                    "the daemon to stop serving",
                )
                assert room.used_bytes > 0
            await eventually(lambda: room.used_bytes == 0, "it to be forgotten")
            assert server.answered == 6

    run(test())
