"""A session: bound to its instance, decided in order, bounded, and let go with a reason."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

import pytest

from sidespan.v1.recorder_pb2 import HelloAck, Nack, Records
from sidespand.errors import JournalFailed, Unavailable
from sidespand.limits import MIB, REQUEST_OVERHEAD_BYTES, UNACKED_BYTES_MAX
from sidespand.receiver.conversation import Conversation
from sidespand.receiver.session import IngestConnection
from tests.frame_client import BYE, CONTROL, HEAD, HELLO_ACK, RECORDS, frame
from tests.journals import eventually, records_of
from tests.otlp import encoded
from tests.toolchain import require
from tests.unit.receiver.serving import LIMIT, Client, Sessions, run, sessions

INSTANCE = b"instance-0000001"
OTHER = b"instance-0000002"
ROOT = Path(__file__).parents[3]
# What one read of the loop may bring in before it is regulated.
READ_BYTES = MIB // 4


def under_test(given: Sessions) -> Conversation:
    """Return the session of INSTANCE."""
    return given.registry._by_instance[INSTANCE]


def line_of(given: Sessions) -> IngestConnection:
    """Return the connection of INSTANCE."""
    line = under_test(given)._line
    assert isinstance(line, IngestConnection)
    return line


async def turn(given: Sessions) -> None:
    """Return after the loop has dealt with everything that was sent before."""
    async with await Client.connect(given.path) as client:
        await client.hello(OTHER)


def test_steps_are_answered_in_the_order_of_their_seq(tmp_path: Path) -> None:
    """Sent without waiting, behind the HELLO, each is durable where the one before ends."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            client.greet(INSTANCE)
            for seq in range(1, 101):
                client.records(seq, encoded(2) if seq % 2 else b"")
            assert (await client.receive())[0] == HELLO_ACK
            acks = [await client.ack(seq) for seq in range(1, 101)]
            assert [ack.first_lsn for ack in acks[1::2]] == [0] * 50
            stored = acks[::2]
            for earlier, later in itertools.pairwise(stored):
                assert later.first_lsn == earlier.last_lsn + 1

    run(test())


def test_a_step_that_comes_again_is_in_the_journal_once(tmp_path: Path) -> None:
    """Its ACK says so, with the LSNs and the token of the first time, on any connection."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.records(1, encoded(3))
                client.records(2, encoded(3))
                first, second = await client.ack(1), await client.ack(2)
                client.records(2, encoded(3))
                again = await client.ack(2)
                assert again.duplicate
                again.duplicate = False
                assert again == second
                client.records(1, encoded(3))
                assert (await client.ack(1)).duplicate
            async with await Client.connect(given.path) as client:
                assert (await client.hello(INSTANCE)).last_seq == 2
                client.records(2, encoded(3))
                assert (await client.ack(2)).first_lsn == second.first_lsn == first.last_lsn + 1
        stored = [one for one in records_of(tmp_path / "data") if one.header.producer_seq]
        assert [one.header.producer_seq for one in stored] == [1, 2]

    run(test())


def test_a_step_before_its_turn_is_to_come_again(tmp_path: Path) -> None:
    """OUT_OF_ORDER names what is owed; nothing is stored until that comes."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.records(2, encoded())
            nack = await client.nack(2)
            assert nack.code == Nack.OUT_OF_ORDER
            assert nack.text == "seq 2 came while seq 1 is owed"
            assert nack.retry_after_ms > 0
            client.records(1, encoded())
            client.records(2, encoded())
            assert not (await client.ack(1)).duplicate
            assert not (await client.ack(2)).duplicate

    run(test())


