"""Reads spans and log records out of the journal by their positions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sidespand.answers.stock import Stock
from sidespand.errors import NotFound
from sidespand.index.rows import LogPlace, Place
from sidespand.limits import RECORDINGS_BYTES_MAX
from sidespand.model import Position, Record, SpanKey
from sidespand.query.lives import abandonments, settle
from sidespand.query.logs import LogItem, log_items
from sidespand.query.span import Abandonment, Span
from sidespand.query.spans import Item, begun_items, decode


class Recording(NamedTuple):
    """A span as it stands, and where it lies.

    Args:
        span: Whole.
        record: That holds its end; without one, the mark that opened it.
        item_index: Its place in that record, from 0.
    """

    span: Span
    record: Record
    item_index: int


class Recordings:
    """Reads records once while their items are asked for one after the other.

    Args:
        stock: Of the journal.
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._running: frozenset[SpanKey] | None = None
        self._records: list[tuple[Record, dict[int, Item]]] = []

    def span(self, place: Place) -> Recording:
        """Return the span at a place.

        Raises:
            NotFound: Its content is gone. Not retryable.
        """
        positions = place.marks if place.ended is None else (place.ended,)
        found = [self._item(position) for position in positions]
        spans = [decode(item) for _, item in found]
        abandoned = self._abandoned(place)
        running = {place.span_id} if self._is_running(place) else set()
        ended = [] if place.ended is None else spans
        (settled,) = settle(ended, [] if ended else spans, abandoned, running)
        record, item = found[0]
        return Recording(settled, record, item.stamp.position.lsn - record.header.first_lsn)

    def spans(self, places: Iterable[Place]) -> Iterator[Recording]:
        """Yield the spans at places; those whose content is gone are passed over."""
        for place in places:
            try:
                yield self.span(place)
            except NotFound:
                continue

    def logs(self, places: Sequence[LogPlace]) -> Iterator[LogItem]:
        """Yield the log records at places; those whose content is gone are passed over."""
        record: Record | None = None
        items: dict[int, LogItem] = {}
        for place in places:
            if record is None or not _holds(record, place.position):
                try:
                    record = self._stock.record_at(place.position)
                except NotFound:
                    continue
                items = {item.stamp.position.lsn: item for item in log_items(record)}
            if place.position.lsn in items:
                yield items[place.position.lsn]

    def _item(self, position: Position) -> tuple[Record, Item]:
        record, items = self._record(position)
        if position.lsn not in items:
            raise NotFound(
                f"the content of {position} is gone",
                hint=f"`sidespan receipt {position}` says what became of it",
            )
        return record, items[position.lsn]

    def _record(self, position: Position) -> tuple[Record, dict[int, Item]]:
        known = next((one for one in self._records if _holds(one[0], position)), None)
        if known is not None:
            return known
        if sum(one.header.payload_bytes for one, _ in self._records) > RECORDINGS_BYTES_MAX:
            self._records.clear()
        record = self._stock.record_at(position)
        items = {item.stamp.position.lsn: item for item in begun_items(record)}
        self._records.append((record, items))
        return record, items

    def _abandoned(self, place: Place) -> dict[bytes, Abandonment]:
        if place.abandoned is None:
            return {}
        record = self._stock.record_at(place.abandoned)
        wanted = SpanKey(place.trace_id, place.span_id)
        return {key.span_id: one for key, one in abandonments(record) if key == wanted}

    def _is_running(self, place: Place) -> bool:
        if place.ended is not None:
            return False
        if self._running is None:
            self._running = frozenset(one.mark.key for one in self._stock.journal.open_spans())
        return SpanKey(place.trace_id, place.span_id) in self._running


def _holds(record: Record, position: Position) -> bool:
    header = record.header
    return (
        header.lineage == position.lineage and header.first_lsn <= position.lsn <= header.last_lsn
    )
