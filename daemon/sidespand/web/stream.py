"""The stream of changes: what was added to which traces, in the order of the journal.

Each event but ``heartbeat`` tells what is true at the position in its batch's ``id``; who comes
back with that id (Last-Event-ID, or ``after``) gets what changed since, nothing is left out, and a
trace that changed several times is told once.
Source: HTML standard, "Server-sent events".
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sidespand.answers import lists
from sidespand.answers.rows import index_document
from sidespand.answers.stock import Stock
from sidespand.errors import InvalidRequest, SidespanError, Unavailable
from sidespand.index import documents
from sidespand.index.rows import Changes
from sidespand.limits import (
    API_STREAMS_MAX,
    STREAM_COALESCE_S,
    STREAM_HEARTBEAT_S,
    STREAM_LOOK_S,
    STREAM_ROWS_MAX,
)
from sidespand.model import Position
from sidespand.query.documents import gap_document
from sidespand.query.names import parse_position
from sidespand.search import Query
from sidespand.web.pool import Pool
from sidespand.web.refusals import refusal
from sidespand.web.table import Asked, Endpoint, Parameter
from sidespand.web.traces import QUERY

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Feed:
    """Looks where the index is, for all streams together, as long as there is one.

    Args:
        stock: With an index.
        pool: Where the index is asked.

    Attributes:
        moves: How often the index, or the number of open spans, was seen to have changed.
    """

    def __init__(self, stock: Stock, pool: Pool) -> None:
        self.moves = 0
        self._stock = stock
        self._pool = pool
        self._streams = 0
        self._ended = False
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> None:
        """Count one stream more.

        Raises:
            Unavailable: There are API_STREAMS_MAX. Retryable.
        """
        if self._streams >= API_STREAMS_MAX or self._ended:
            raise Unavailable("too many streams at once", hint="close other windows on this page")
        self._streams += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def leave(self) -> None:
        """Count one stream less."""
        self._streams -= 1

    async def wait(self, seen: int | None, timeout_s: float) -> bool:
        """Return when something moved, or after a time; False when the streams end.

        Args:
            seen: ``moves`` before the index was asked: what moved since is not waited for; None
                not to wait.
            timeout_s: How long at most.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while seen == self.moves and not self._ended:
                    await self._moved.wait()
        return not self._ended

    async def close(self) -> None:
        """End every stream."""
        self._ended = True
        self._moved.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seen: object = None
        mark: object = None
        looked_s = 0.0
        while self._streams and not self._ended:
            try:
                # Spans open and end with records, which move the index; hardly one without.
                before, mark = mark, self._stock.index.mark()
                if mark is not None and mark == before and loop.time() - looked_s < STREAM_LOOK_S:
                    await asyncio.sleep(STREAM_COALESCE_S)
                    continue
                looked_s = loop.time()
                position = await self._pool.run(self._stock.index.position)
                running = await self._pool.run(lambda: len(self._stock.journal.open_spans()))
            except SidespanError:
                # The streams ask for themselves, and say so.
                position, running = None, -1
            if (position, running) != seen:
                seen = (position, running)
                self.moves += 1
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
            await asyncio.sleep(STREAM_COALESCE_S)


def endpoints(stock: Stock, pool: Pool, feed: Feed) -> list[Endpoint]:
    """Return the endpoint.

    Args:
        stock: With an index.
        pool: Where the index is asked.
        feed: Of all streams.
    """

    async def stream(asked: Asked) -> Response:
        trace = asked.maybe("trace_id")
        line = asked.text("q")
        query = lists.parsed(line)
        trace_id = (
            None if trace is None else await pool.run(lambda: stock.index.resolve_trace(trace))
        )
        given = asked.request.headers.get("last-event-id") or asked.maybe("after")
        after = await pool.run(lambda: _place(stock, given))
        if asked.request.method == "HEAD":
            # Who wants the headers alone waits for their end.
            return Response(media_type="text/event-stream", headers=_HEADERS)
        return _Events(feed, _Stream(stock, pool, feed, query, trace_id).events(after))

    return [
        Endpoint("/v1/stream", "What changes, as it is indexed: server-sent events.",
                 handler=stream, schema="text/event-stream", parameters=(
                     QUERY,
                     Parameter("trace_id", "of one trace alone"),
                     Parameter("after", "the `id` of the last event that was seen; default: now"))),
    ]  # fmt: skip


