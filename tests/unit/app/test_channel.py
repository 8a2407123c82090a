"""The channel between recorder and worker: newest wins, nobody blocks, garbage closes it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgpack
import pytest

from sidespand.app.channel import RecorderEnd, SinkFigures, WorkerEnd
from sidespand.limits import CHANNEL_MESSAGE_BYTES_MAX
from sidespand.model import Position
from tests.journals import LINEAGE, eventually, run


class Recorder:
    """What a recorder heard."""

    def __init__(self) -> None:
        self.ready = 0
        self.closed = 0
        self.cursors: list[Mapping[str, Position]] = []
        self.figures: list[Mapping[str, SinkFigures]] = []
        self.end = RecorderEnd(
            ready=lambda: setattr(self, "ready", self.ready + 1),
            cursors=self.cursors.append,
            figures=self.figures.append,
            closed=lambda: setattr(self, "closed", self.closed + 1),
        )


class Worker:
    """What a worker heard."""

    def __init__(self) -> None:
        self.closed = 0
        self.positions: list[Position] = []
        self.stops: list[float] = []
        self.end = WorkerEnd(
            advanced=self.positions.append,
            stopped=self.stops.append,
            closed=lambda: setattr(self, "closed", self.closed + 1),
        )


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Recorder, Worker]]:
    """Yield both ends of a channel."""
    ours, theirs = socket.socketpair()
    recorder, worker = Recorder(), Worker()
    await recorder.end.open(ours)
    await worker.end.open(theirs)
    try:
        yield recorder, worker
    finally:
        recorder.end.close()
        worker.end.close()
        await eventually(lambda: bool(recorder.closed and worker.closed), "both ends to close")


def position(lsn: int) -> Position:
    """Return a position in one lineage."""
    return Position(1, LINEAGE, lsn)


def test_each_message_arrives_as_it_was_sent() -> None:
    """Positions, stop, readiness, cursors and figures cross the channel unchanged."""

    async def test() -> None:
        async with connected() as (recorder, worker):
            recorder.end.advance(position(2**64 - 1))
            recorder.end.stop(2.5)
            cursors = {"a": position(7), "b": Position(2, bytes(8), 0)}
            figures = {"a": SinkFigures(2**40, 1, 2, 3, 4)}
            worker.end.ready()
            worker.end.report_cursors(cursors)
            worker.end.report_figures(figures)
            await eventually(lambda: bool(worker.stops), "the stop")
            await eventually(lambda: bool(recorder.figures), "the figures")
            assert worker.positions == [position(2**64 - 1)]
            assert worker.stops == [2.5]
            assert (recorder.ready, recorder.cursors, recorder.figures) == (1, [cursors], [figures])

    run(test())


def test_only_the_newest_position_crosses() -> None:
    """Commits within one tick are one message, and the last one is in it."""

    async def test() -> None:
        async with connected() as (recorder, worker):
            for lsn in range(1, 1001):
                recorder.end.advance(position(lsn))
            await eventually(lambda: bool(worker.positions), "a position")
            assert worker.positions == [position(1000)]

    run(test())


def test_a_peer_that_does_not_read_costs_one_message() -> None:
    """However many positions are announced, what waits stays small; the newest arrives at last."""

    async def test() -> None:
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        recorder, worker = Recorder(), Worker()
        await recorder.end.open(ours)
        transport = recorder.end._transport
        assert transport is not None
        lsn = 0
        for _ in range(10_000):
            lsn += 1
            recorder.end.advance(position(lsn))
            recorder.end._flush()
        assert recorder.end._paused
        message = len(msgpack.packb({"position": position(lsn)}))
        assert transport.get_write_buffer_size() <= message
        assert recorder.end._outbox == {"position": position(lsn)}
        await worker.end.open(theirs)
        await eventually(lambda: position(lsn) in worker.positions, "the newest position")
        recorder.end.close()
        await eventually(lambda: bool(worker.closed), "the close")

    run(test())


def test_either_end_learns_once_that_the_other_is_gone() -> None:
    """EOF is told once, whoever closes."""

    async def test() -> None:
        async with connected() as (recorder, worker):
            recorder.end.close()
            await eventually(lambda: bool(worker.closed and recorder.closed), "both")
            recorder.end.close()
            recorder.end.advance(position(1))
            worker.end.report_cursors({})
            await asyncio.sleep(0)
        assert (recorder.closed, worker.closed) == (1, 1)

    run(test())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xc1",
        b"\x01",
        msgpack.packb(["position"]),
        msgpack.packb({"cursors": 5}),
        msgpack.packb({"cursors": {"a": [1, 2]}}),
        msgpack.packb({"sinks": {"a": [1, 2, 3]}}),
        msgpack.packb({"cursors": {"a": ["x", b"", 1]}}),
        b"\xc6\xff\xff\xff\xff" + bytes(2 * CHANNEL_MESSAGE_BYTES_MAX),
    ],
)
def test_what_cannot_be_read_closes_the_channel(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken peer is let go with a log line, not believed and not fatal."""

    async def test() -> None:
        ours, theirs = socket.socketpair()
        recorder = Recorder()
        await recorder.end.open(ours)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(theirs, garbage)
        except ConnectionError:
            assert len(garbage) > CHANNEL_MESSAGE_BYTES_MAX
        await eventually(lambda: bool(recorder.closed), "the close")
        theirs.close()

    run(test())
    assert "the channel between recorder and worker is broken" in caplog.text


def test_keys_of_a_later_version_are_passed_over() -> None:
    """A message may say more than this version knows."""

    async def test() -> None:
        ours, theirs = socket.socketpair()
        recorder = Recorder()
        await recorder.end.open(ours)
        theirs.sendall(msgpack.packb({"later": [1], "ready": True}))
        await eventually(lambda: bool(recorder.ready), "the known part")
        theirs.close()
        await eventually(lambda: bool(recorder.closed), "the close")

    run(test())
