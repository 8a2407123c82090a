"""A redaction from its request to its answer, wherever the recorder is: beside us, or nowhere.

the worker      asks the recorder over the channel, then erases what its sinks keep
the command     owns a store that no daemon runs, and does both itself
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sidespand import redaction
from sidespand.app import trimming, trimming_alone
from sidespand.app.carriers import keeping, left_behind
from sidespand.app.channel import WorkerEnd
from sidespand.app.dead_letters import parse_keys, replay_beside
from sidespand.app.reloading import Reloaded
from sidespand.errors import InvalidRequest, NotFound, SidespanError
from sidespand.index.indexer import Indexer
from sidespand.journal.reader import JournalReader
from sidespand.journal.retention import has_passed
from sidespand.limits import REDACTION_RECORDS_MAX, REDACTION_TRACES_MAX
from sidespand.model import Gap, Position
from sidespand.redaction import Target
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.tap import Tap

# Records that are looked at before others of the event loop get their turn.
_PER_TURN = 16
Act = Callable[[str, str, Sequence[Target]], Awaitable[Position]]


class NodeAdmin:
    """What the API may have done, in the worker. Implements ``web.app.Admin``.

    Args:
        reader: The worker's own; used on its event loop alone.
        carriers: Of its sinks; it looks each time.
        channel: To the recorder.
        places: The directory of the sinks' directories.
        tap: Of the carriers; None where there is none.
        index: None where there is none.
        reload: Has the worker take up another configuration.
    """

    def __init__(
        self,
        reader: JournalReader,
        carriers: Sequence[Carrier],
        channel: WorkerEnd,
        places: Path,
        *,
        tap: Tap | None,
        index: Indexer | None,
        reload: Callable[[], Awaitable[Reloaded]],
    ) -> None:
        self._tap = tap
        self._index = index
        self._reload = reload
        self._reader = reader
        self._places = places
        self._carriers = carriers
        self._channel = channel

    @property
    def store_id(self) -> str:
        """Which store that is."""
        return self._reader.store_id

    async def redact(self, positions: list[str], actor: str, reason: str) -> dict[str, Any]:
        """Redact the records at ``positions``; return what became of it.

        Raises:
            SidespanError: As the recorder or the reader of the store says; or the tap's file, with
                no sink left to tend to it, holds what was redacted.
        """
        found = await find(self._reader, positions)
        told = await redact_in_parts(found, actor, reason, self._ask)
        gone = found.gaps
        erased, pending = [], []
        for carrier in list(self._carriers):
            try:
                # Whatever the sink is, dead letters are files of ours.
                await carrier.erase(gone)
                if carrier.keeps_files:
                    erased.append(carrier.name)
            except OSError:
                # It reads of it in the log, and tries until it is done.
                pending.append(carrier.name)
        index = None
        if self._index is not None:
            try:
                await self._index.erase(gone)
                index = "erased"
            except OSError:
                index = "pending"
        names = {carrier.name for carrier in self._carriers}
        for letters in left_behind(self._places, names):
            await asyncio.to_thread(letters.erase, gone)
        await self._erase_orphaned_tap(gone)
        copies = {
            carrier.name: count_passed(gone, carrier.reached)
            for carrier in self._carriers
            if not carrier.keeps_files
        }
        left = keeping(self._places, names)
        return answer(
            found, told, erased=erased, copies=copies, pending=pending, index=index, left=left
        )

    async def _erase_orphaned_tap(self, gone: Sequence[Gap]) -> None:
        # A carrier erases the tap with its own files, at once or when it reads of it in the log.
        if self._tap is None or self._carriers:
            return
        try:
            await self._tap.erase(gone)
        except OSError as error:
            raise SidespanError(
                f"tap.path: its file may still hold what was redacted: {error.strerror}",
                hint="remove the file that tap.path names",
            ) from error

    async def reindex(self) -> dict[str, Any]:
        """Have the index begun anew; it is built from the journal meanwhile.

        Raises:
            NotFound: There is none. Not retryable.
        """
        if self._index is None:
            raise NotFound(
                "this daemon keeps no index", hint="set index.enabled = true and start it again"
            )
        self._index.begin_anew()
        return {"items": self._index.lag().items}

    async def replay(self, sink: str, letters: Any) -> dict[str, Any]:
        """Deliver dead letters of a sink once more; ``app.dead_letters.replay`` has the answer.

        Args:
            sink: Its name.
            letters: As ``app.dead_letters.parse_keys`` takes them.

        Raises:
            NotFound: There is no such sink.
            InvalidRequest: ``letters`` are none.
        """
        return await replay_beside(self._carriers, sink, parse_keys(letters))

    async def trim(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the oldest segments removed; ``app.trimming_alone`` has the body.

        Raises:
            InvalidRequest: ``body`` is no such order.
            SidespanError: As the recorder says.
        """
        order, dry_run = trimming_alone.parse_request(self._reader, body)
        return dict(await self._channel.ask("trim", trimming.body(order, dry_run=dry_run)))

    async def reload(self) -> dict[str, Any]:
        """Have the configuration read again; return what has changed.

        Raises:
            InvalidRequest: It cannot be used; nothing was changed. The message has every fault.
        """
        try:
            done = await self._reload()
        except SidespanError as error:
            raise InvalidRequest(str(error), hint=error.hint) from error
        return {
            "started": list(done.started),
            "stopped": list(done.stopped),
            "restart": list(done.restart),
        }

    async def _ask(self, actor: str, reason: str, targets: Sequence[Target]) -> Position:
        said = await self._channel.ask("redact", redaction.body(actor, reason, targets))
        return Position(int(said["ordinal"]), bytes(said["lineage"]), int(said["lsn"]))