def test_an_unknown_instance_goes_on_where_its_acks_end(tmp_path: Path) -> None:
    """A store that never saw the instance believes what the client holds ACKs for."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            assert (await client.hello(INSTANCE, acked_seq=41)).last_seq == 0
            client.records(43, encoded())
            assert (await client.nack(43)).code == Nack.OUT_OF_ORDER
            client.records(42, encoded())
            assert not (await client.ack(42)).duplicate

    run(test())


def test_a_refusal_for_good_uses_its_seq_up(tmp_path: Path) -> None:
    """The next step follows it, and sent again it is answered as done, with nothing stored."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                client.records(1, b"\xff")
                client.records(2, encoded())
                nack = await client.nack(1)
                assert (nack.code, nack.retry_after_ms) == (Nack.INVALID, 0)
                assert (await client.ack(2)).first_lsn > 0
            async with await Client.connect(given.path) as client:
                assert (await client.hello(INSTANCE)).last_seq == 2
                client.records(1, b"\xff")
                again = await client.nack(1)
                assert again.code == Nack.INVALID

    run(test())


@pytest.mark.parametrize("refusal", [Unavailable("full"), JournalFailed("the disk is gone")])
def test_a_passing_refusal_leaves_its_seq_owed(tmp_path: Path, refusal: Unavailable) -> None:
    """What follows is out of order until the refused step comes again."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            given.journal.refusals.append(refusal)
            client.records(1, encoded())
            client.records(2, encoded())
            nack = await client.nack(1)
            assert (nack.code, nack.text) == (Nack.UNAVAILABLE, str(refusal))
            assert nack.retry_after_ms == refusal.retry_after_ms
            assert (await client.nack(2)).code == Nack.OUT_OF_ORDER
            for seq in (1, 2):
                client.records(seq, encoded())
                assert not (await client.ack(seq)).duplicate

    run(test())


def test_a_newer_connection_waits_for_what_the_older_has_under_way(tmp_path: Path) -> None:
    """The older one is closed at once; HELLO_ACK comes when its last step is decided."""

    async def test() -> None:
        async with (
            sessions(tmp_path) as given,
            await Client.connect(given.path) as older,
            await Client.connect(given.path) as newer,
        ):
            await older.hello(INSTANCE)
            given.journal.hold()
            older.records(1, encoded())
            await eventually(lambda: given.journal.held == 1, "the step to be under way")
            newer.greet(INSTANCE)
            newer.records(2, encoded())
            assert await older.closed()
            await turn(given)
            assert newer.reader._buffer == b""  # type: ignore[attr-defined]
            given.journal.release()
            number, _, body = await newer.receive()
            assert number == HELLO_ACK
            assert HelloAck.FromString(body).last_seq == 1
            assert not (await newer.ack(2)).duplicate

    run(test())


def test_what_a_lost_connection_has_under_way_is_waited_for_too(tmp_path: Path) -> None:
    """A client that died and came back learns of its last step."""

    async def test() -> None:
        async with (
            sessions(tmp_path) as given,
            await Client.connect(given.path) as older,
            await Client.connect(given.path) as newer,
        ):
            given.journal.hold()
            older.reader._transport.pause_reading()  # type: ignore[attr-defined]
            older.greet(INSTANCE)
            older.records(1, encoded())
            await eventually(lambda: given.journal.held == 1, "the step to be under way")
            connection = under_test(given)
            # With an answer unread this is a reset, not an end of file.
            older.writer.transport.abort()
            await eventually(lambda: connection._lost, "the connection to be lost")
            newer.greet(INSTANCE)
            await turn(given)
            assert newer.reader._buffer == b""  # type: ignore[attr-defined]
            given.journal.release()
            _, _, body = await newer.receive()
            assert HelloAck.FromString(body).last_seq == 1

    run(test())


@pytest.mark.parametrize("ending", ["bye", "end of file", "both"])
def test_who_says_goodbye_gets_what_is_due(tmp_path: Path, ending: str) -> None:
    """Everything that was sent is decided and answered before the daemon closes."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            given.journal.hold()
            client.greet(INSTANCE)
            client.records(1, encoded())
            client.records(2, encoded())
            if ending != "end of file":
                client.writer.write(frame(BYE, 0, b""))
            if ending != "bye":
                client.writer.write_eof()
            await eventually(lambda: given.journal.held == 2, "both to be under way")
            given.journal.release()
            assert (await client.receive())[0] == HELLO_ACK
            for seq in (1, 2):
                assert (await client.ack(seq)).first_lsn > 0
            assert await client.closed()
            await eventually(lambda: given.connections[-1] == 0, "the connection to be forgotten")

    run(test())


