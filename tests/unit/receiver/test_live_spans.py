"""Marks open spans, ends close them, and a client that goes for good leaves ABANDONED behind."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgpack
import pytest

from sidespan.v1.recorder_pb2 import Nack
from sidespand.model import Kind
from tests.frame_client import BYE, frame
from tests.journals import eventually, records_of
from tests.otlp import marked
from tests.unit.receiver.serving import Client, Sessions, run, sessions

INSTANCE = b"instance-0000001"
OTHER = b"instance-0000002"
TRACE = bytes(range(16))
ROOT = Path(__file__).parents[3]
GRACE_S = 0.05


def span_id(number: int) -> bytes:
    """Return a span id."""
    return number.to_bytes(8, "big")


def ended(*numbers: int) -> bytes:
    """Return the ids of spans as ``Records.ended`` has them."""
    return b"".join(TRACE + span_id(number) for number in numbers)


def marks(*numbers: int) -> bytes:
    """Return encoded marks of spans."""
    return marked(TRACE, [span_id(number) for number in numbers])


def abandoned(root: Path) -> list[dict[str, object]]:
    """Return the bodies of the ABANDONED records of a closed store."""
    return [
        msgpack.unpackb(one.payload)
        for one in records_of(root / "data")
        if one.header.kind is Kind.ABANDONED and one.payload is not None
    ]


def named(body: dict[str, object]) -> list[int]:
    """Return the numbers of the spans that an ABANDONED record names."""
    rows = body["spans"]
    assert isinstance(rows, list)
    return [int.from_bytes(row[1], "big") for row in rows]


def test_marks_open_spans_and_ended_closes_them(tmp_path: Path) -> None:
    """The first mark opens; what was not open is passed over; one step may open and end."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.records(1, marks=marks(1, 2))
            client.records(2, marks=marks(2, 3), ended=ended(1, 77))
            client.records(3, marks=marks(4), ended=ended(4))
            acks = [await client.ack(seq) for seq in (1, 2, 3)]
            assert [ack.last_lsn - ack.first_lsn for ack in acks] == [1, 1, 0]
            spans = given.store._open_spans.of(INSTANCE)
            assert [key.span_id for key in spans] == [span_id(2), span_id(3)]
            assert [span.lsn for span in spans.values()] == [acks[0].last_lsn, acks[1].last_lsn]
            peer = next(iter(spans.values())).peer
            assert (peer.door, peer.pid, peer.uid) == ("ingest", os.getpid(), os.geteuid())
            client.records(4, ended=ended(2, 3))
            await client.ack(4)
            assert given.store.open_span_count == given.store.open_count(INSTANCE) == 0

    run(test())


def test_a_step_that_comes_again_opens_nothing_again(tmp_path: Path) -> None:
    """A duplicate of a step whose span has ended since leaves it ended."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.records(1, marks=marks(1))
            client.records(2, ended=ended(1))
            client.records(1, marks=marks(1))
            await client.ack(1)
            await client.ack(2)
            assert (await client.ack(1)).duplicate
            assert given.store.open_span_count == 0

    run(test())


def test_malformed_marks_and_ends_are_refused(tmp_path: Path) -> None:
    """A mark with an end is a bad item, half an id is INVALID; the seq is used up."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.records(1, marks=marked(TRACE, [span_id(1), span_id(2)], end_ns=[0, 5]))
            ack = await client.ack(1)
            assert (ack.rejected_items, ack.last_lsn - ack.first_lsn) == (1, 0)
            assert "a mark must not have an end_time_unix_nano" in ack.rejected_reason
            client.records(2, marks=marks(3), ended=ended(1)[:-1])
            nack = await client.nack(2)
            assert nack.code == Nack.INVALID
            assert "ended has 23 bytes" in nack.text
            assert given.store.open_count(INSTANCE) == 1

    run(test())


def test_an_end_counts_when_its_span_is_refused(tmp_path: Path) -> None:
    """A span whose own record is refused for good is not running any more."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.records(1, marks=marks(1))
            client.records(2, traces=b"\xff", ended=ended(1))
            await client.ack(1)
            assert (await client.nack(2)).code == Nack.INVALID
            assert given.store.open_count(INSTANCE) == 0

    run(test())


CLIENT = """
import os, select, sys
from pathlib import Path
from tests.frame_client import FrameClient

os.chdir(sys.argv[1])
client = FrameClient(Path("ingest.sock"))
client.hello(bytes.fromhex(sys.argv[2]))
client.records(1, marks=bytes.fromhex(sys.argv[3]))
client.ack(1)
if sys.argv[4] == "unread":
    client.records(2)
    select.select([client.socket], [], [])
if sys.argv[4] == "bye":
    client.send(3, 0, b"")
    assert client.closed()
