"""The socketpair between recorder and worker: facts, of which the newest matter, and questions.

    recorder ──▶ worker    position [ordinal, lineage, lsn]        what is durable
                           stop deadline_s                         save and leave
                           reload true                             read the configuration again
                           answer [id, body, error]                error: [name, message, hint]
    worker ──▶ recorder    ready true                              sinks are running
                           cursors {name: [ordinal, lineage, lsn]} what is delivered, durably
                           sinks {name: [figures]}                 for metrics
                           index [figures]                         the same
                           ask [id, verb, body]                    what the recorder alone may do

A message is a msgpack map of some of these. A newer fact replaces one that was not sent yet, so a
peer that does not read holds up nobody and costs a bounded amount of memory. Questions and answers
are messages of their own and keep their order; at most CHANNEL_ASKS_MAX are open at a time.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, cast

import msgpack

from sidespand.errors import InvalidRequest, NotFound, SidespanError, Unavailable
from sidespand.limits import (
    CHANNEL_ASK_BYTES_MAX,
    CHANNEL_ASKS_MAX,
    CHANNEL_MESSAGE_BYTES_MAX,
    CHANNEL_TICK_S,
)
from sidespand.model import Position

_log = logging.getLogger(__name__)

Body = Mapping[str, Any]
Asked = Callable[[str, Body], Awaitable[Body]]
# The errors whose kind the asker needs; another one arrives as their base.
_ERRORS = {one.__name__: one for one in (InvalidRequest, NotFound, Unavailable)}


@dataclass(frozen=True, slots=True)
class SinkFigures:
    """What one sink has done since the worker started.

    Args:
        delivered_items: The sink took them.
        rejected_items: The sink refused them for good.
        retries: Waits after a failure.
        missed_items: LSNs that could not be read from the journal.
        lag_items: LSNs between the sink's cursor and the newest durable one.
        dropped_items: Those of the rejected ones whose bytes found no room among its dead letters.
        failures: Tries in a row that have failed; 0 for a sink that is well.
        oldest_age_ms: Age of the oldest record that is being delivered; 0 without one.
        dead_letter_bytes: What its dead letters take on disk.
        withheld_items: The policy keeps them from the sink, or they name other sinks.
        changed_values: Left out, replaced or scrubbed in what the sink was to get.
        tap_missed_records: Handed to the sink, and not copied to the debug tap.
    """

    delivered_items: int
    rejected_items: int
    retries: int
    missed_items: int
    lag_items: int
    dropped_items: int = 0
    failures: int = 0
    oldest_age_ms: int = 0
    dead_letter_bytes: int = 0
    withheld_items: int = 0
    changed_values: int = 0
    tap_missed_records: int = 0


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """How the worker's index is.

    Args:
        indexed_items: Items that were written since the worker started.
        lag_items: LSNs between it and the newest durable one.
        lag_ms: For how long the oldest of them has been durable.
        file_bytes: What it takes on disk.
        rebuilds: Times it was begun anew since the worker started.
    """

    indexed_items: int
    lag_items: int
    lag_ms: int
    file_bytes: int
    rebuilds: int


class _End(asyncio.Protocol):
    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._outbox: dict[str, Any] = {}
        self._letters: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._unpacker = msgpack.Unpacker(max_buffer_size=CHANNEL_MESSAGE_BYTES_MAX)

    async def open(self, sock: socket.socket) -> None:
        """Take over one end of a connected socketpair."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    def close(self) -> None:
        """Send what waits and close; ``closed`` is called."""
        if self._transport is not None and not self._transport.is_closing():
            self._flush()
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the event loop."""
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = transport = cast("asyncio.Transport", transport)
        # One message may wait in the transport, the next one waits here, where it is replaced.
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """Keep messages back; called by the event loop."""
        self._paused = True

    def resume_writing(self) -> None:
        """Send what was kept back; called by the event loop."""
        self._paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take the peer's bytes; called by the event loop."""
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                for key, value in message.items():
                    self._received(key, value)
        except (ValueError, TypeError, AttributeError, KeyError, msgpack.UnpackException) as error:
            _log.error("the channel between recorder and worker is broken: %r", error)
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell the owner; called by the event loop."""
        if self._timer is not None:
            self._timer.cancel()
        self._closed()

    def _received(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def _put(self, key: str, value: Any, *, at_once: bool = False) -> None:
        self._outbox[key] = value
        if at_once:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHANNEL_TICK_S, self._tick)

    def _post(self, letter: bytes) -> None:
        self._letters.append(letter)
        self._flush()

    def _tick(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        while self._letters and not self._paused:
            transport.write(self._letters.popleft())
        if self._outbox and not self._paused:
            message = msgpack.packb(self._outbox)
            self._outbox = {}
            transport.write(message)


class RecorderEnd(_End):
    """The recorder's end.

    Args:
        ready: Called once the worker's sinks are running.
        cursors: Called with the durable cursor of each sink that has one.
        figures: Called with the figures of each sink.
        closed: Called once when the worker is gone, or what it sent cannot be read.
        indexed: Called with the figures of the index; by default nobody looks.
        asked: Answers the worker's questions; by default none.
    """

    def __init__(
        self,
        *,
        ready: Callable[[], None],
        cursors: Callable[[Mapping[str, Position]], None],
        figures: Callable[[Mapping[str, SinkFigures]], None],
        closed: Callable[[], None],
        indexed: Callable[[IndexFigures], None] = lambda _: None,
        asked: Asked | None = None,
    ) -> None:
        super().__init__(closed)
        self._indexed = indexed
        self._asked = asked or _answer_nothing
        self._answering: set[asyncio.Task[None]] = set()
        self._ready = ready
        self._cursors = cursors
        self._figures = figures

    def advance(self, newest: Position) -> None:
        """Let the worker read up to ``newest``; it hears of it within CHANNEL_TICK_S."""
        self._put("position", newest)

    def stop(self, deadline_s: float) -> None:
        """Have the worker deliver what it can within ``deadline_s``, save its cursors and end."""
        self._put("stop", deadline_s, at_once=True)

    def reload(self) -> None:
        """Have the worker read its configuration again."""
        self._put("reload", value=True, at_once=True)

    def _received(self, key: str, value: Any) -> None:
        if key == "ready":
            self._ready()
        elif key == "cursors":
            self._cursors({name: _position(one) for name, one in value.items()})
        elif key == "sinks":
            self._figures({name: SinkFigures(*map(int, one)) for name, one in value.items()})
        elif key == "index":
            self._indexed(IndexFigures(*map(int, value)))
        elif key == "ask":
            number, verb, body = value
            if len(self._answering) >= CHANNEL_ASKS_MAX:
                raise ValueError("the worker asks too much at once")
            # What was asked is done even if the worker does not live to hear of it.
            task = asyncio.get_running_loop().create_task(
                self._answer(int(number), str(verb), body)
            )
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, number: int, verb: str, body: Body) -> None:
        error = None
        answer: Body = {}
        try:
            answer = await self._asked(verb, body)
        except SidespanError as refusal:
            error = [type(refusal).__name__, str(refusal), refusal.hint]
        except Exception:
            _log.exception("the worker's question %r could not be answered", verb)
            error = ["SidespanError", f"{verb} failed: the daemon's log has the reason", ""]
        self._post(msgpack.packb({"answer": [number, dict(answer), error]}))


class WorkerEnd(_End):
    """The worker's end.

    Args:
        advanced: Called with how far the journal may be read, inclusive.
        stopped: Called with the seconds that are left.
        closed: Called once when the recorder is gone.
        reloading: Called when the configuration is to be read again; by default it is not.
    """

    def __init__(
        self,
        *,
        advanced: Callable[[Position], None],
        stopped: Callable[[float], None],
        closed: Callable[[], None],
        reloading: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(closed)
        self._reloading = reloading
        self._advanced = advanced
        self._stopped = stopped
        self._gone = False
        self._last_number = 0
        self._waiting: dict[int, asyncio.Future[Body]] = {}

    async def ask(self, verb: str, body: Body) -> Body:
        """Have the recorder do what it alone may do; return what it says.

        Raises:
            Unavailable: The recorder is gone, or has enough to do. Retryable; in the first case it
                may have been done.
            InvalidRequest: The question is too long, or the recorder says so. Not retryable.
            SidespanError: What else the recorder raised.
        """
        if self._gone:
            raise Unavailable("the recorder is gone")
        if len(self._waiting) >= CHANNEL_ASKS_MAX:
            raise Unavailable("too many requests wait for the recorder")
        self._last_number += 1
        number = self._last_number
        letter: bytes = msgpack.packb({"ask": [number, verb, dict(body)]})
        if len(letter) > CHANNEL_ASK_BYTES_MAX:
            raise InvalidRequest(f"{verb}: too much at once", hint="name less at a time")
        answer: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._post(letter)
            return await answer
        finally:
            del self._waiting[number]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, and whoever waits for an answer; called by the event loop."""
        self._gone = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable("the recorder is gone"))
        super().connection_lost(exc)

    def ready(self) -> None:
        """Tell that sinks are running."""
        self._put("ready", value=True, at_once=True)

    def report_cursors(self, cursors: Mapping[str, Position]) -> None:
        """Tell the durable cursor of every sink that has one."""
        self._put("cursors", cursors)

    def report_figures(self, figures: Mapping[str, SinkFigures]) -> None:
        """Tell the figures of every sink."""
        self._put("sinks", {name: astuple(one) for name, one in figures.items()})

    def report_index(self, figures: IndexFigures) -> None:
        """Tell the figures of the index."""
        self._put("index", astuple(figures))

    def _received(self, key: str, value: Any) -> None:
        if key == "position":
            self._advanced(_position(value))
        elif key == "stop":
            self._stopped(float(value))
        elif key == "reload":
            self._reloading()
        elif key == "answer":
            number, body, error = value
            answer = self._waiting.get(int(number))
            if answer is None or answer.done():
                return
            if error is None:
                answer.set_result(body)
            else:
                name, message, hint = error
                answer.set_exception(_ERRORS.get(name, SidespanError)(message, hint=hint))


async def _answer_nothing(verb: str, _body: Body) -> Body:
    raise InvalidRequest(f"this recorder does not know how to {verb}")


def _position(value: Any) -> Position:
    ordinal, lineage, lsn = value
    return Position(int(ordinal), bytes(lineage), int(lsn))