class Found:
    """The records that positions name.

    Args:
        fresh: Those that still have their content.
        redacted: Those that have none any more.
    """

    def __init__(self, fresh: Sequence[Target], redacted: Sequence[Target]) -> None:
        self.fresh = fresh
        self.redacted = redacted

    @property
    def gaps(self) -> list[Gap]:
        """What no file of ours may hold afterwards, in log order."""
        both = sorted((*self.fresh, *self.redacted), key=lambda one: (one.ordinal, one.first))
        return [target.gap for target in both]


async def find(reader: JournalReader, positions: Sequence[str]) -> Found:
    """Return the records that positions name, each once.

    Raises:
        InvalidRequest: One is no position, or that of a record without a client's content.
        NotFound: Nothing that can be read is there.
    """
    from sidespand.query.names import parse_position
    from sidespand.query.redactions import doom, record_at

    fresh: dict[tuple[int, int], Target] = {}
    redacted: dict[tuple[int, int], Target] = {}
    for count, text in enumerate(positions, 1):
        named = parse_position(text)
        if named is None:
            raise InvalidRequest(f"{text[:64]!r} is no position", hint="write lineage:lsn")
        position = reader.position(*named)
        if position is None:
            raise NotFound(f"the store has no lineage {named[0].hex()}")
        doomed = doom(record_at(reader, position))
        target = doomed.target
        into = redacted if doomed.record.payload is None else fresh
        into[target.ordinal, target.first] = target
        if count % _PER_TURN == 0:
            await asyncio.sleep(0)
    return Found(list(fresh.values()), list(redacted.values()))


def answer(
    found: Found,
    told: Position | None,
    *,
    erased: Sequence[str],
    copies: Mapping[str, int],
    pending: Sequence[str],
    index: str | None,
    left: Sequence[str],
) -> dict[str, Any]:
    """Return what became of a redaction, for JSON.

    ``erased`` names the sinks whose own files hold nothing of it any more, ``pending`` those that
    erase it as soon as they can write; ``copies`` counts the items that other systems may hold.
    ``index`` is ``erased`` or ``pending`` alike, None where there is none; ``left`` names the sinks
    that are configured no more, and whose files were not looked at.
    """
    return {
        "redacted": [_shown(target) for target in found.fresh],
        "already_redacted": [_shown(target) for target in found.redacted],
        "position": str(told) if told is not None else None,
        "erased": list(erased),
        "pending": list(pending),
        "index": index,
        "left_behind": list(left),
        "copies": [{"sink": name, "items": items} for name, items in copies.items() if items],
    }


async def redact_in_parts(found: Found, actor: str, reason: str, redact: Act) -> Position | None:
    """Have redacted what is not yet, in parts that one request may hold.

    Returns:
        Where the log tells of the last part; None when nothing was left to do.
    """
    told = None
    for part in redaction.parts(found.fresh, REDACTION_RECORDS_MAX, REDACTION_TRACES_MAX):
        told = await redact(actor, reason, part)
    return told


def count_passed(gone: Sequence[Gap], reached: Position | None) -> int:
    """Return how many items of ``gone`` a sink that has reached a place may hold."""
    return sum(gap.last - gap.first + 1 for gap in gone if has_passed(reached, gap.position))


def _shown(target: Target) -> dict[str, str]:
    lineage = target.lineage.hex()
    return {"first": f"{lineage}:{target.first}", "last": f"{lineage}:{target.last}"}