def test_a_frame_too_large_and_the_end_are_both_dealt_with(tmp_path: Path) -> None:
    """The refusal comes after what was sent before it, and nothing is left waiting."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            given.journal.hold()
            await client.hello(INSTANCE)
            client.records(1, encoded())
            client.writer.write(HEAD.pack(9 + LIMIT + 1, RECORDS, 2))
            client.writer.write_eof()
            await eventually(lambda: given.journal.held == 2, "both to be under way")
            given.journal.release()
            await client.ack(1)
            assert (await client.nack(2)).code == Nack.TOO_LARGE
            assert await client.closed()
            await given.registry.drain()

    run(test())


@pytest.mark.parametrize("before_its_turn", [False, True])
def test_a_frame_too_large_is_decided_in_order(tmp_path: Path, before_its_turn: bool) -> None:  # noqa: FBT001
    """In its turn its seq is used up; before that it is out of order like any other."""

    async def test() -> None:
        async with sessions(tmp_path) as given:
            async with await Client.connect(given.path) as client:
                await client.hello(INSTANCE)
                seq = 7 if before_its_turn else 1
                client.writer.write(HEAD.pack(9 + LIMIT + 1, RECORDS, seq))
                nack = await client.nack(seq)
                assert nack.code == (Nack.OUT_OF_ORDER if before_its_turn else Nack.TOO_LARGE)
                assert await client.closed()
            async with await Client.connect(given.path) as client:
                last_seq = (await client.hello(INSTANCE)).last_seq
                assert last_seq == (0 if before_its_turn else 1)

    run(test())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body_bytes", "count"),
    [(0, 40_000), (200, 20_000), (MIB, 24)],
    ids=["empty", "small", "large"],
)
def test_what_is_unacked_is_bounded(tmp_path: Path, body_bytes: int, count: int) -> None:
    """A client far ahead of its ACKs is not read from, whatever the size of its frames."""
    traces = encoded(service="x" * (body_bytes - 100)) if body_bytes else b""
    body = Records(traces=traces).SerializeToString()
    each = REQUEST_OVERHEAD_BYTES + len(body)
    slack = each * (1 + READ_BYTES // (len(body) + HEAD.size))

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            given.journal.hold()
            client.writer.write(b"".join(frame(RECORDS, seq, body) for seq in range(1, count + 1)))
            await eventually(lambda: line_of(given)._paused, "the daemon to stop reading")
            await turn(given)
            assert under_test(given)._unacked_bytes <= UNACKED_BYTES_MAX + slack
            assert given.journal.taken < count
            given.journal.release()
            for seq in range(1, count + 1):
                await client.ack(seq)
            assert given.journal.taken == count
            assert under_test(given)._unacked_bytes == 0

    run(test())


@pytest.mark.slow
def test_a_client_that_does_not_read_its_answers_is_not_read(tmp_path: Path) -> None:
    """What waits to be sent to it is bounded; when it reads, it gets everything."""
    count = 40_000

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            for seq in range(1, count + 1):
                client.records(seq)
            connection, conversation = line_of(given), under_test(given)
            await eventually(lambda: connection._congested, "the daemon to stop reading")
            await eventually(lambda: not conversation._undecided, "what was read to be answered")
            assert given.journal.taken < count
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 8 * MIB
            client.reader._transport.resume_reading()  # type: ignore[attr-defined]
            for seq in range(1, count + 1):
                await client.ack(seq)

    run(test())


def test_a_client_that_stops_in_a_frame_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After the time that a frame may rest the connection is closed, and the log says why."""

    async def test() -> None:
        async with (
            sessions(tmp_path, stall_s=0.02) as given,
            await Client.connect(given.path) as client,
            await Client.connect(given.path) as idle,
        ):
            await client.hello(INSTANCE)
            client.records(1)
            client.writer.write(frame(RECORDS, 2, bytes(100))[:50])
            await client.ack(1)
            assert await client.closed()
            # Whoever is between two frames may be silent for as long as it likes.
            assert (await idle.hello(OTHER)).last_seq == 0

    run(test())
    assert f"pid {os.getpid()} uid {os.getuid()} closed: the rest of its frame did not come" in (
        caplog.text
    )


