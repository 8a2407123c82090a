"""The socketpair between recorder and worker: a few facts, of which only the newest matter.

    recorder ──▶ worker    position [ordinal, lineage, lsn]        what is durable
                           stop deadline_s                         save and leave
    worker ──▶ recorder    ready true                              sinks are running
                           cursors {name: [ordinal, lineage, lsn]} what is delivered, durably
                           sinks {name: [figures]}                 for metrics

A message is a msgpack map of some of these. A newer value replaces one that was not sent yet, so a
peer that does not read holds up nobody and costs a bounded amount of memory.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, cast

import msgpack

from sidespand.limits import CHANNEL_MESSAGE_BYTES_MAX, CHANNEL_TICK_S
from sidespand.model import Position

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SinkFigures:
    """What one sink has done since the worker started.

    Args:
        delivered_items: The sink took them.
        rejected_items: The sink refused them for good.
        retries: Waits after a failure.
        missed_items: LSNs that could not be read from the journal.
        lag_items: LSNs between the sink's cursor and the newest durable one.
    """

    delivered_items: int
    rejected_items: int
    retries: int
    missed_items: int
    lag_items: int


class _End(asyncio.Protocol):
    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._outbox: dict[str, Any] = {}
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

    def _tick(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        ready = self._transport is not None and not self._transport.is_closing()
        if not ready or self._paused or not self._outbox:
            return
        assert self._transport is not None
        message = msgpack.packb(self._outbox)
        self._outbox = {}
        self._transport.write(message)


class RecorderEnd(_End):
    """The recorder's end.

    Args:
        ready: Called once the worker's sinks are running.
        cursors: Called with the durable cursor of each sink that has one.
        figures: Called with the figures of each sink.
        closed: Called once when the worker is gone, or what it sent cannot be read.
    """

    def __init__(
        self,
        *,
        ready: Callable[[], None],
        cursors: Callable[[Mapping[str, Position]], None],
        figures: Callable[[Mapping[str, SinkFigures]], None],
        closed: Callable[[], None],
    ) -> None:
        super().__init__(closed)
        self._ready = ready
        self._cursors = cursors
        self._figures = figures

    def advance(self, newest: Position) -> None:
        """Let the worker read up to ``newest``; it hears of it within CHANNEL_TICK_S."""
        self._put("position", newest)

    def stop(self, deadline_s: float) -> None:
        """Have the worker deliver what it can within ``deadline_s``, save its cursors and end."""
        self._put("stop", deadline_s, at_once=True)

    def _received(self, key: str, value: Any) -> None:
        if key == "ready":
            self._ready()
        elif key == "cursors":
            self._cursors({name: _position(one) for name, one in value.items()})
        elif key == "sinks":
            self._figures({name: SinkFigures(*map(int, one)) for name, one in value.items()})


class WorkerEnd(_End):
    """The worker's end.

    Args:
        advanced: Called with how far the journal may be read, inclusive.
        stopped: Called with the seconds that are left.
        closed: Called once when the recorder is gone.
    """

    def __init__(
        self,
        *,
        advanced: Callable[[Position], None],
        stopped: Callable[[float], None],
        closed: Callable[[], None],
    ) -> None:
        super().__init__(closed)
        self._advanced = advanced
        self._stopped = stopped

    def ready(self) -> None:
        """Tell that sinks are running."""
        self._put("ready", value=True, at_once=True)

    def report_cursors(self, cursors: Mapping[str, Position]) -> None:
        """Tell the durable cursor of every sink that has one."""
        self._put("cursors", cursors)

    def report_figures(self, figures: Mapping[str, SinkFigures]) -> None:
        """Tell the figures of every sink."""
        self._put("sinks", {name: astuple(one) for name, one in figures.items()})

    def _received(self, key: str, value: Any) -> None:
        if key == "position":
            self._advanced(_position(value))
        elif key == "stop":
            self._stopped(float(value))


def _position(value: Any) -> Position:
    ordinal, lineage, lsn = value
    return Position(int(ordinal), bytes(lineage), int(lsn))
