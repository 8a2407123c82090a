"""Takes the payloads of records out of the journal.

    what is to do is on disk           <data>/REDACTION
    REDACT is durable                  the open segment is left before, if it holds a target
    each segment is written anew       ``rewrite``
    what was to do is crossed out

A redaction that is cut short after its first step is completed at the next start; its REDACT record
may then be there twice.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import pairwise

import msgpack

from sidespand import platform, redaction
from sidespand.errors import InvalidRequest, SidespanError, Unavailable
from sidespand.files import replace_file
from sidespand.journal import segment
from sidespand.journal.layout import Segment
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.record import DamagedRecord
from sidespand.journal.rewrite import GoneRow, holds_copies, rewrite
from sidespand.journal.segment import CommitFailed
from sidespand.journal.segment_file import SegmentDamaged
from sidespand.journal.store import JournalStore
from sidespand.journal.trim import Off
from sidespand.limits import REDACTION_RECORDS_MAX, REDACTION_TRACES_MAX, SEGMENT_BIRTH_BYTES
from sidespand.model import ControlBody, Kind, Position
from sidespand.redaction import Target

_log = logging.getLogger(__name__)


class Redactor:
    """Redacts one store.

    Args:
        store: Started.
        off: Runs what blocks.
    """

    def __init__(self, store: JournalStore, off: Off) -> None:
        self._store = store
        self._layout = store.layout
        self._off = off

    async def resume(self) -> None:
        """Complete a redaction that was cut short; one that cannot be is logged, and stays due."""
        pending = await self._off(self._pending)
        await self._off(segment.remove, self._layout.rewrite_path)
        if not pending:
            return
        _log.warning("completing a redaction that was cut short")
        try:
            await self._redact(pending, pending)
        except SidespanError as error:
            _log.error("a redaction is still not complete: %s", error)

    async def redact(self, actor: str, reason: str, targets: Sequence[Target]) -> Position:
        """Take the payloads of records out of the journal, for good.

        Done when no file of the journal holds them any more.

        Args:
            actor: Who wants it, for the log.
            reason: Why, the same.
            targets: Records of clients, at most REDACTION_RECORDS_MAX.

        Returns:
            The position of the record that tells of it.

        Raises:
            InvalidRequest: A target is no durable record of this store, or there are too many.
                Nothing was written.
            Unavailable: There is no room to rewrite a segment, and nothing was written; or the
                journal cannot take the record now. Retryable.
            SidespanError: A segment could not be rewritten; it is tried again at the next start.
        """
        ordered = sorted(targets, key=lambda one: (one.ordinal, one.first))
        self._check(ordered)
        await self._off(self._check_room, ordered)
        bodies = list(redaction.bodies(actor, reason, ordered))
        due = [*await self._off(self._pending), *bodies]
        await self._off(self._note, due)
        return await self._redact(bodies, due)

    def _check(self, targets: Sequence[Target]) -> None:
        if not targets:
            raise InvalidRequest("no record is named")
        traces = sum(len(target.trace_ids) for target in targets)
        if len(targets) > REDACTION_RECORDS_MAX or traces > REDACTION_TRACES_MAX:
            raise InvalidRequest(
                f"over {REDACTION_RECORDS_MAX} records or {REDACTION_TRACES_MAX} traces at once",
                hint="redact less at a time",
            )
        newest = self._store.position
        for target in targets:
            if self._holder(target) is None or target.gap.position > newest:
                raise InvalidRequest(f"{target.lineage.hex()}:{target.first} is not in this store")

    def _holder(self, target: Target) -> Segment | None:
        found = None
        for one in self._store.segments:
            same = (one.ordinal, one.lineage) == (target.ordinal, target.lineage)
            if same and one.first_lsn <= target.first:
                found = one
        return found

    def _check_room(self, targets: Sequence[Target]) -> None:
        holders = {one for one in map(self._holder, targets) if one is not None}
        largest = max(self._layout.path(one).stat().st_size for one in holders)
        if platform.free_bytes(self._layout.segments_dir) < largest + SEGMENT_BIRTH_BYTES:
            raise Unavailable(
                f"no room to rewrite a segment of {largest} bytes",
                hint="free space on the disk of data_dir",
            )

    def _note(self, bodies: Sequence[ControlBody]) -> None:
        replace_file(self._layout.redaction_path, msgpack.packb([dict(one) for one in bodies]))

    def _pending(self) -> list[ControlBody]:
        try:
            raw = self._layout.redaction_path.read_bytes()
        except FileNotFoundError:
            return []
        found: list[ControlBody] = msgpack.unpackb(raw)
        return found

    async def _redact(self, told: Sequence[ControlBody], due: Sequence[ControlBody]) -> Position:
        targets = [target for body in due for target in redaction.parse_body(body)[2]]
        open_segment = self._store.segments[-1]
        if any(self._holder(target) == open_segment for target in targets):
            self._store.roll_next()
        receipts = await asyncio.gather(
            *(self._store.append_control(Kind.REDACT, body) for body in told)
        )
        position = self._store.position._replace(lsn=max(one.last_lsn for one in receipts))
        await self._off(self._rewrite, targets)
        return position

    def _rewrite(self, targets: Sequence[Target]) -> None:
        gone: dict[Segment, set[int]] = {}
        for target in targets:
            holder = self._holder(target)
            # It may have been trimmed meanwhile.
            if holder is not None:
                gone.setdefault(holder, set()).add(target.first)
        named = {(target.lineage, target.first): target.last for target in targets}

        def is_gone(key: bytes, row: bytes) -> bool:
            # The mark of a span that was open then: the table keeps its name.
            try:
                span = decode_open_span(key, row)
            except DamagedRecord:
                return False
            return span is not None and any(
                lineage == span.lineage and first <= span.lsn <= last
                for (lineage, first), last in named.items()
            )

        failures: list[str] = []
        registered = self._store.segments
        for one, following in pairwise(registered):
            before = following.first_lsn if following.lineage == one.lineage else None
            try:
                self._rewrite_one(one, gone.get(one, set()), before, is_gone)
            except (OSError, CommitFailed, SegmentDamaged) as error:
                failures.append(f"{self._layout.path(one)} cannot be rewritten: {error}")
        if failures:
            raise SidespanError(
                "\n".join(failures), hint="mend that, then restart the daemon: it tries again"
            )
        self._layout.redaction_path.unlink(missing_ok=True)
        platform.sync_directory(self._layout.root)

    def _rewrite_one(
        self, one: Segment, gone: set[int], before: int | None, is_gone: GoneRow
    ) -> None:
        path = self._layout.path(one)
        if not gone:
            try:
                if not holds_copies(path, before, is_gone):
                    return
            except (SegmentDamaged, FileNotFoundError):
                return
        rewrite(path, self._layout.rewrite_path, gone, before, is_gone)
