"""Many connections, slow ones and streams: each has its bound, and is told so in JSON."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sidespand.index import holes
from sidespand.index.files import index_path
from sidespand.index.reader import IndexReader
from sidespand.limits import API_CONNECTIONS_MAX, API_STREAMS_MAX
from sidespand.model import Gap
from sidespand.search import Query
from sidespand.web import server
from tests import indexes, journals, otlp
from tests.api_server import Doors, Told, ask, serving

pytestmark = pytest.mark.slow
WAIT_S = 20.0
TRACES = [bytes([number]) * 16 for number in (1, 2, 3)]


def _contents() -> list[Any]:
    return [journals.content(otlp.encoded(1, trace_id=one)) for one in TRACES]


async def _indexed(place: Path) -> IndexReader:
    """Record a span of each trace, and index them."""
    await journals.write(place / "data", _contents())
    indexer, journal = indexes.indexer_of(place / "data")
    indexer.start()
    try:
        await indexes.caught_up(indexer, journal)
    finally:
        indexer.stop()
        journal.close()
    return IndexReader(indexer.path)


def _connected(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(WAIT_S)
    one.connect(str(path))
    return one


def _streaming(path: Path, target: str = "/v1/stream", header: str = "") -> socket.socket:
    one = _connected(path)
    one.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode())
    return one


def _statuses(connections: Sequence[socket.socket]) -> list[int]:
    return [int(one.recv(4096).split()[1]) for one in connections]


def test_streams_that_begin_at_once_are_not_more_than_there_may_be(tmp_path: Path) -> None:
    """The others are told to come back, and when the first leave there is room again."""

    async def test() -> None:
        index = await _indexed(tmp_path)
        async with serving(tmp_path, index=index) as doors:
            many = [_streaming(doors.path) for _ in range(2 * API_STREAMS_MAX)]
            statuses = await asyncio.to_thread(_statuses, many)
            assert statuses.count(200) == API_STREAMS_MAX
            assert statuses.count(503) == API_STREAMS_MAX
            for one in many:
                one.close()

            async def again() -> int:
                with _streaming(doors.path) as one:
                    return (await asyncio.to_thread(_statuses, [one]))[0]

            async with asyncio.timeout(WAIT_S):
                while await again() != 200:
                    pass
        index.close()

    journals.run(test())


def test_the_headers_of_a_stream_have_an_end(tmp_path: Path) -> None:
    """HEAD is answered, and takes nobody's place."""

    async def test() -> None:
        index = await _indexed(tmp_path)
        async with serving(tmp_path, index=index) as doors:
            for _ in range(API_STREAMS_MAX + 1):
                told = await asyncio.to_thread(ask, doors.path, "HEAD", "/v1/stream")
                assert told.status == 200
                assert told.headers["content-type"].startswith("text/event-stream")
        index.close()

    journals.run(test())


def _events(path: Path, target: str, wanted: int, header: str = "") -> list[tuple[str, Any]]:
    """Return the first events of a stream that are no heartbeat."""
    found: list[tuple[str, Any]] = []
    with _streaming(path, target, header) as one, one.makefile("rb") as lines:
        name = ""
        while len(found) < wanted:
            line = lines.readline()
            assert line, "the stream ended"
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
            elif line.startswith(b"data: ") and name not in ("heartbeat", "open"):
                found.append((name, json.loads(line[6:])))
    return found


def test_a_stream_tells_of_what_was_asked_for_alone(tmp_path: Path) -> None:
    """Of one trace, with where its spans are new; of those that match a query."""

    async def test() -> None:
        index = await _indexed(tmp_path)
        async with serving(tmp_path, index=index) as doors:
            first = index.traces(Query()).rows[-1].first
            after = f"after={first.lineage.hex()}:{first.lsn - 1}"
            second = TRACES[1].hex()

            def told(target: str, wanted: int) -> list[tuple[str, Any]]:
                return _events(doors.path, f"/v1/stream?{after}&{target}", wanted)

            one = await asyncio.to_thread(told, f"trace_id={second}", 2)
            assert [(name, data["trace_id"]) for name, data in one] == [
                ("trace", second), ("spans", second),
            ]  # fmt: skip
            found = await asyncio.to_thread(told, f"q=trace:{TRACES[2].hex()}", 1)
            assert [data["trace_id"] for _, data in found] == [TRACES[2].hex()]
            whole = await asyncio.to_thread(told, "", 3)
            assert [data["trace_id"] for _, data in whole] == [one.hex() for one in TRACES]
        index.close()

    journals.run(test())


def test_a_stream_goes_on_behind_the_last_event_that_was_seen(tmp_path: Path) -> None:
    """The header of a browser that comes back goes before the address that it began with."""

    async def test() -> None:
        index = await _indexed(tmp_path)
        first = index.traces(Query()).rows[-1].first
        with sqlite3.connect(index_path(tmp_path / "data")) as db:
            lost = Gap(first.ordinal, first.lineage, 1, 1, "missing")
            holes.note_gap(db, lost, first._replace(lsn=first.lsn + 2))
        db.close()
        async with serving(tmp_path, index=index) as doors:
            begun = f"/v1/stream?after={first.lineage.hex()}:{first.lsn - 1}"
            header = f"Last-Event-ID: {first}\r\n"
            for target in ("/v1/stream", begun):
                told = await asyncio.to_thread(_events, doors.path, target, 3, header)
                assert [name for name, _ in told] == ["trace", "trace", "gap"]
                assert [data["trace_id"] for _, data in told[:2]] == [
                    one.hex() for one in TRACES[1:]
                ]
                assert told[2][1]["reason"] == "missing"
        index.close()

    journals.run(test())


def test_who_finds_no_place_is_told_so(tmp_path: Path) -> None:
    """In the form of every error, with when to come back; then there is room again."""

    async def use(doors: Doors) -> None:
        idle = [_connected(doors.path) for _ in range(API_CONNECTIONS_MAX)]
        try:
            # Each is known when it has been answered.
            for one in idle:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert set(await asyncio.to_thread(_statuses, idle)) == {200}
            told: Told = await asyncio.to_thread(ask, doors.path, "GET", "/v1/status")
            assert (told.status, told.json["error"]["code"]) == (503, "unavailable")
            assert told.json["error"]["retryable"] is True
            assert int(told.headers["retry-after"]) >= 1
            assert told.headers["connection"] == "close"
        finally:
            for one in idle:
                one.close()
        async with asyncio.timeout(WAIT_S):
            while (await asyncio.to_thread(ask, doors.path, "GET", "/v1/status")).status != 200:
                pass

    async def test() -> None:
        async with serving(tmp_path) as doors:
            await use(doors)

    journals.run(test())


@pytest.mark.parametrize("sent", [b"", b"GET /v1/st", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_who_does_not_say_what_it_wants_loses_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Whether nothing comes or half a request."""
    monkeypatch.setattr(server, "API_HEAD_S", 0.05)

    async def test() -> None:
        async with serving(tmp_path) as doors:
            with _connected(doors.path) as one:
                one.sendall(sent)
                assert await asyncio.to_thread(one.recv, 100) == b""

    journals.run(test())
