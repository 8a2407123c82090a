"""All sinks of a worker: one task each, so that none can fail or slow another."""

import asyncio
import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sidespand.model import Position
from sidespand.sinks.carrier import Carrier

_log = logging.getLogger(__name__)


class Runner:
    """Runs carriers side by side.

    Args:
        carriers: One a sink; names differ.
    """

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        # The same list for good: others look at it.
        self.carriers = list(carriers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._newest: Position | None = None

    def start(self) -> None:
        """Begin to deliver, as soon as ``advance`` has said how far the log may be read."""
        for carrier in self.carriers:
            self._begin(carrier)

    def advance(self, newest: Position) -> None:
        """Let every carrier read up to ``newest``, inclusive."""
        self._newest = newest
        for carrier in self.carriers:
            carrier.advance(newest)

    def cursors(self) -> dict[str, Position]:
        """Return the durable cursors by sink; a sink that has none yet is left out."""
        return {
            carrier.name: carrier.saved for carrier in self.carriers if carrier.saved is not None
        }

    def add(self, carrier: Carrier) -> None:
        """Begin to deliver to one more sink; its name is that of no other."""
        assert carrier.name not in self._tasks
        self.carriers.append(carrier)
        self._begin(carrier)
        if self._newest is not None:
            carrier.advance(self._newest)

    async def remove(self, names: AbstractSet[str], grace_s: float) -> None:
        """Stop some sinks as ``stop`` does; others do not notice."""
        going = [carrier for carrier in self.carriers if carrier.name in names]
        await self._stop(going, grace_s)
        for carrier in going:
            self.carriers.remove(carrier)

    async def stop(self, grace_s: float) -> None:
        """Deliver what can be delivered, save every cursor, close every sink.

        Args:
            grace_s: When deliveries that still go on are broken off, in seconds from now; their
                records come again after a restart.
        """
        await self._stop(self.carriers, grace_s)

    def _begin(self, carrier: Carrier) -> None:
        task = asyncio.create_task(carrier.run(), name=f"sink {carrier.name}")
        self._tasks[carrier.name] = task

    async def _stop(self, carriers: Sequence[Carrier], grace_s: float) -> None:
        for carrier in carriers:
            carrier.stop()
        tasks = {
            carrier.name: self._tasks.pop(carrier.name)
            for carrier in carriers
            if carrier.name in self._tasks
        }
        if tasks:
            _, late = await asyncio.wait(tasks.values(), timeout=grace_s)
            for task in late:
                task.cancel()
        ended = await asyncio.gather(*tasks.values(), return_exceptions=True)
        for name, end in zip(tasks, ended, strict=True):
            if isinstance(end, Exception):
                _log.error("sink %s: its task failed", name, exc_info=end)
        await asyncio.gather(*(carrier.close() for carrier in carriers))
