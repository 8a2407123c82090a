"""Questions over the channel: each is answered once, with what the recorder said or raised."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidespand.app.channel import Asked, Body, RecorderEnd, WorkerEnd
from sidespand.errors import InvalidRequest, NotFound, SidespanError, StoreUnreadable, Unavailable
from sidespand.limits import CHANNEL_ASK_BYTES_MAX, CHANNEL_ASKS_MAX
from sidespand.model import Position
from tests.journals import LINEAGE, eventually, run


@asynccontextmanager
async def connected(asked: Asked | None) -> AsyncIterator[tuple[RecorderEnd, WorkerEnd]]:
    """Yield both ends of a channel."""
    ours, theirs = socket.socketpair()
    closed: list[None] = []
    recorder = RecorderEnd(
        ready=lambda: None,
        cursors=lambda _: None,
        figures=lambda _: None,
        closed=lambda: closed.append(None),
        asked=asked,
    )
    worker = WorkerEnd(
        advanced=lambda _: None, stopped=lambda _: None, closed=lambda: closed.append(None)
    )
    await recorder.open(ours)
    await worker.open(theirs)
    try:
        yield recorder, worker
    finally:
        recorder.close()
        worker.close()
        await eventually(lambda: len(closed) == 2, "both ends to close")


async def double(verb: str, body: Body) -> Body:
    """Answer a number with twice that number."""
    return {"verb": verb, "number": 2 * body["number"]}


def test_each_question_gets_its_own_answer() -> None:
    """Questions that are open together are told apart, between facts that pass by."""

    async def test() -> None:
        async with connected(double) as (recorder, worker):
            asking = [worker.ask("double", {"number": n}) for n in range(CHANNEL_ASKS_MAX)]
            recorder.advance(Position(1, LINEAGE, 7))
            answers = await asyncio.gather(*asking)
        assert [one["number"] for one in answers] == [2 * n for n in range(CHANNEL_ASKS_MAX)]
        assert {one["verb"] for one in answers} == {"double"}

    run(test())


def test_answers_may_overtake_each_other() -> None:
    """A slow question holds up no other one."""

    async def test() -> None:
        release = asyncio.Event()

        async def patient(verb: str, body: Body) -> Body:
            if verb == "wait":
                await release.wait()
            return body

        async with connected(patient) as (_, worker):
            slow = asyncio.ensure_future(worker.ask("wait", {"number": 1}))
            assert await worker.ask("go", {"number": 2}) == {"number": 2}
            assert not slow.done()
            release.set()
            assert await slow == {"number": 1}

    run(test())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (NotFound("no such record", hint="look"), NotFound),
        (Unavailable("full", hint="free space"), Unavailable),
        (InvalidRequest("nonsense"), InvalidRequest),
        (StoreUnreadable("damaged", hint="restore"), SidespanError),
    ],
)
def test_an_error_arrives_with_its_words(
    raised: SidespanError, expected: type[SidespanError]
) -> None:
    """The asker learns the kind where it matters, the message and the next step."""

    async def refuse(_verb: str, _body: Body) -> Body:
        raise raised

    async def test() -> None:
        async with connected(refuse) as (_, worker):
            with pytest.raises(expected) as caught:
                await worker.ask("anything", {})
        assert type(caught.value) is expected
        assert (str(caught.value), caught.value.hint) == (str(raised), raised.hint)

    run(test())


def test_a_fault_of_the_recorder_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is logged there, and the channel lives on."""

    async def fail(_verb: str, body: Body) -> Body:
        return {"number": 1 // body["number"]}

    async def test() -> None:
        async with connected(fail) as (_, worker):
            with pytest.raises(SidespanError, match="log has the reason"):
                await worker.ask("divide", {"number": 0})
            assert await worker.ask("divide", {"number": 1}) == {"number": 1}

    run(test())
    assert "ZeroDivisionError" in caplog.text


def test_too_many_or_too_long_questions_are_not_sent() -> None:
    """What the channel may hold is bounded; one more is refused at once."""

    async def never(_verb: str, _body: Body) -> Body:
        await asyncio.Event().wait()
        return {}

    async def test() -> None:
        async with connected(never) as (_, worker):
            with pytest.raises(InvalidRequest):
                await worker.ask("long", {"text": "x" * CHANNEL_ASK_BYTES_MAX})
            tasks = [asyncio.ensure_future(worker.ask("wait", {})) for _ in range(CHANNEL_ASKS_MAX)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await worker.ask("wait", {})
            for task in tasks:
                task.cancel()

    run(test())


def test_a_recorder_that_goes_leaves_nobody_waiting() -> None:
    """Open questions fail as retryable, and later ones at once."""

    async def never(_verb: str, _body: Body) -> Body:
        await asyncio.Event().wait()
        return {}

    async def test() -> None:
        async with connected(never) as (recorder, worker):
            asking = asyncio.ensure_future(worker.ask("wait", {}))
            await asyncio.sleep(0)
            recorder.close()
            with pytest.raises(Unavailable, match="gone"):
                await asking
            with pytest.raises(Unavailable, match="gone"):
                await worker.ask("wait", {})

    run(test())


def test_a_recorder_that_answers_nothing_says_so() -> None:
    """An unknown question is an error, not silence."""

    async def test() -> None:
        async with connected(None) as (_, worker):
            with pytest.raises(InvalidRequest, match="dance"):
                await worker.ask("dance", {})

    run(test())