print("open", flush=True)
sys.stdin.read()
"""


async def client_with_open_spans(given: Sessions, how: str = "") -> asyncio.subprocess.Process:
    """Start a program with spans 1 and 2 open; return when they are durable."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, str(given.path.parent)),
        *(INSTANCE.hex(), marks(1, 2).hex(), how),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    assert given.store.open_count(INSTANCE) == 2
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["", "bye", "unread"], ids=["connected", "after BYE", "with answers unread"]
)
@pytest.mark.parametrize("reaped", [True, False])
def test_what_a_killed_client_left_open_is_abandoned(
    tmp_path: Path,
    how: str,
    reaped: bool,  # noqa: FBT001
) -> None:
    """At once, also while the process is a zombie; the record names spans, pid, uid and time."""

    async def test() -> None:
        async with sessions(tmp_path, away_s_max=3600) as given:
            process = await client_with_open_spans(given, how)
            os.kill(process.pid, signal.SIGKILL)
            if reaped:
                await process.wait()
            await eventually(lambda: given.store.open_span_count == 0, "ABANDONED", 5.0)
            await eventually(lambda: given.abandoned == [2], "the count")
            await process.wait()
            pids.append(process.pid)

    pids: list[int] = []
    run(test())
    (body,) = abandoned(tmp_path)
    assert named(body) == [1, 2]
    assert (body["pid"], body["uid"], body["door"]) == (pids[0], os.geteuid(), "ingest")
    assert body["instance_id"] == INSTANCE
    assert body["reason"] == "its process is gone"
    assert isinstance(body["at_ns"], int)


def test_a_client_that_comes_back_in_time_goes_on(tmp_path: Path) -> None:
    """Its spans stay open through the loss of its connection, and it ends them itself."""

    async def test() -> None:
        async with sessions(tmp_path, away_s_max=3600) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.records(1, marks=marks(1))
                await client.ack(1)
            absences = given.registry._absences
            await eventually(lambda: INSTANCE in absences._away, "its absence")
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                assert not absences._away
                client.records(2, ended=ended(1))
                await client.ack(2)

    run(test())
    assert abandoned(tmp_path) == []


def test_a_client_that_stays_away_has_abandoned_its_spans(tmp_path: Path) -> None:
    """After the grace, though its process lives; a mark that comes after all opens the span."""

    async def test() -> None:
        async with sessions(tmp_path, away_s_max=GRACE_S) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.records(1, marks=marks(1))
                await client.ack(1)
            await eventually(lambda: given.abandoned == [1], "ABANDONED")
            async with await Client.connect(given.path) as client:
                assert (await client.hello(INSTANCE)).last_seq == 1
                client.records(2, marks=marks(1))
                await client.ack(2)
                assert given.store.open_count(INSTANCE) == 1

    run(test())
    (body,) = abandoned(tmp_path)
    assert body["reason"] == "it did not come back in time"


def test_goodbye_keeps_spans_open_while_the_process_lives(tmp_path: Path) -> None:
    """After BYE no grace runs out; who comes back finds its spans open."""

    async def test() -> None:
        async with sessions(tmp_path, away_s_max=0.0) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.records(1, marks=marks(1))
                await client.ack(1)
                client.writer.write(frame(BYE, 0, b""))
                assert await client.closed()
            absences = given.registry._absences
            await eventually(lambda: INSTANCE in absences._away, "its absence")
            async with await Client.connect(given.path) as other:
                # A client whose grace of 0 s runs out shows that there was time.
                await other.hello(OTHER)
                other.records(1, marks=marks(2))
                await other.ack(1)
            await eventually(lambda: given.abandoned == [1], "the other's end")
            assert given.store.open_count(INSTANCE) == 1
            assert given.store.open_count(OTHER) == 0

    run(test())
    (body,) = abandoned(tmp_path)
    assert body["instance_id"] == OTHER


def test_after_a_restart_the_grace_begins_anew(tmp_path: Path) -> None:
    """Open spans survive the daemon; who returns goes on, who does not has abandoned them."""

    async def test() -> None:
        async with AsyncExitStack() as clients:  # noqa: SIM117 - The clients outlive the daemon.
            async with sessions(tmp_path, away_s_max=GRACE_S) as given:
                for instance, number in ((INSTANCE, 1), (OTHER, 2)):
                    client = await clients.enter_async_context(await Client.connect(given.path))
                    await client.hello(instance)
                    client.records(1, marks=marks(number))
                    await client.ack(1)
        (tmp_path / "ingest.sock").unlink(missing_ok=True)
        async with sessions(tmp_path) as given:
            assert given.store.open_instances() == {INSTANCE: GRACE_S, OTHER: GRACE_S}
            async with await Client.connect(given.path) as client:
                given.registry.start()
                await client.hello(INSTANCE)
                await eventually(lambda: given.abandoned == [1], "ABANDONED of the other")
                client.records(2, ended=ended(1))
                await client.ack(2)

    run(test())
    (body,) = abandoned(tmp_path)
    assert (body["instance_id"], named(body)) == (OTHER, [2])
    assert body["reason"] == "it did not come back after a restart of the daemon"


def test_a_newer_connection_takes_the_open_spans_over(tmp_path: Path) -> None:
    """The end of the connection that was replaced abandons nothing."""

    async def test() -> None:
        async with (
            sessions(tmp_path, away_s_max=0.0) as given,
            await Client.connect(given.path) as older,
        ):
            await older.hello(INSTANCE)
            older.records(1, marks=marks(1))
            await older.ack(1)
            async with await Client.connect(given.path) as newer:
                await newer.hello(INSTANCE)
                assert await older.closed()
                newer.records(2, ended=ended(1))
                await newer.ack(2)

    run(test())
    assert abandoned(tmp_path) == []
