"""Carries the log to one sink: read, deliver, advance the cursor, wait.

Invariants: the cursor moves only behind what the sink took or refused for good; it is durable
before the first record of another lineage is delivered; nothing but a stop ends the task.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from sidespand import backoff
from sidespand.limits import (
    CURSOR_SAVE_S,
    SINK_COALESCE_S,
    SINK_REASON_CHARACTERS_MAX,
    SINK_RETRY_AFTER_S_MAX,
)
from sidespand.model import Delivered, Delivery, Gap, Position, Record, Rejected, Retry
from sidespand.ports import Erasable, Log, Sink
from sidespand.sinks.batches import Batch, batches
from sidespand.sinks.cursor import CursorFile, contradicts

_log = logging.getLogger(__name__)

Uniform = Callable[[float, float], float]


@dataclass(slots=True)
class Figures:
    """What a carrier counted since it began.

    Args:
        delivered_items: The sink took them.
        rejected_items: The sink refused them for good.
        retries: Waits after a failure.
        missed_items: LSNs that could not be read from the journal.
    """

    delivered_items: int = 0
    rejected_items: int = 0
    retries: int = 0
    missed_items: int = 0


class Carrier:
    """One sink's way through the log.

    Args:
        name: Of the sink.
        sink: Who takes the records.
        log: Where they come from; it is shared and never waits.
        cursor: Where the sink's place is kept.
        uniform: Spreads the waits between tries.
        coalesce_s: How long small commits are awaited after a pause, in seconds.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        log: Log,
        cursor: CursorFile,
        *,
        uniform: Uniform,
        coalesce_s: float = SINK_COALESCE_S,
    ) -> None:
        self.name = name
        self.figures = Figures()
        self._sink = sink
        self._journal = log
        self._cursor = cursor
        self._uniform = uniform
        self._coalesce_s = coalesce_s
        self._newest: Position | None = None
        self._position: Position | None = None
        self._reached: Position | None = None
        self._saved: Position | None = None
        self._saved_at_s = 0.0
        self._save_failed = False
        self._failures = 0
        self._rejecting = False
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def saved(self) -> Position | None:
        """The durable cursor."""
        return self._saved

    @property
    def reached(self) -> Position | None:
        """How far the log was read for this sink: it may have what lies before."""
        return self._reached or self._position

    @property
    def keeps_files(self) -> bool:
        """Whether the sink keeps copies in files of ours, out of which they can be taken."""
        return isinstance(self._sink, Erasable)

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Take records out of the sink's own files, if it keeps any.

        Raises:
            OSError: Some may still be there; they go when the log tells of it.
        """
        if isinstance(self._sink, Erasable):
            await self._sink.erase(gone)

    @property
    def lag_items(self) -> int:
        """LSNs between the cursor and the newest durable item; a lower bound across lineages."""
        if self._newest is None:
            return 0
        if self._position is None or self._position.ordinal != self._newest.ordinal:
            return self._newest.lsn
        return max(0, self._newest.lsn - self._position.lsn)

    def advance(self, newest: Position) -> None:
        """Learn how far the log may be read."""
        self._newest = newest
        self._wake.set()

    def stop(self) -> None:
        """Have ``run`` return once it has caught up, or at the sink's next failure."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Deliver until ``stop``."""
        going = await self._begin()
        while going:
            going = await self._step()

    async def close(self) -> None:
        """Save the cursor and close the sink; ``run`` has ended."""
        await self.save()
        try:
            await self._sink.close()
        except Exception:
            _log.exception("sink %s: closing failed", self.name)

    async def save(self) -> None:
        """Make the cursor durable; a failure is logged, and more comes again after a restart."""
        position = self._position
        if position is None or position == self._saved:
            return
        self._saved_at_s = asyncio.get_running_loop().time()
        try:
            await asyncio.to_thread(self._cursor.save, position)
        except OSError as error:
            if not self._save_failed:
                _log.warning("sink %s: the cursor cannot be saved: %s", self.name, error)
            self._save_failed = True
            return
        self._saved = position
        self._save_failed = False

    async def _begin(self) -> bool:
        await self._wake.wait()
        while True:
            try:
                self._position = self._saved = self._cursor.load()
            except OSError as error:
                if not await self._hold(Retry(f"the cursor cannot be read: {error}")):
                    return False
                continue
            if self._position is not None and self._newest is not None:
                self._start_again_if_contradicted(self._newest)
            return True

    async def _step(self) -> bool:
        if self._newest is None or self._position == self._newest:
            return await self._more()
        try:
            entries = self._journal.read(self._position, self._newest)
        except Exception as error:
            return await self._hold(Retry(f"the journal cannot be read: {error}"), error)
        self._recovered()
        if not entries:
            return await self._more()
        if self._start_again_if_contradicted(entries[0].position):
            return True
        self._reached = entries[-1].position
        self._declare(entries)
        for batch in batches(entries, self._sink.kinds):
            if self._position is not None and batch.position.lineage != self._position.lineage:
                await self.save()
            if not await self._settle(batch):
                return False
            self._position = batch.position
            if asyncio.get_running_loop().time() - self._saved_at_s >= CURSOR_SAVE_S:
                await self.save()
        return True

    async def _more(self) -> bool:
        await self.save()
        if self._stopping.is_set():
            return False
        await self._wake.wait()
        self._wake.clear()
        await self._pause(self._coalesce_s)
        return True

    async def _settle(self, batch: Batch) -> bool:
        if batch.records and not await self._deliver(batch):
            return False
        return not batch.erased or await self._erase(batch.erased)

    async def _erase(self, gone: Sequence[Gap]) -> bool:
        while True:
            try:
                await self.erase(gone)
            except OSError as error:
                if not await self._hold(Retry(f"what was redacted cannot be erased: {error}")):
                    return False
                continue
            self._recovered()
            return True

    async def _deliver(self, batch: Batch) -> bool:
        while True:
            outcome, cause = await self._attempt(batch.records)
            match outcome:
                case Delivered():
                    self._rejecting = False
                    self.figures.delivered_items += batch.item_count
                case Rejected(item_count, reason):
                    self._note_rejected(min(item_count, batch.item_count), batch, reason)
                case Retry():
                    if not await self._hold(outcome, cause):
                        return False
                    continue
                case _:
                    assert_never(outcome)
            self._recovered()
            return True

    async def _attempt(self, records: Sequence[Record]) -> tuple[Delivery, Exception | None]:
        try:
            return await self._sink.deliver(records), None
        except Exception as error:
            # A sink's bug must not end its task, nor lose what it was handed.
            return Retry(f"{type(error).__name__}: {error}"), error

    async def _hold(self, failure: Retry, cause: Exception | None = None) -> bool:
        self._failures += 1
        if self._failures == 1:
            _log.warning(
                "sink %s: %s; trying again", self.name, bounded(failure.reason), exc_info=cause
            )
        if self._stopping.is_set():
            return False
        self.figures.retries += 1
        await self._pause(retry_wait_s(failure, self._failures, self._uniform))
        return not self._stopping.is_set()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _recovered(self) -> None:
        if self._failures:
            _log.info("sink %s: going on after %d failed tries", self.name, self._failures)
        self._failures = 0

    def _note_rejected(self, count: int, batch: Batch, reason: str) -> None:
        self.figures.rejected_items += count
        self.figures.delivered_items += batch.item_count - count
        if not self._rejecting:
            _log.warning(
                "sink %s: refused %d of %d items up to %s: %s",
                self.name,
                count,
                batch.item_count,
                batch.position,
                bounded(reason),
            )
        self._rejecting = True

    def _declare(self, entries: Sequence[Record | Gap]) -> None:
        for gap in entries:
            if isinstance(gap, Gap):
                self.figures.missed_items += gap.last - gap.first + 1
                _log.warning(
                    "sink %s: LSN %d to %d of lineage %s cannot be delivered: %s",
                    self.name,
                    gap.first,
                    gap.last,
                    gap.lineage.hex(),
                    gap.reason,
                )

    def _start_again_if_contradicted(self, place: Position) -> bool:
        cursor = self._position
        if cursor is None or not contradicts(cursor, place):
            return False
        _log.warning(
            "sink %s: its cursor %s is not in this log: delivering from the oldest record again",
            self.name,
            cursor,
        )
        self._position = self._saved = None
        return True


def retry_wait_s(failure: Retry, failures: int, uniform: Uniform) -> float:
    """Return how long to wait after ``failures`` failures in a row, in seconds.

    A sink may ask for more than the back-off, up to SINK_RETRY_AFTER_S_MAX; never for less.
    """
    asked_s = min(failure.after_s or 0.0, SINK_RETRY_AFTER_S_MAX)
    return max(asked_s, backoff.delay_s(failures, uniform))


def bounded(reason: str) -> str:
    """Return a peer's words, cut to SINK_REASON_CHARACTERS_MAX."""
    if len(reason) <= SINK_REASON_CHARACTERS_MAX:
        return reason
    return reason[: SINK_REASON_CHARACTERS_MAX - 1] + "…"
