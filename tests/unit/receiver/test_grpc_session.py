"""``Recorder.Session`` keeps the rules of frames on a gRPC stream."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidespan.v1.recorder_pb2 import ClientMessage, Nack, RecordRequest, Records
from sidespand.errors import Unavailable
from sidespand.limits import MIB, UNACKED_BYTES_MAX
from sidespand.receiver import grpc_session
from sidespand.receiver.grpc_callers import GrpcCallers
from sidespand.receiver.grpc_door import GrpcDoor
from sidespand.receiver.grpc_session import GrpcSession
from sidespand.receiver.listener import UnixPath
from tests.grpc_client import GrpcClient
from tests.journals import eventually, records_of
from tests.otlp import encoded, marked
from tests.unit.receiver.serving import LIMIT, Client, Sessions, run, sessions

INSTANCE = b"instance-0000001"
TRACE = bytes(range(16))
ONE = bytes(7) + b"\x01"
# In so many the server would have read on, if it did.
ROUND_TRIPS = 50


class Door:
    """Sessions over both doors, and a channel to the gRPC one."""

    def __init__(self, given: Sessions, channel: Any) -> None:
        self.given = given
        self.channel = channel

    def connect(self) -> GrpcClient:
        """Open a stream."""
        return GrpcClient(self.channel)


def line_of(door: Door) -> GrpcSession:
    """Return the daemon's end of the one stream."""
    line = door.given.registry._by_instance[INSTANCE]._line
    assert isinstance(line, GrpcSession)
    return line


@asynccontextmanager
async def doors(root: Path, **options: Any) -> AsyncIterator[Door]:
    """Yield open doors."""
    async with sessions(root, **options) as given:
        registry = given.registry
        door = GrpcDoor(registry.intake, GrpcCallers(registry.access), registry, LIMIT)
        await door.open(UnixPath(root / "grpc.sock"), None)
        try:
            async with grpc.aio.insecure_channel(f"unix:{root / 'grpc.sock'}") as channel:
                yield Door(given, channel)
        finally:
            given.journal.release()
            await registry.drain()
            await door.close(1)


def test_steps_are_answered_in_order_and_stored_once(tmp_path: Path) -> None:
    """Sent without waiting, behind HELLO, sent again on another stream: each is there once."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.greet(INSTANCE)
            for seq in range(1, 51):
                await client.records(seq, encoded(2))
            assert (await client.receive()).WhichOneof("message") == "hello_ack"
            acks = [await client.ack(seq) for seq in range(1, 51)]
            for earlier, later in itertools.pairwise(acks):
                assert later.first_lsn == earlier.last_lsn + 1
            await client.end()
            assert await client.ended() is grpc.StatusCode.OK
            again = door.connect()
            hello_ack = await again.hello(INSTANCE)
            assert (hello_ack.last_seq, hello_ack.protocol_version) == (50, 1)
            await again.records(50, encoded(2))
            assert (await again.ack(50)).duplicate
            await again.end()

    run(test())
    stored = [one for one in records_of(tmp_path / "data") if one.header.producer_seq]
    assert [one.header.producer_seq for one in stored] == list(range(1, 51))


def test_refusals_are_those_of_frames(tmp_path: Path) -> None:
    """INVALID uses its seq up, UNAVAILABLE leaves it owed, a gap is out of order."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            await client.records(1, b"\xff")
            nack = await client.nack(1)
            assert (nack.code, nack.retry_after_ms) == (Nack.INVALID, 0)
            door.given.journal.refusals.append(Unavailable("full", retry_after_ms=1500))
            await client.records(2, encoded())
            nack = await client.nack(2)
            assert (nack.code, nack.retry_after_ms) == (Nack.UNAVAILABLE, 1500)
            await client.records(3, encoded())
            assert (await client.nack(3)).code == Nack.OUT_OF_ORDER
            await client.records(2, encoded())
            await client.ack(2)
            await client.end()

    run(test())


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([ClientMessage(seq=1, records=Records())], "RECORDS before HELLO"),
        ([ClientMessage()], "a message that is neither hello nor records nor bye"),
        ([b"\xff"], "not a ClientMessage"),
        (["hello", "hello"], "a second HELLO"),
        (["hello", ClientMessage(records=Records())], "RECORDS with seq 0"),
    ],
)
def test_who_leaves_the_protocol_is_told(
    tmp_path: Path, messages: list[ClientMessage | bytes | str], said: str
) -> None:
    """NACK PROTOCOL with seq 0, then the stream ends with OK."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            for message in messages:
                if isinstance(message, str):
                    await client.greet(INSTANCE)
                else:
                    await client.send(message)
            answers = [answer async for answer in client]
            assert answers[-1].seq == 0
            assert answers[-1].nack.code == Nack.PROTOCOL
            assert said in answers[-1].nack.text
            assert await client.ended() is grpc.StatusCode.OK

    run(test())


def test_an_instance_has_one_connection_over_both_doors(tmp_path: Path) -> None:
    """A newer stream ends the older one when that is decided; a socket waits until it has ended."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            older = door.connect()
            await older.hello(INSTANCE)
            door.given.journal.hold()
            await older.records(1, encoded())
            await eventually(lambda: door.given.journal.held == 1, "the step to be under way")
            newer = door.connect()
            await newer.greet(INSTANCE)
            assert await older.ended() is grpc.StatusCode.OK
            door.given.journal.release()
            assert (await newer.receive()).hello_ack.last_seq == 1
            async with await Client.connect(door.given.path) as framed:
                # The kernel names the user of this one; that it is the same one, nobody knows.
                framed.greet(INSTANCE)
                assert (await framed.nack(0)).code == Nack.PERMISSION_DENIED
            await newer.end()
            await eventually(lambda: not door.given.registry._sessions, "the stream to be gone")
            async with await Client.connect(door.given.path) as framed:
                assert (await framed.hello(INSTANCE)).last_seq == 1

    run(test())


