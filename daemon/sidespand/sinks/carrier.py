"""Carries the log to one sink: read, select, deliver, advance the cursor, wait.

Invariants: the cursor moves only behind what the sink took, or what is durable among its dead
letters; it is durable before the first record of another lineage is delivered; nothing but a stop
ends the task.
"""

import asyncio
import errno
import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sidespand.errors import InUse
from sidespand.filters import Filter
from sidespand.limits import CURSOR_SAVE_S, SINK_COALESCE_S
from sidespand.model import Delivery, Gap, Position, Record, Rejected, Retry
from sidespand.ports import Erasable, Log, PerKind, Sink
from sidespand.sinks import selecting
from sidespand.sinks.batches import Batch, batches
from sidespand.sinks.cursor import CursorFile, contradicts
from sidespand.sinks.dead_letters import DeadLetters, Key
from sidespand.sinks.figures import Figures
from sidespand.sinks.handover import Handover
from sidespand.sinks.patience import Patience, Uniform
from sidespand.sinks.policy import Policy
from sidespand.sinks.resources import Additions
from sidespand.sinks.tap import Tap

_log = logging.getLogger(__name__)


class Carrier:
    """One sink's way through the log.

    Args:
        name: Of the sink.
        sink: Who takes the records.
        log: Where they come from; it is shared and never waits.
        cursor: Where the sink's place is kept; dead letters lie beside it.
        uniform: Spreads the waits between tries.
        coalesce_s: How long small commits are awaited after a pause, in seconds.
        wanted: Which items the sink is meant to have; None for all.
        additions: Attributes that every resource gets on its way.
        policy: What of each record the sink gets; None for all of it, as stored.
        tap: Gets copies of what the sink was handed.
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
        wanted: Filter | None = None,
        additions: Additions | None = None,
        policy: Policy | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.name = name
        self.figures = Figures()
        self.dead_letters = DeadLetters(cursor.place)
        self._wanted = wanted
        self._policy = policy
        self._tap = tap
        self._sink = sink
        self._journal = log
        self._cursor = cursor
        self._patience = Patience(name, uniform, self.figures)
        self._handover = Handover(
            name,
            sink,
            self.dead_letters,
            self._patience,
            self.figures,
            additions=additions,
            policy=policy,
            tap=tap,
        )
        self._coalesce_s = coalesce_s
        self._newest: Position | None = None
        self._position: Position | None = None
        self._per_kind = isinstance(sink, PerKind)
        # The newest item of the position's lineage in each stream of the sink.
        self._streams: dict[str, int] = {}
        # Wall clock of the oldest record that is being delivered.
        self._waiting_since_ns: int | None = None
        self._reached: Position | None = None
        self._saved: Position | None = None
        self._saved_at_s = 0.0
        self._save_failed = False
        self._wake = asyncio.Event()

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
        """Take records out of the dead letters, the tap, and the sink's own files if it has any.

        Raises:
            OSError: Some may still be there; they go when the log tells of it.
        """
        await asyncio.to_thread(self._erase_dead_letters, gone)
        if self._tap is not None:
            await self._tap.erase(gone)
        if isinstance(self._sink, Erasable):
            await self._sink.erase(gone)

    def _erase_dead_letters(self, gone: Sequence[Gap]) -> None:
        try:
            self.dead_letters.erase(gone)
        except InUse as error:
            raise OSError(errno.EAGAIN, str(error)) from error

    @property
    def failures(self) -> int:
        """How many tries in a row have failed; 0 for a sink that is well."""
        return self._patience.failures

    def oldest_age_s(self, wall_ns: int) -> float:
        """Return the age of the oldest record that is being delivered; 0.0 without one.

        Args:
            wall_ns: The wall clock.
        """
        since_ns = self._waiting_since_ns
        return 0.0 if since_ns is None else max(0.0, (wall_ns - since_ns) / 1e9)

    async def replay(self, record: Record) -> Delivery:
        """Deliver a record once more, whatever the cursor says; it is between others' turns.

        Returns:
            What the sink says; a sink that raised says Retry. What today's policy withholds is
            rejected.
        """
        released = record if self._policy is None else self._policy.apply(record).record
        if released is None:
            return Rejected(record.header.item_count, "its policy withholds it", whole=True)
        return (await self._handover.attempt([released]))[0]

    async def remove_dead_letters(self, keys: AbstractSet[Key]) -> None:
        """Take letters out.

        Raises:
            OSError, InUse: All are still there.
        """
        if keys:
            await asyncio.to_thread(self.dead_letters.remove, keys)

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
        self._patience.stop()
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
            await asyncio.to_thread(self._cursor.save, position, dict(self._streams))
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
                self._streams = self._cursor.streams
            except OSError as error:
                if not await self._patience.hold(Retry(f"the cursor cannot be read: {error}")):
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
            return await self._patience.hold(Retry(f"the journal cannot be read: {error}"), error)
        self._patience.recovered()
        if not entries:
            return await self._more()
        if self._start_again_if_contradicted(entries[0].position):
            return True
        self._reached = entries[-1].position
        self._declare(entries)
        for batch in batches(entries, self._sink.kinds):
            if self._position is not None and batch.position.lineage != self._position.lineage:
                await self.save()
                self._streams = {}
            if not await self._settle(batch):
                return False
            self._position = batch.position
            if asyncio.get_running_loop().time() - self._saved_at_s >= CURSOR_SAVE_S:
                await self.save()
        return True

    async def _more(self) -> bool:
        await self.save()
        if self._patience.is_stopping:
            return False
        await self._wake.wait()
        self._wake.clear()
        await self._patience.pause(self._coalesce_s)
        return True

    async def _settle(self, batch: Batch) -> bool:
        if batch.records:
            self._waiting_since_ns = batch.records[0].header.wall_ns
            selected = await self._selected(batch.records)
            if selected is None or not await self._handover.deliver(selected):
                return False
            for record in selected:
                stream = selecting.lane(record, per_kind=self._per_kind)
                self._streams[stream] = record.header.last_lsn
            self._waiting_since_ns = None
        return not batch.erased or await self._erase(batch.erased)

    async def _selected(self, records: Sequence[Record]) -> Sequence[Record] | None:
        # What filter and policy make of a record may be wrong, but must not end the task, and what
        # was not judged does not leave.
        while True:
            try:
                if self._wanted is None:
                    found = records
                else:
                    found = [
                        one for record in records for one in selecting.select(record, self._wanted)
                    ]
                found = await self._released(found)
                return selecting.linked(found, self._streams, per_kind=self._per_kind)
            except Exception as error:
                what = "filter or policy cannot be applied"
                failure = Retry(f"{what}: {type(error).__name__}: {error}")
                if not await self._patience.hold(failure, error):
                    return None

    async def _released(self, records: Sequence[Record]) -> Sequence[Record]:
        if self._policy is None:
            return records
        kept = []
        withheld = changed = 0
        for record in records:
            released = self._policy.apply(record)
            if released.record is None:
                withheld += record.header.item_count
                continue
            kept.append(released.record)
            changed += released.changed_values
            if released.record is not record:
                # To write a record anew takes a while: other sinks get their turn.
                await asyncio.sleep(0)
        self.figures.withheld_items += withheld
        self.figures.changed_values += changed
        return kept

    async def _erase(self, gone: Sequence[Gap]) -> bool:
        while True:
            try:
                await self.erase(gone)
            except OSError as error:
                failure = Retry(f"what was redacted cannot be erased: {error}")
                if not await self._patience.hold(failure):
                    return False
                continue
            self._patience.recovered()
            return True

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
        self._streams = {}
        return True
