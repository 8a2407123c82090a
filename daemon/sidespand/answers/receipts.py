"""What the journal can say of one item, of its record, or of a trace."""

from typing import Any

from sidespand import hlc
from sidespand.errors import NotFound
from sidespand.evidence.note import Verifier
from sidespand.journal.reader import JournalReader
from sidespand.limits import FIND_QUIET_BYTES
from sidespand.model import ControlBody, Gap, Record
from sidespand.query.coverage import cover
from sidespand.query.documents import Document
from sidespand.query.find import newest_span, resolve_span, resolve_trace, trace_hits
from sidespand.query.names import parse_position
from sidespand.query.receipts import Place, receipt_document, session_before, session_body
from sidespand.query.redactions import Redactions, act_document
from sidespand.query.spans import begun_items
from sidespand.query.trace_receipts import trace_receipt_document
from sidespand.query.walk import Walk

LAST = "last"


def find_place(reader: JournalReader, text: str, *, everything: bool = False) -> Place:
    """Return the item at a position or token, the newest span, or the one with an id.

    Args:
        reader: Of the store.
        text: ``lineage:lsn``, a token, ``last``, or a span id or prefix of one.
        everything: Search the whole journal in any case.

    Raises:
        NotFound: There is none. Not retryable.
        UnusableId: It names nothing, or more than one thing. Not retryable.
    """
    if text == LAST:
        return Place.of(newest_span(reader.newest_first()))
    named = parse_position(text)
    if named is not None:
        return place_at(reader, *named)
    return Place.of(resolve_span(_walk(reader, everything=everything), text))


def place_at(reader: JournalReader, lineage: bytes, lsn: int) -> Place:
    """Return the item at a position.

    Raises:
        NotFound: There is none, or it cannot be read. Not retryable.
    """
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


def receipt(
    reader: JournalReader, text: str, pinned: Verifier | None, *, everything: bool = False
) -> Document:
    """Return the receipt of the item that a text names, else that of the trace.

    Args:
        reader: Of the store.
        text: As ``find_place`` takes it, or a trace id or prefix of one.
        pinned: The node's verifier key; None for the log's own word.
        everything: Search the whole journal in any case.

    Raises:
        NotFound: There is nothing of that name. Not retryable.
        UnusableId: It names nothing, or more than one thing. Not retryable.
    """
    try:
        place = find_place(reader, text, everything=everything)
    except NotFound:
        document = trace_receipt(reader, text, pinned, everything=everything)
        if document is None:
            raise
        return document
    return item_receipt(reader, place, pinned)


def item_receipt(reader: JournalReader, place: Place, pinned: Verifier | None) -> Document:
    """Return the receipt of one item."""
    header = place.record.header
    return {
        **receipt_document(
            place,
            reader.generation(header.lineage, header.boot_generation),
            _producer(reader, place.record),
            cover(reader, place.record, pinned),
        ),
        "redaction": _redaction(reader, place.record),
        "key_pinned": pinned is not None,
    }


def record_items(record: Record) -> list[Document]:
    """Return every item of a record: its stamp, and of a span its ids."""
    header = record.header
    spans = {item.stamp.position.lsn: item.span for item in begun_items(record)}
    found = []
    for index in range(header.item_count):
        span = spans.get(header.first_lsn + index)
        found.append(
            {
                "lsn": str(header.first_lsn + index),
                "hlc": hlc.text(hlc.nth(header.stamp, index)),
                "trace_id": None if span is None else span.trace_id.hex(),
                "span_id": None if span is None else span.span_id.hex(),
            }
        )
    return found


def trace_receipt(
    reader: JournalReader, text: str, pinned: Verifier | None, *, everything: bool = False
) -> Document | None:
    """Return the receipt of a trace; None when the text names none. Arguments as of ``receipt``."""
    if text == LAST or parse_position(text) is not None:
        return None
    trace_id = resolve_trace(_walk(reader, everything=everything), text)
    hits = list(trace_hits(_walk(reader, everything=everything), trace_id))
    if not hits:
        return None
    document = trace_receipt_document(reader, trace_id, hits, pinned)
    return {**document, "key_pinned": pinned is not None}


def _walk(reader: JournalReader, *, everything: bool) -> Walk:
    return Walk(reader.newest_first(), quiet_bytes=None if everything else FIND_QUIET_BYTES)


def _producer(reader: JournalReader, record: Record) -> ControlBody | None:
    before = session_before(record)
    if before is None:
        return None
    return session_body(reader.read(before, before._replace(lsn=before.lsn + 1)))


def _redaction(reader: JournalReader, record: Record) -> dict[str, Any] | None:
    if record.payload is not None:
        return None
    redactions = Redactions()
    for one in redactions.noting(reader.newest_first()):
        if redactions.of_item(record.position) is not None or one.position <= record.position:
            break
    told = redactions.of_item(record.position)
    return None if told is None else act_document(told)
