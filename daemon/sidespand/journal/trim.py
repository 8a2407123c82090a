"""Removes segments that are too old or too much.

    TRIM, and DROP where a required sink loses something, are durable
    the segment leaves the register
    its file is removed, and the directory synced

Wherever that is cut short, the next start or the next round goes on: a file older than the register
is removed, a segment that is registered still is trimmed again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from sidespand import platform
from sidespand.clock import Clock
from sidespand.errors import SidespanError, Unavailable
from sidespand.journal import keys, segment
from sidespand.journal.believed_wall import BelievedWall
from sidespand.journal.layout import Segment
from sidespand.journal.retention import (
    Closed,
    Decision,
    Keeper,
    Order,
    Removal,
    Retention,
    Usage,
)
from sidespand.journal.segment import SegmentReader
from sidespand.journal.state import decode_head
from sidespand.journal.store import JournalStore
from sidespand.model import Kind, Position

_log = logging.getLogger(__name__)
# Runs a blocking function with its arguments where it holds nobody up.
Off = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Figures:
    """What trimming counted since it began, and saw last.

    Args:
        trimmed_items: LSNs that were removed, dropped ones included.
        dropped_items: Of these, those that a required sink never got.
        store_bytes: What the segments occupy on disk.
        oldest_lsn: The first one that can be read.
        oldest_age_s: Age of the last record of the oldest closed segment, in seconds; 0 without.
    """

    trimmed_items: int = 0
    dropped_items: int = 0
    store_bytes: int = 0
    oldest_lsn: int = 0
    oldest_age_s: float = 0.0


class Trimmer:
    """Trims one store.

    Args:
        store: Started.
        retention: What the operator wants kept.
        clock: For the age of records.
        off: Runs what blocks.
    """

    def __init__(self, store: JournalStore, retention: Retention, clock: Clock, off: Off) -> None:
        self.figures = Figures()
        self._store = store
        self._layout = store.layout
        self._keeper = Keeper(retention)
        self._wall = BelievedWall(clock)
        self._off = off
        self._surveyed: dict[Segment, Closed] = {}
        self._full = ""

    def require(self, sinks: frozenset[str]) -> None:
        """Have other sinks required from the next ``trim`` on."""
        self._keeper.require(sinks)

    async def resume(self) -> None:
        """Complete a removal that was cut short."""
        for lost, last_lsn in await self._off(self._tidy):
            body = {**_stretch(lost, last_lsn), "reason": "missing", "sinks": []}
            await self._store.append_control(Kind.DROP, body)
            await self._off(self._store.forget, {lost})

    async def trim(self, cursors: Mapping[str, Position]) -> int:
        """Remove what retention lets go; return how many segments that were.

        Clients are refused from here on while the store is full and a required sink is behind.

        Args:
            cursors: The durable cursor of each sink that has told one.

        Raises:
            Unavailable: The journal cannot take the record that declares it. Retryable.
            OSError: A file cannot be removed, or the register not written. Retryable.
        """
        decision: Decision = await self._off(self._decide, cursors)
        if decision.full != self._full:
            self._full = decision.full
            self._store.refuse(decision.full)
            if decision.full:
                _log.error("refusing what clients send: %s", decision.full)
            else:
                _log.info("there is room again: accepting what clients send")
        for removal in decision.removals:
            await self._remove(removal)
        if decision.removals:
            self._store.make_spare()
        return len(decision.removals)

    async def obey(
        self, order: Order, cursors: Mapping[str, Position], *, dry_run: bool
    ) -> Decision:
        """Remove what an operator wants gone; return what was removed and what keeps the rest.

        Args:
            order: What was asked for.
            cursors: The durable cursor of each sink that has told one.
            dry_run: Only say what would be removed.

        Raises:
            Unavailable: The journal cannot take the record that declares it. Retryable.
            OSError: A file cannot be removed, or the register not written. Retryable.
        """
        registered = self._store.segments

        def decide() -> Decision:
            return self._keeper.obey(self._closed(registered), order, cursors)

        decision: Decision = await self._off(decide)
        if not dry_run:
            for removal in decision.removals:
                await self._remove(removal, order.actor)
        return decision

    def _decide(self, cursors: Mapping[str, Position]) -> Decision:
        now_ns = self._wall.now_ns()
        directory = self._layout.segments_dir
        free_bytes = platform.free_bytes(directory)
        wanted_bytes = self._store.wanted_bytes
        if wanted_bytes and free_bytes >= wanted_bytes:
            self._store.make_spare()
            wanted_bytes = 0
        usage = Usage(
            store_bytes=platform.used_bytes(directory),
            disk_bytes=platform.disk_bytes(directory),
            free_bytes=free_bytes,
            wanted_bytes=wanted_bytes,
        )
        registered = self._store.segments
        decision = self._keeper.decide(self._closed(registered), usage, cursors, now_ns)
        self.figures.store_bytes = usage.store_bytes
        self.figures.oldest_lsn = registered[0].first_lsn
        oldest = self._surveyed.get(registered[0])
        self.figures.oldest_age_s = (now_ns - oldest.newest_wall_ns) / 1e9 if oldest else 0.0
        return decision

    def _closed(self, registered: tuple[Segment, ...]) -> Iterator[Closed]:
        for one, following in pairwise(registered):
            if one not in self._surveyed:
                self._surveyed[one] = _survey(self._layout.path(one), one, following)
            yield self._surveyed[one]

    async def _remove(self, removal: Removal, actor: str = "") -> None:
        one = removal.closed
        try:
            await self._declare(removal, actor)
        except Unavailable:
            if not self._store.wanted_bytes:
                raise
            # Not even the record that declares it has room. Should the process end in between, the
            # next start finds a registered segment missing, and declares that.
            await self._off(self._unlink, one.segment)
            await self._declare(removal, actor)
        await self._off(self._store.forget, {one.segment})
        await self._off(self._unlink, one.segment)
        self._surveyed.pop(one.segment, None)
        items = one.last_lsn - one.segment.first_lsn + 1
        self.figures.trimmed_items += items
        if removal.lost_to:
            self.figures.dropped_items += items
            _log.error(
                "dropped LSN %d to %d of lineage %s, which %s never got: %s",
                one.segment.first_lsn,
                one.last_lsn,
                one.segment.lineage.hex(),
                ", ".join(removal.lost_to),
                "somebody asked for it" if removal.reason == "asked" else "the store was full",
            )

    async def _declare(self, removal: Removal, actor: str = "") -> None:
        one = removal.closed
        stretch = _stretch(one.segment, one.last_lsn)
        if actor:
            stretch["actor"] = actor
        append = self._store.append_control
        told = [append(Kind.TRIM, {**stretch, "reason": removal.reason})]
        if removal.lost_to:
            sinks = list(removal.lost_to)
            loss = {**stretch, "reason": removal.reason, "sinks": sinks}
            told.append(append(Kind.DROP, loss))
        await asyncio.gather(*told)

    def _unlink(self, gone: Segment) -> None:
        path = self._layout.path(gone)
        segment.remove(path)
        if path.parent.exists():
            platform.sync_directory(path.parent)

    def _tidy(self) -> list[tuple[Segment, int]]:
        # A removed file can come back after a power cut, and a removal be cut short before it.
        registered = self._store.segments
        for one in self._layout.segments():
            if one < registered[0]:
                _log.info("removing %s, which was trimmed", self._layout.path(one))
                self._unlink(one)
        missing = [one for one in registered if not self._layout.path(one).exists()]
        for one in missing:
            _log.error("%s is missing", self._layout.path(one))
        # The oldest ones went when the disk was full; others, somebody took away.
        return [
            (one, _last_lsn(one, following))
            for one, (first, following) in zip(missing, pairwise(registered), strict=False)
            if one == first
        ]


def _survey(path: Path, one: Segment, following: Segment) -> Closed:
    facts = path.stat()
    last_lsn = following.first_lsn - 1
    newest_wall_ns = facts.st_mtime_ns
    try:
        reader = SegmentReader(path, locked=False)
        try:
            head = decode_head(reader.row(keys.HEAD) or b"")
        finally:
            reader.close()
    except SidespanError as error:
        _log.warning("%s: its age is taken to be its file's: %s", path, error)
    else:
        newest_wall_ns = head.wall_ns
        if following.lineage != one.lineage:
            last_lsn = head.last_lsn
    return Closed(one, last_lsn, platform.occupied_bytes(facts), newest_wall_ns)


def _last_lsn(gone: Segment, following: Segment) -> int:
    # At the end of a lineage nothing that is left says how far it came.
    same = following.lineage == gone.lineage
    return following.first_lsn - 1 if same else gone.first_lsn


def _stretch(one: Segment, last_lsn: int) -> dict[str, Any]:
    return {
        "ordinal": one.ordinal,
        "lineage": one.lineage,
        "first_lsn": one.first_lsn,
        "last_lsn": last_lsn,
    }
