"""Stand-ins for what a test wants to script."""

import asyncio
from collections import deque
from collections.abc import Sequence

from sidespand.model import Delivered, Delivery, Gap, Kind, Position, Record, Retry

Step = Delivery | Exception | asyncio.Event


class ScriptedSink:
    """A sink that answers as told, then takes everything.

    Args:
        script: One step a delivery. An outcome is returned, an exception raised, and an event
            waited for before everything is taken.
        kinds: What it takes.
    """

    def __init__(self, *script: Step, kinds: frozenset[Kind] = frozenset({Kind.SPANS})) -> None:
        self.kinds = kinds
        self.script = deque(script)
        self.attempts: list[Sequence[Record]] = []
        self.taken: list[Record] = []
        self.closes = 0

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Do the next step."""
        self.attempts.append(records)
        step = self.script.popleft() if self.script else Delivered()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
            step = Delivered()
        if not isinstance(step, Retry):
            self.taken += records
        return step

    async def close(self) -> None:
        """Count it."""
        self.closes += 1


class ListLog:
    """A log in memory, for what no store does yet: several lineages, gaps, and reads that fail."""

    def __init__(self, entries: Sequence[Record | Gap], failures: Sequence[Exception] = ()) -> None:
        self.entries = list(entries)
        self.failures = deque(failures)
        self.reads: list[Position | None] = []

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what lies between."""
        self.reads.append(after)
        if self.failures:
            raise self.failures.popleft()
        return [
            entry
            for entry in self.entries
            if (after is None or _place(entry.position) > _place(after))
            and (upto is None or _place(entry.position) <= _place(upto))
        ]

    def tail(self) -> Position | None:
        """Return the last entry's position."""
        return self.entries[-1].position if self.entries else None

    def close(self) -> None:
        """Do nothing."""


def _place(position: Position) -> tuple[int, int]:
    return position.ordinal, position.lsn
