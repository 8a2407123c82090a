"""A proxy between a sink and its receiver that breaks connections in every way a network does."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from socket import SO_LINGER, SOL_SOCKET

_CHUNK = 1 << 14


class Harm(Enum):
    """What becomes of a connection."""

    NONE = auto()
    STALL = auto()
    RESET = auto()
    HALF_CLOSE = auto()
    CUT = auto()


class Chaos:
    """Forwards TCP to a port of loopback, and harms connections while it is told to.

    Args:
        target: The receiver's port.
        choice: Draws what becomes of each connection.
    """

    def __init__(self, target: int, choice: random.Random) -> None:
        self._target = target
        self._choice = choice
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.harmful = True
        self.harmed_count = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        harms = [one for one in Harm if one is not Harm.NONE]
        harm = self._choice.choice(harms) if self.harmful else Harm.NONE
        self.harmed_count += harm is not Harm.NONE
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        budget = self._choice.randint(1, 400_000)
        ways = [
            asyncio.create_task(self._copy(reader, there_writer, harm, budget)),
            asyncio.create_task(self._copy(there_reader, writer, harm, budget)),
        ]
        try:
            # A connection that was chosen to be harmed does not outlive the harm.
            while not all(way.done() for way in ways):
                await asyncio.wait(ways, timeout=0.02)
                if self._closing or (harm is not Harm.NONE and not self.harmful):
                    break
                if harm in (Harm.RESET, Harm.CUT) and any(way.done() for way in ways):
                    break
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (writer, there_writer):
                if harm is Harm.RESET:
                    sock = one.get_extra_info("socket")
                    with suppress(OSError):
                        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            for one in (writer, there_writer):
                with suppress(OSError):
                    await one.wait_closed()
            self._tasks.discard(task)

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, harm: Harm, budget: int
    ) -> None:
        left = budget
        with suppress(OSError):
            while chunk := await source.read(_CHUNK):
                if harm is not Harm.NONE:
                    chunk = chunk[:left]
                    left -= len(chunk)
                sink.write(chunk)
                await sink.drain()
                if harm is not Harm.NONE and left <= 0:
                    if harm is Harm.HALF_CLOSE and sink.can_write_eof():
                        sink.write_eof()
                    if harm in (Harm.HALF_CLOSE, Harm.STALL):
                        await asyncio.Event().wait()
                    return

    async def close(self) -> None:
        """End every connection."""
        self._closing = True
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def chaotic(target: int, seed: int) -> AsyncIterator[Chaos]:
    """Yield a proxy before a port of loopback."""
    chaos = Chaos(target, random.Random(seed))
    server = await asyncio.start_server(chaos.accept, "127.0.0.1", 0)
    chaos.port = server.sockets[0].getsockname()[1]
    try:
        yield chaos
    finally:
        server.close()
        await chaos.close()
