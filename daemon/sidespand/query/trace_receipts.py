"""What the journal can say of a whole trace: where each span lies, and how far it is covered."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from sidespand import hlc
from sidespand.evidence.note import Verifier
from sidespand.hlc import Hlc
from sidespand.model import ControlBody, Position
from sidespand.query.coverage import Checkpoints, Journal
from sidespand.query.documents import Document
from sidespand.query.find import Hit
from sidespand.query.receipts import node_evidence, node_ref_of, order_evidence
from sidespand.seed import commit_hlc, commit_lsn


class IdentifiedJournal(Journal, Protocol):
    """A store that knows who wrote it."""

    def generation(self, lineage: bytes, boot_generation: int) -> ControlBody:
        """Return the body of a generation's GEN record; empty when it was trimmed away."""
        ...


class _Entry(NamedTuple):
    position: Position
    stamp: Hlc
    span_id: bytes
    name: str
    record_index: int
    boot_generation: int


def trace_receipt_document(
    journal: IdentifiedJournal, trace_id: bytes, hits: Iterable[Hit], pinned: Verifier | None
) -> Document:
    """Return the receipt of a trace, its spans in log order.

    ``covered`` says of a span that a later checkpoint with a good signature counts its record;
    the path to the root is in the span's own receipt.

    Args:
        journal: The store.
        trace_id: 16 bytes.
        hits: Its recordings, one or more.
        pinned: The node's verifier key; None for the log's own word.
    """
    entries = sorted(_entry(hit) for hit in hits)
    sizes = {
        lineage: _covered_records(
            journal, [entry for entry in entries if entry.position.lineage == lineage], pinned
        )
        for lineage in dict.fromkeys(entry.position.lineage for entry in entries)
    }
    recorders = dict.fromkeys((entry.position.lineage, entry.boot_generation) for entry in entries)
    spans = []
    for entry in entries:
        generation = journal.generation(entry.position.lineage, entry.boot_generation)
        spans.append(
            {
                "span_id": entry.span_id.hex(),
                "name": entry.name,
                "position": str(entry.position),
                "boot_generation": entry.boot_generation,
                "commit_lsn": commit_lsn(entry.position.lsn),
                "hlc": hlc.text(entry.stamp),
                "commit_hlc": commit_hlc(entry.stamp, node_ref_of(generation)),
                "record_index": str(entry.record_index),
                "covered": entry.record_index < sizes[entry.position.lineage],
            }
        )
    last = entries[-1]
    newest = journal.generation(last.position.lineage, last.boot_generation)
    text = trace_id.hex()
    return {
        "trace_id": text,
        "first_position": str(entries[0].position),
        "last_position": str(last.position),
        "recorders": [_recorder(journal, *recorder) for recorder in recorders],
        "spans": spans,
        "covered": all(span["covered"] for span in spans),
        "node_evidence": node_evidence(newest, last.boot_generation),
        "node_order_evidence": order_evidence(text, last.position.lsn, last.stamp, newest),
        "trace_replay": {"status": "not_emitted"},
    }


def _entry(hit: Hit) -> _Entry:
    span, stamp = hit.item.span, hit.item.stamp
    return _Entry(
        stamp.position,
        stamp.hlc,
        span.span_id,
        span.name,
        hit.record.header.record_index,
        stamp.boot_generation,
    )


def _covered_records(journal: Journal, entries: list[_Entry], pinned: Verifier | None) -> int:
    # How many records of the lineage checkpoints cover, as far as these entries ask.
    position = entries[0].position
    wanted = max(entry.record_index for entry in entries)
    size = 0
    for _, signed in Checkpoints(journal, position.lineage, pinned).after(position):
        if signed is not None:
            size = max(size, signed.checkpoint.size)
            if size > wanted:
                break
    return size


def _recorder(journal: IdentifiedJournal, lineage: bytes, boot_generation: int) -> Document:
    body = journal.generation(lineage, boot_generation)
    incarnation = body.get("incarnation")
    return {
        "lineage": lineage.hex(),
        "incarnation": incarnation.hex() if isinstance(incarnation, bytes) else None,
        "durability": body.get("durability", "unknown"),
        **node_evidence(body, boot_generation),
    }
