"""Keeps a store in order while it is being written: one thing at a time, in a thread of its own.

Only the records that tell of it go through the writer, so nothing here delays an acknowledgement.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sidespand.clock import Clock
from sidespand.journal import salvage
from sidespand.journal.redact import Redactor
from sidespand.journal.retention import Decision, Order, Retention
from sidespand.journal.store import JournalStore
from sidespand.journal.trim import Trimmer
from sidespand.model import Kind, Position
from sidespand.redaction import Target

_T = TypeVar("_T")


class Upkeep:
    """Trims and redacts one store.

    Args:
        store: Started.
        retention: What the operator wants kept.
        clock: For the age of records.
    """

    def __init__(self, store: JournalStore, retention: Retention, clock: Clock) -> None:
        self._store = store
        self._trimmer = Trimmer(store, retention, clock, self._off)
        self._redactor = Redactor(store, self._off)
        self.figures = self._trimmer.figures
        self._turn = asyncio.Lock()
        self._files = ThreadPoolExecutor(1, "sidespan-upkeep")

    async def resume(self) -> None:
        """Complete what an earlier life began; nothing may be delivered before."""
        async with self._turn:
            await self._declare_salvaged()
            await self._trimmer.resume()
            await self._redactor.resume()

    async def trim(self, cursors: Mapping[str, Position]) -> int:
        """Remove what retention lets go; ``Trimmer.trim`` has the contract."""
        async with self._turn:
            return await self._trimmer.trim(cursors)

    async def obey(
        self, order: Order, cursors: Mapping[str, Position], *, dry_run: bool
    ) -> Decision:
        """Remove what an operator wants gone; ``Trimmer.obey`` has the contract."""
        async with self._turn:
            return await self._trimmer.obey(order, cursors, dry_run=dry_run)

    def require(self, sinks: frozenset[str]) -> None:
        """Hold from now on what these sinks have not passed, and nothing for others."""
        self._trimmer.require(sinks)

    async def redact(self, actor: str, reason: str, targets: Sequence[Target]) -> Position:
        """Take payloads out of the journal; ``Redactor.redact`` has the contract."""
        async with self._turn:
            return await self._redactor.redact(actor, reason, targets)

    def close(self) -> None:
        """Let go of the thread, after what it does just now."""
        self._files.shutdown()

    async def _declare_salvaged(self) -> None:
        layout = self._store.layout
        due = await self._off(salvage.due, layout)
        await asyncio.gather(*(self._store.append_control(Kind.DROP, body) for body in due))
        if due:
            await self._off(salvage.told, layout)

    async def _off(self, step: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._files, step, *arguments)
