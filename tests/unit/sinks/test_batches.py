"""Cutting what was read into deliveries."""

from dataclasses import replace

from sidespand.limits import DELIVERY_BYTES_MAX, STAMP_BYTES_MAX
from sidespand.model import Content, Gap, Kind, Position, Record
from sidespand.sinks.batches import batches
from tests.journals import LINEAGE, content, lsns, records
from tests.otlp import encoded

SPANS = frozenset({Kind.SPANS})
OTHER_LINEAGE = bytes(8)


def opaque(payload_bytes: int, item_count: int = 1, kind: Kind = Kind.SPANS) -> Content:
    """Return a content of an exact size; batching does not look inside."""
    return Content(kind, bytes(payload_bytes), item_count)


def test_small_records_share_a_delivery() -> None:
    """Records of one lineage that fit together are delivered together, in order."""
    entries = records([content(encoded(3)), content(encoded(2))])
    (batch,) = batches(entries, SPANS)
    assert lsns(batch.records) == [1, 2, 3, 4, 5]
    assert batch.position == Position(1, LINEAGE, 5)


def test_a_delivery_is_full_at_its_limit_stamps_included() -> None:
    """Two records that reach the limit exactly share a delivery; one byte more and they do not."""
    half = DELIVERY_BYTES_MAX // 2 - STAMP_BYTES_MAX
    assert len(list(batches(records([opaque(half), opaque(half)]), SPANS))) == 1
    assert len(list(batches(records([opaque(half), opaque(half + 1)]), SPANS))) == 2


def test_a_record_over_the_limit_goes_alone() -> None:
    """A record that is larger than a delivery is neither cut nor joined."""
    entries = records([opaque(10), opaque(DELIVERY_BYTES_MAX + 1), opaque(10)])
    assert [lsns(batch.records) for batch in batches(entries, SPANS)] == [[1], [2], [3]]


def test_a_delivery_holds_one_lineage() -> None:
    """Where the log goes on in another lineage, a delivery ends, at the old one's last position."""
    old = records([opaque(10), opaque(10)])
    new = records([opaque(10)], ordinal=2, lineage=OTHER_LINEAGE)
    found = list(batches([*old, *new], SPANS))
    assert [lsns(batch.records) for batch in found] == [[1, 2], [1]]
    assert [batch.position for batch in found] == [
        Position(1, LINEAGE, 2),
        Position(2, OTHER_LINEAGE, 1),
    ]


def test_what_a_sink_does_not_take_is_passed_over() -> None:
    """Other kinds, redacted records and gaps move the position without being delivered."""
    first, logs, redacted = records([opaque(10), opaque(10, kind=Kind.LOGS), opaque(10)])
    entries: list[Record | Gap] = [
        first,
        logs,
        replace(redacted, payload=None),
        Gap(1, LINEAGE, 4, 9, "damaged"),
    ]
    (batch,) = batches(entries, SPANS)
    assert lsns(batch.records) == [1]
    assert batch.position.lsn == 9


def test_only_what_is_passed_over_makes_a_batch_without_records() -> None:
    """A stretch with nothing for the sink still tells how far it goes."""
    (batch,) = batches([Gap(1, LINEAGE, 1, 9, "trimmed")], SPANS)
    assert not batch.records
    assert batch.position.lsn == 9
    assert not list(batches([], SPANS))