def test_a_client_that_waits_for_us_is_not_let_go(tmp_path: Path) -> None:
    """While the daemon does not read, the rest of a frame cannot be late."""
    body = Records(traces=encoded(service="x" * MIB)).SerializeToString()
    count = UNACKED_BYTES_MAX // MIB + 2

    async def test() -> None:
        async with (
            sessions(tmp_path, stall_s=0.2) as given,
            await Client.connect(given.path) as client,
        ):
            await client.hello(INSTANCE)
            given.journal.hold()
            for seq in range(1, count + 1):
                client.writer.write(frame(RECORDS, seq, body))
            await eventually(lambda: line_of(given)._paused, "the daemon to stop reading")
            assert line_of(given)._splitter.partial
            assert line_of(given)._stall is None
            given.journal.release()
            for seq in range(1, count + 1):
                await client.ack(seq)

    run(test())


def test_a_stop_is_announced_and_answers_what_is_due(tmp_path: Path) -> None:
    """CONTROL comes at once, the ACKs that are due follow, what comes later is not looked at."""

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            await client.hello(INSTANCE)
            given.journal.hold()
            client.records(1, encoded())
            await eventually(lambda: given.journal.held == 1, "the step to be under way")
            draining = asyncio.create_task(given.registry.drain())
            assert (await client.receive())[0] == CONTROL
            client.records(2, encoded())
            await client.writer.drain()
            assert not draining.done()
            given.journal.release()
            await client.ack(1)
            assert await client.closed()
            await draining
            assert given.journal.taken == 1

    run(test())


def test_there_are_no_more_connections_than_the_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One too many is told to come back, and closed; a place that is free is given again."""

    async def test() -> None:
        async with sessions(tmp_path, connections_max=1) as given:
            async with await Client.connect(given.path) as first:
                await first.hello(INSTANCE)
                async with await Client.connect(given.path) as second:
                    nack = await second.nack(0)
                    assert (nack.code, nack.text) == (nack.UNAVAILABLE, "more than 1 connections")
                    assert nack.retry_after_ms > 0
                    assert await second.closed()
                first.records(1)
                await first.ack(1)
            await eventually(lambda: given.connections[-1] == 0, "the place to be free")
            async with await Client.connect(given.path) as third:
                await third.hello(OTHER)

    run(test())
    assert caplog.text.count("more than 1 sessions; the next are told to come back") == 1


def let_everybody_in(path: Path) -> None:
    """Let any user connect who is in the socket's directory."""
    path.parent.chmod(0o755)
    path.chmod(0o666)


AS_NOBODY = """
import os, sys
from pathlib import Path
from sidespan.v1.recorder_pb2 import Hello, Nack
from tests.frame_client import HELLO, FrameClient

os.chdir(sys.argv[1])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
with FrameClient(Path("ingest.sock")) as client:
    hello = Hello(
        instance_id=bytes.fromhex(sys.argv[2]), protocol_version_min=1, protocol_version_max=1
    )
    client.send(HELLO, 0, hello.SerializeToString())
    nack = client.nack(0)
    assert client.closed()
    print(Nack.Code.Name(nack.code), nack.text)
"""


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["a connection", "a row"])
def test_an_instance_belongs_to_its_user(tmp_path: Path, known: bool) -> None:  # noqa: FBT001
    """Another uid is refused, whether the instance is connected now or has been before."""
    require(os.geteuid() == 0, "root", "run as root, so that the test can be another user")

    async def other_user() -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AS_NOBODY, str(tmp_path), INSTANCE.hex()),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    async def test() -> None:
        async with sessions(tmp_path) as given, await Client.connect(given.path) as client:
            let_everybody_in(given.path)
            await client.hello(INSTANCE)
            if known:
                client.records(1)
                await client.ack(1)
                client.writer.write_eof()
                assert await client.closed()
            said = await other_user()
            assert said == "PERMISSION_DENIED this instance id belongs to another user\n"
            if not known:
                client.records(1)
                await client.ack(1)

    run(test())
