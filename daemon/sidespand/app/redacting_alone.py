"""A redaction without a daemon: whoever owns the store does all of it."""

from collections.abc import Sequence
from typing import Any

from sidespand.app.carriers import keeping, left_behind
from sidespand.app.housekeeper import retention_of
from sidespand.app.opening import node_identity, open_journal
from sidespand.app.redacting import Found, answer, count_passed, find, redact_in_parts
from sidespand.clock import SystemClock
from sidespand.config import Config
from sidespand.index import files
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.journal.upkeep import Upkeep
from sidespand.lock import FileLock
from sidespand.model import Position
from sidespand.ports import Erasable
from sidespand.sinks import registry
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.dead_letters import DeadLetters
from sidespand.sinks.tap import Tap


async def redact_alone(
    config: Config, positions: Sequence[str], actor: str, reason: str
) -> dict[str, Any]:
    """Redact in a store that no daemon runs; the answer is as ``NodeAdmin.redact`` gives it.

    Raises:
        InUse: A daemon runs it. Nothing was changed.
        SidespanError: As the store says.
    """
    # A process opens a segment once: what is to be read is read before the store is opened.
    reader = JournalReader(config.data_dir)
    try:
        found = await find(reader, positions)
    finally:
        reader.close()
    clock = SystemClock()
    journal = open_journal(
        config,
        node_identity(config, clock),
        clock,
        committed=lambda _: None,
        fatal=lambda _: None,
    )
    journal.start()
    upkeep = Upkeep(journal, retention_of(config), clock)
    try:
        worker = FileLock(
            config.data_dir / "WORKER.lock", f"the cursors in {config.data_dir}", "data_dir"
        )
        try:
            await upkeep.resume()
            told = await redact_in_parts(found, actor, reason, upkeep.redact)
            return await _erase_alone(config, found, told)
        finally:
            worker.release()
    finally:
        upkeep.close()
        journal.close()


async def _erase_alone(config: Config, found: Found, told: Position | None) -> dict[str, Any]:
    gone = found.gaps
    places = Layout(config.data_dir).sinks_dir
    erased: list[str] = []
    copies: dict[str, int] = {}
    for plan in registry.parse(config.sinks):
        place = places / plan.name
        if not place.is_dir():
            continue
        sink = registry.build(plan, place, lambda _lineage, _generation: {})
        try:
            DeadLetters(place).erase(gone)
            if isinstance(sink, Erasable):
                await sink.erase(gone)
                erased.append(plan.name)
            else:
                copies[plan.name] = count_passed(gone, CursorFile(place / "cursor.json").load())
        finally:
            await sink.close()
    names = {sink.name for sink in config.sinks}
    for letters in left_behind(places, names):
        letters.erase(gone)
    if config.tap_path is not None:
        tap = Tap(config.tap_path)
        try:
            await tap.erase(gone)
        finally:
            await tap.close()
    index = files.index_path(config.data_dir)
    state = "erased" if index.exists() else None
    # It is built anew by the next daemon, from what the journal still has.
    files.remove(index)
    left = keeping(places, names)
    return answer(found, told, erased=erased, copies=copies, pending=[], index=state, left=left)
