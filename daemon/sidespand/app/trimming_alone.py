"""An operator's trim from its request on, in the worker or where no daemon runs.

{"before": "<lineage>:<lsn>"} or {"before_ns": "<decimal>"}, with "actor", "force", "dry_run"
"""

from collections.abc import Mapping
from typing import Any

from sidespand.app.opening import node_identity, open_journal
from sidespand.app.trimming import answer
from sidespand.clock import SystemClock
from sidespand.config import Config
from sidespand.errors import InvalidRequest, NotFound
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.journal.retention import Order, Retention
from sidespand.journal.upkeep import Upkeep
from sidespand.model import Position
from sidespand.query.names import parse_position
from sidespand.sinks.cursor import CursorFile


def parse_request(reader: JournalReader, request: Mapping[str, Any]) -> tuple[Order, bool]:
    """Return what was asked for, and whether it is only to be said what would go.

    Raises:
        InvalidRequest: It is no such order.
        NotFound: It names a lineage that the store does not have.
    """
    before, before_ns = request.get("before"), request.get("before_ns")
    force, dry_run = request.get("force", False), request.get("dry_run", False)
    if (before is None) == (before_ns is None):
        raise InvalidRequest("before: expected a position, or before_ns a moment")
    if not isinstance(force, bool) or not isinstance(dry_run, bool):
        raise InvalidRequest("force, dry_run: expected true or false")
    actor = str(request.get("actor", ""))
    if before is None:
        text = str(before_ns)
        if not (text.isascii() and text.isdigit() and int(text[:20]) < 2**64):
            raise InvalidRequest("before_ns: expected nanoseconds since 1970 as decimal text")
        return Order(actor, None, int(text), force), dry_run
    named = parse_position(str(before))
    if named is None:
        raise InvalidRequest(f"before: {str(before)[:64]!r} is no position", hint="lineage:lsn")
    position = reader.position(*named)
    if position is None:
        raise NotFound(f"the store has no lineage {named[0].hex()}")
    return Order(actor, position, None, force), dry_run


async def trim_alone(config: Config, request: Mapping[str, Any]) -> dict[str, Any]:
    """Trim a store that no daemon runs, in a generation of its own.

    Raises:
        InUse: A daemon runs it. Nothing was changed.
        SidespanError: As the store says.
    """
    # A process opens a segment once: what is to be read is read before the store is opened.
    reader = JournalReader(config.data_dir)
    try:
        order, dry_run = parse_request(reader, request)
    finally:
        reader.close()
    clock = SystemClock()
    journal = open_journal(
        config, node_identity(config, clock), clock, committed=lambda _: None, fatal=lambda _: None
    )
    journal.start()
    required = frozenset(sink.name for sink in config.sinks if sink.required)
    # Nothing goes by itself here: only what was asked for.
    upkeep = Upkeep(journal, Retention(0.0, 0, 0.0, required=required), clock)
    try:
        await upkeep.resume()
        decision = await upkeep.obey(order, _cursors(config), dry_run=dry_run)
        return answer(decision, dry_run=dry_run)
    finally:
        upkeep.close()
        journal.close()


def _cursors(config: Config) -> dict[str, Position]:
    places = Layout(config.data_dir).sinks_dir
    found = {
        sink.name: CursorFile(places / sink.name / "cursor.json").load() for sink in config.sinks
    }
    return {name: cursor for name, cursor in found.items() if cursor is not None}