class _Events(StreamingResponse):
    """Is counted as a stream from before its first byte to its end, whatever ends it."""

    def __init__(self, feed: Feed, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._feed.join()
        except Unavailable as error:
            await refusal(error)(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave()


class _Stream:
    def __init__(
        self, stock: Stock, pool: Pool, feed: Feed, query: Query, trace_id: bytes | None
    ) -> None:
        self._stock = stock
        self._pool = pool
        self._feed = feed
        self._query = query
        self._trace_id = trace_id
        self._open_count = -1

    async def events(self, after: Position | None) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            yield await self._heartbeat(after)
            told_s = loop.time()
            while True:
                seen = self._feed.moves
                found = await self._pool.run(partial(self._changes, after))
                batch = [*self._told(found), *await self._opened()]
                moved = found.position is not None and found.position != after
                if moved:
                    after = found.position
                if batch:
                    yield framed(batch, after)
                    told_s = loop.time()
                elif loop.time() - told_s >= STREAM_HEARTBEAT_S:
                    yield await self._heartbeat(after)
                    told_s = loop.time()
                # A page of changes that was full is not the last.
                is_full = len(found.traces) >= STREAM_ROWS_MAX
                if not await self._feed.wait(None if is_full else seen, STREAM_HEARTBEAT_S):
                    return
        except SidespanError as error:
            yield framed([("error", {"message": str(error), "hint": error.hint})], None)

    def _changes(self, after: Position | None) -> Changes:
        return self._stock.index.changes(after, STREAM_ROWS_MAX, self._query)

    def _told(self, found: Changes) -> Iterator[tuple[str, Any]]:
        for row in found.traces:
            if self._trace_id is None or row.trace_id == self._trace_id:
                yield "trace", documents.trace_row(row)
                if self._trace_id is not None:
                    yield "spans", {"trace_id": row.trace_id.hex(), "position": str(row.last)}
        for gap in found.gaps:
            yield "gap", gap_document(gap)

    async def _opened(self) -> list[tuple[str, Any]]:
        count = await self._pool.run(lambda: len(self._stock.journal.open_spans()))
        if count == self._open_count:
            return []
        self._open_count = count
        return [("open", {"open_count": count})]

    async def _heartbeat(self, after: Position | None) -> bytes:
        lag = await self._pool.run(self._stock.index.lag)
        position = None if after is None else str(after)
        told = {"position": position, "index": index_document(lag)}
        return framed([("heartbeat", told)], after)


def _place(stock: Stock, given: str | None) -> Position | None:
    # Where to begin: behind a given position, else behind what is indexed now.
    if not given:
        return stock.index.position()
    named = parse_position(given)
    position = None if named is None else stock.journal.position(*named)
    if position is None:
        raise InvalidRequest(
            f"after: no position of this store: {given[:64]!r}", hint="leave it out to begin now"
        )
    return position


def framed(batch: list[tuple[str, Any]], position: Position | None) -> bytes:
    """Return events as they are sent; the last one has the id, which is the position."""
    lines = []
    for number, (name, data) in enumerate(batch):
        last = number == len(batch) - 1
        place = f"id: {position}\n" if last and position is not None else ""
        # JSON has no line breaks, whatever is in it.
        lines.append(f"{place}event: {name}\ndata: {json.dumps(data, ensure_ascii=True)}\n\n")
    return "".join(lines).encode("ascii")
