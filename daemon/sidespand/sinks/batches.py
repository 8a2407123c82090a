"""Cuts what was read into deliveries. Pure."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sidespand import redaction
from sidespand.limits import DELIVERY_BYTES_MAX, STAMP_BYTES_MAX
from sidespand.model import Gap, Kind, Position, Record


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the log that is delivered, or passed over, as one.

    Args:
        records: Those that the sink takes, of one lineage, in log order; empty when it takes none.
        position: Where the stretch ends, inclusive.
        erased: What a REDACT record at its end says is gone.
    """

    records: tuple[Record, ...]
    position: Position
    erased: tuple[Gap, ...] = ()


def batches(entries: Sequence[Record | Gap], kinds: AbstractSet[Kind]) -> Iterator[Batch]:
    """Yield batches that cover ``entries`` without a gap, in log order.

    Args:
        entries: What follows the cursor.
        kinds: What the sink takes; other records, redacted ones and gaps are passed over.

    Yields:
        Batches of at most DELIVERY_BYTES_MAX with their stamps, or of one larger record. One ends
        at each redaction.
    """
    records: list[Record] = []
    size = 0
    last: Position | None = None
    for entry in entries:
        added = _size(entry, kinds)
        elsewhere = last is not None and entry.position.lineage != last.lineage
        if last is not None and (elsewhere or (records and size + added > DELIVERY_BYTES_MAX)):
            yield Batch(tuple(records), last)
            records, size = [], 0
        if added and isinstance(entry, Record):
            records.append(entry)
            size += added
        last = entry.position
        told = redaction.parse(entry) if isinstance(entry, Record) else None
        if told is not None:
            yield Batch(tuple(records), last, tuple(target.gap for target in told.targets))
            records, size, last = [], 0, None
    if last is not None:
        yield Batch(tuple(records), last)


def cut(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Yield records that may have grown since they were a batch, in parts as large as a batch.

    Args:
        records: Each with its payload, in log order.
    """
    part: list[Record] = []
    size = 0
    for record in records:
        added = _delivered_bytes(record)
        if part and size + added > DELIVERY_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(record)
        size += added
    if part:
        yield part


def _size(entry: Record | Gap, kinds: AbstractSet[Kind]) -> int:
    if isinstance(entry, Gap) or entry.payload is None or entry.header.kind not in kinds:
        return 0
    return _delivered_bytes(entry)


def _delivered_bytes(record: Record) -> int:
    return len(record.payload or b"") + STAMP_BYTES_MAX * record.header.item_count
