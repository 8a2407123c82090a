"""Frames that are being received: their room is taken at their head, and given back."""

from pathlib import Path

from sidespan.v1.recorder_pb2 import Nack
from sidespand.receiver.budget import Budget
from tests.frame_client import HEAD, RECORDS
from tests.journals import eventually
from tests.otlp import encoded
from tests.unit.receiver.serving import Client, run, sessions

INSTANCE = b"instance-0000001"
OTHER = b"instance-0000002"
HELD = 3000
# Of a frame of so many bytes only the head.
HEAD_ONLY = HEAD.pack(9 + HELD, RECORDS, 1)


def test_a_frame_without_room_is_told_to_come_back(tmp_path: Path) -> None:
    """It is refused at its head, its seq stays its own, and it is taken when there is room."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            given.registry.room = room = Budget(HELD + 100, HELD + 100)
            async with await Client.connect(given.path) as first:
                await first.hello(INSTANCE)
                first.writer.write(HEAD_ONLY)
                await eventually(lambda: room.used_bytes == HELD, "the head to be read")
                async with await Client.connect(given.path) as second:
                    await second.hello(OTHER)
                    second.writer.write(HEAD_ONLY)
                    nack = await second.nack(1)
                    assert (nack.code, nack.retry_after_ms) == (Nack.UNAVAILABLE, 2000)
                    assert await second.closed()
            await eventually(lambda: room.used_bytes == 0, "the first to be forgotten")
            async with await Client.connect(given.path) as again:
                assert (await again.hello(OTHER)).last_seq == 0
                again.records(1, encoded())
                assert (await again.ack(1)).first_lsn

    run(test())


def test_a_frame_that_is_whole_holds_no_room(tmp_path: Path) -> None:
    """What is decided is counted elsewhere."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            given.registry.room = room = Budget(HELD + 100, HELD + 100)
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.writer.write(HEAD_ONLY + bytes(HELD - 1))
                await eventually(lambda: room.used_bytes == HELD, "all but the last byte")
                client.writer.write(b"\x00")
                assert (await client.nack(1)).code == Nack.INVALID
                assert room.used_bytes == 0

    run(test())


def test_a_frame_without_room_before_hello_leaves_the_protocol(tmp_path: Path) -> None:
    """As any RECORDS before HELLO does."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            given.registry.room = Budget(10, 10)
            async with await Client.connect(given.path) as client:
                client.writer.write(HEAD_ONLY)
                assert (await client.nack(0)).code == Nack.PROTOCOL

    run(test())
