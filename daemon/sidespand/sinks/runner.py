"""All sinks of a worker: one task each, so that none can fail or slow another."""

import asyncio
import logging
from collections.abc import Sequence

from sidespand.model import Position
from sidespand.sinks.carrier import Carrier

_log = logging.getLogger(__name__)


class Runner:
    """Runs carriers side by side.

    Args:
        carriers: One a sink.
    """

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        self.carriers = carriers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to deliver, as soon as ``advance`` has said how far the log may be read."""
        self._tasks = [
            asyncio.create_task(carrier.run(), name=f"sink {carrier.name}")
            for carrier in self.carriers
        ]

    def advance(self, newest: Position) -> None:
        """Let every carrier read up to ``newest``, inclusive."""
        for carrier in self.carriers:
            carrier.advance(newest)

    def cursors(self) -> dict[str, Position]:
        """Return the durable cursors by sink; a sink that has none yet is left out."""
        return {
            carrier.name: carrier.saved for carrier in self.carriers if carrier.saved is not None
        }

    async def stop(self, grace_s: float) -> None:
        """Deliver what can be delivered, save every cursor, close every sink.

        Args:
            grace_s: When deliveries that still go on are broken off, in seconds from now; their
                records come again after a restart.
        """
        for carrier in self.carriers:
            carrier.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for carrier, end in zip(self.carriers, ended, strict=False):
            if isinstance(end, Exception):
                _log.error("sink %s: its task failed", carrier.name, exc_info=end)
        await asyncio.gather(*(carrier.close() for carrier in self.carriers))
