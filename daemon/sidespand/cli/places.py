"""Finds the item that an argument names in one store."""

from typing import TYPE_CHECKING

from sidespand.errors import NotFound
from sidespand.limits import FIND_QUIET_BYTES

if TYPE_CHECKING:
    from sidespand.journal.reader import JournalReader
    from sidespand.query.receipts import Place

LAST = "last"


def find_place(reader: "JournalReader", text: str, *, everything: bool) -> "Place":
    """Return the item at a position or token, the newest span, or the one with an id.

    Args:
        reader: Of the store.
        text: ``lineage:lsn``, a token, ``last``, or a span id or prefix of one.
        everything: Search the whole journal in any case.

    Raises:
        NotFound: There is none. Not retryable.
        UnusableId: It names nothing, or more than one thing. Not retryable.
    """
    from sidespand.query.find import newest_span, resolve_span
    from sidespand.query.names import parse_position
    from sidespand.query.receipts import Place
    from sidespand.query.walk import Walk

    if text == LAST:
        return Place.of(newest_span(reader.newest_first()))
    named = parse_position(text)
    if named is not None:
        return _at(reader, *named)
    walk = Walk(reader.newest_first(), quiet_bytes=None if everything else FIND_QUIET_BYTES)
    return Place.of(resolve_span(walk, text))


def _at(reader: "JournalReader", lineage: bytes, lsn: int) -> "Place":
    from sidespand.model import Gap
    from sidespand.query.receipts import Place
    from sidespand.query.spans import begun_items

    where = f"{lineage.hex()}:{lsn}"
    position = reader.position(lineage, lsn)
    if position is None:
        raise NotFound(
            f"the store has no lineage {lineage.hex()}", hint="`sidespan lineage` lists them"
        )
    tail = reader.tail()
    if tail is not None and tail.lineage == lineage and lsn > tail.lsn:
        raise NotFound(
            f"nothing is recorded at {where}: the log ends at LSN {tail.lsn}",
            hint="`sidespan lineage` lists the LSNs of each generation",
        )
    for entry in reader.read(position._replace(lsn=lsn - 1), position):
        if isinstance(entry, Gap):
            if entry.first <= lsn <= entry.last:
                raise NotFound(
                    f"{where} cannot be read: it is {entry.reason}",
                    hint="`sidespan verify` says what else is",
                )
        elif entry.header.first_lsn <= lsn <= entry.header.last_lsn:
            index = lsn - entry.header.first_lsn
            items = {item.stamp.position.lsn: item for item in begun_items(entry)}
            return Place(entry, index, items.get(lsn))
    raise NotFound(f"nothing is recorded at {where}", hint="`sidespan status` names the last LSN")