def test_what_a_broken_stream_sent_is_decided(tmp_path: Path) -> None:
    """A client that cancels in mid-step finds the step durable when it comes back."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            door.given.journal.hold()
            await client.records(1, encoded())
            await eventually(lambda: door.given.journal.held == 1, "the step to be under way")
            client.cancel()
            again = door.connect()
            await again.greet(INSTANCE)
            door.given.journal.release()
            assert (await again.receive()).hello_ack.last_seq == 1
            await again.end()

    run(test())


def test_what_is_unacked_is_bounded(tmp_path: Path) -> None:
    """Beyond the limit nothing more is read until something is answered."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            door.given.journal.hold()
            count, body = 40, b"\x0a" + bytes([0xFC, 0xFF, 0x3F]) + bytes(MIB - 4)

            async def send() -> None:
                for seq in range(1, count + 1):
                    await client.records(seq, body)

            sending = asyncio.create_task(send())
            line = line_of(door)
            await eventually(lambda: not line._room.is_set(), "the daemon to stop reading")
            for _ in range(ROUND_TRIPS):
                await door.channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
            assert line._conversation._unacked_bytes <= UNACKED_BYTES_MAX + 2 * MIB
            assert not sending.done()
            door.given.journal.release()
            for seq in range(1, count + 1):
                assert (await client.receive()).seq == seq
            await sending
            await client.end()

    run(test())


@pytest.mark.slow
def test_a_client_that_does_not_read_its_answers_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be sent to it is bounded; when it reads, it gets everything."""
    monkeypatch.setattr(grpc_session, "ANSWERS_MAX", 16)
    count = 3000

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)

            async def send() -> None:
                for seq in range(1, count + 1):
                    await client.records(seq)

            sending = asyncio.create_task(send())
            line = line_of(door)
            await eventually(lambda: not line._room.is_set(), "the daemon to stop reading")
            await eventually(lambda: not line._conversation._undecided, "the answers that are due")
            assert door.given.journal.taken < count
            for seq in range(1, count + 1):
                await client.ack(seq)
            await sending
            await client.end()

    run(test())


def test_drain_is_told_and_what_is_due_is_answered(tmp_path: Path) -> None:
    """CONTROL, the answers, then the stream ends with OK."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            door.given.journal.hold()
            await client.records(1, encoded())
            await eventually(lambda: door.given.journal.held == 1, "the step to be under way")
            draining = asyncio.create_task(door.given.registry.drain())
            assert (await client.receive()).control.drain
            door.given.journal.release()
            await client.ack(1)
            assert await client.ended() is grpc.StatusCode.OK
            await draining

    run(test())


def test_a_failure_of_our_own_looks_passing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks a stream from this side is UNAVAILABLE with a delay, never UNKNOWN."""

    async def test() -> None:
        async with doors(tmp_path) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            conversation = door.given.registry._by_instance[INSTANCE]
            monkeypatch.setattr(conversation, "records", None)
            await client.records(1, encoded())
            assert await client.ended() is grpc.StatusCode.UNAVAILABLE
            trailers = dict(await client.call.trailing_metadata())
            assert "google.rpc.retryinfo-bin" in trailers

    run(test())


def test_a_session_too_many_is_told_to_come_back(tmp_path: Path) -> None:
    """NACK UNAVAILABLE with seq 0; the place is free when another session ends."""

    async def test() -> None:
        async with doors(tmp_path, connections_max=1) as door:
            first = door.connect()
            await first.hello(INSTANCE)
            second = door.connect()
            answers = [answer async for answer in second]
            assert [answer.nack.code for answer in answers] == [Nack.UNAVAILABLE]
            await first.end()
            await first.ended()
            await eventually(lambda: door.given.connections[-1] == 0, "the place to be free")
            third = door.connect()
            await third.hello(INSTANCE)
            await third.end()

    run(test())


@pytest.mark.parametrize("goodbye", [True, False])
def test_an_unknown_process_has_the_grace(tmp_path: Path, goodbye: bool) -> None:  # noqa: FBT001
    """After the end of a stream its open spans are abandoned when the grace runs out."""

    async def test() -> None:
        async with doors(tmp_path, away_s_max=0.05) as door:
            client = door.connect()
            await client.hello(INSTANCE)
            await client.records(1, marks=marked(TRACE, [ONE]))
            await client.ack(1)
            if goodbye:
                await client.bye()
                assert await client.ended() is grpc.StatusCode.OK
            else:
                client.cancel()
            await eventually(lambda: door.given.abandoned == [1], "ABANDONED")

    run(test())


def test_marks_without_a_session_need_an_instance(tmp_path: Path) -> None:
    """``Record`` opens and ends spans under a seq, refuses them without, and waits for longer."""

    async def test() -> None:
        async with doors(tmp_path, away_s_max=0.0) as door:
            record = door.channel.unary_unary("/sidespan.v1.Recorder/Record")
            marks = Records(marks=marked(TRACE, [ONE]))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await record(RecordRequest(records=marks).SerializeToString())
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            request = RecordRequest(instance_id=INSTANCE, seq=1, records=marks)
            await record(request.SerializeToString())
            store = door.given.store
            assert store.open_instances() == {INSTANCE: 600.0}
            assert INSTANCE in door.given.registry._absences._away
            request = RecordRequest(instance_id=INSTANCE, seq=2, records=Records(ended=TRACE + ONE))
            await record(request.SerializeToString())
            assert store.open_span_count == 0

    run(test())
