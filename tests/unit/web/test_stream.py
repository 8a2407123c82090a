"""Streams of changes: as many as there may be, and what one of them sends."""

import asyncio
import json
from pathlib import Path

import pytest

from sidespand.ai import normaliser
from sidespand.answers.stock import Stock
from sidespand.errors import Unavailable
from sidespand.journal.reader import JournalReader
from sidespand.limits import API_STREAMS_MAX
from sidespand.model import Position
from sidespand.web.pool import Pool
from sidespand.web.stream import Feed, framed
from tests.api_server import answered
from tests.journals import run, write

WAIT_S = 20.0


def test_there_are_only_so_many(tmp_path: Path) -> None:
    """One more is told to come back; when one leaves there is room, and none after the end."""

    async def test() -> None:
        await write(tmp_path, ())
        reader, pool = JournalReader(tmp_path), Pool("test", 1, 8)
        feed = Feed(Stock(reader, normaliser()), pool)
        for _ in range(API_STREAMS_MAX):
            feed.join()
        with pytest.raises(Unavailable):
            feed.join()
        feed.leave()
        feed.join()

        async def follow() -> None:
            while await feed.wait(feed.moves, 3600.0):
                pass

        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await feed.close()
        async with asyncio.timeout(WAIT_S):
            await following
        with pytest.raises(Unavailable):
            feed.join()
        pool.close()
        reader.close()

    run(test())


def test_the_id_is_on_the_last_event_of_a_batch() -> None:
    """Who is cut off in the middle of a batch gets all of it again; no text ends an event."""
    place = Position(1, bytes(8), 7)
    sent = framed([("trace", {"a": "x\n\ny\r\u2028"}), ("gap", {"b": 1})], place).decode("ascii")
    first, second, rest = sent.split("\n\n")
    assert rest == ""
    assert first.split("\n")[0] == "event: trace"
    assert json.loads(first.split("data: ")[1]) == {"a": "x\n\ny\r\u2028"}
    assert second.split("\n")[:2] == [f"id: {place}", "event: gap"]


def test_without_an_index_there_is_no_stream(tmp_path: Path) -> None:
    """The answer says how to have one."""
    told = answered(tmp_path, "GET", "/v1/stream")
    assert told.status == 404
    assert "index.enabled" in told.json["error"]["hint"]
