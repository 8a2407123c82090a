"""The recorder's hand on its own store: trims by itself, redacts when it is asked to."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from prometheus_client import Counter

from sidespand import redaction
from sidespand.app import trimming
from sidespand.app.channel import Body
from sidespand.clock import Clock
from sidespand.config import Config
from sidespand.errors import InvalidRequest, SidespanError
from sidespand.journal.retention import Retention
from sidespand.journal.store import JournalStore
from sidespand.journal.upkeep import Upkeep
from sidespand.limits import UPKEEP_S
from sidespand.model import Position
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)


class Housekeeper:
    """Keeps one store in order while the recorder runs.

    Args:
        store: Started before this is.
        config: Says what to keep, and which sinks are required.
        clock: For the age of records.
        telemetry: Shows what was removed.
    """

    def __init__(
        self, store: JournalStore, config: Config, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._upkeep = Upkeep(store, retention_of(config), clock)
        self._telemetry = telemetry
        self._cursors: dict[str, Position] = {}
        self._counted: dict[Counter, float] = {}
        self._failing = False
        self._newest = store.segments[-1]
        self._stopping = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Complete what an earlier life began, then trim from time to time."""
        await self._upkeep.resume()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Finish what is being removed or redacted, and stop."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(None, self._upkeep.close)

    def advance(self) -> None:
        """Look at once when the commit that was just reported began another segment."""
        newest = self._store.segments[-1]
        if newest != self._newest:
            self._newest = newest
            self._wake.set()

    def note_cursors(self, cursors: Mapping[str, Position]) -> None:
        """Learn how far sinks have come, durably."""
        self._cursors.update(cursors)

    async def answer(self, verb: str, body: Body) -> Body:
        """Do what the worker may not.

        Args:
            verb: ``redact``, ``trim`` or ``require``.
            body: As ``redaction`` or ``trimming`` has it; or ``sinks``, the names of those that are
                required from now on, ``names``, those of all, and ``log_level``.

        Returns:
            The position of the REDACT record: ``ordinal``, ``lineage``, ``lsn``; what was trimmed;
            or nothing.

        Raises:
            InvalidRequest: It is no such question. Not retryable.
            SidespanError: As ``Upkeep.redact`` says.
        """
        if verb == "require":
            self._upkeep.require(frozenset(str(name) for name in body["sinks"]))
            return {}
        if verb == "trim":
            order, dry_run = trimming.parse_body(body)
            decision = await self._upkeep.obey(order, self._cursors, dry_run=dry_run)
            return trimming.answer(decision, dry_run=dry_run)
        if verb != "redact":
            raise InvalidRequest(f"this recorder does not know how to {verb}")
        try:
            actor, reason, targets = redaction.parse_body(body)
        except ValueError as error:
            raise InvalidRequest(f"redact: {error}") from error
        told = await self._upkeep.redact(actor, reason, targets)
        self._telemetry.redacted_records.inc(len(targets))
        _log.info("redacted %d records for %r: %r", len(targets), actor, reason)
        return told._asdict()

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                await self._upkeep.trim(self._cursors)
            except (SidespanError, OSError) as error:
                if not self._failing:
                    _log.warning("the journal cannot be trimmed: %s; trying again", error)
                self._failing = True
            else:
                self._failing = False
            self._show()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UPKEEP_S):
                    await self._wake.wait()

    def _show(self) -> None:
        telemetry, figures = self._telemetry, self._upkeep.figures
        telemetry.store_bytes.set(figures.store_bytes)
        telemetry.oldest_lsn.set(figures.oldest_lsn)
        telemetry.oldest_age.set(figures.oldest_age_s)
        # A disk that is gone is the writer's to judge.
        with contextlib.suppress(OSError):
            telemetry.disk_free.set(self._store.free_bytes())
        self._bring(telemetry.trimmed_items, figures.trimmed_items)
        self._bring(telemetry.dropped_items, figures.dropped_items)
        self._bring(telemetry.unwatched_marks, self._store.unwatched_mark_count)
        commits, took_s = self._store.commits()
        self._bring(telemetry.commits, commits)
        self._bring(telemetry.commit_time, took_s)

    def _bring(self, counter: Counter, total: float) -> None:
        counter.inc(total - self._counted.get(counter, 0))
        self._counted[counter] = total


def retention_of(config: Config) -> Retention:
    """Return what a configuration wants kept."""
    return Retention(
        age_s=config.retention_age_s,
        bytes_max=config.retention_bytes,
        disk_free_min=config.disk_free_min,
        drop_oldest=config.on_full == "drop_oldest",
        required=frozenset(sink.name for sink in config.sinks if sink.required),
    )
