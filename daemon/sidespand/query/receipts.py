"""What the journal can say of an item: who recorded it, where it lies, and what binds it there.

A receipt is not signed: its authority is the checkpoint that covers the record.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgpack

from sidespand import hlc, token
from sidespand.evidence import note
from sidespand.hlc import Hlc
from sidespand.model import ControlBody, Edge, Flag, Gap, Kind, Position, Record
from sidespand.query.coverage import Coverage
from sidespand.query.documents import Document
from sidespand.query.find import Hit
from sidespand.query.spans import Item
from sidespand.seed import IDENTITY, commit_hlc, commit_lsn
from sidespand.token import TAG_BYTES


class Place(NamedTuple):
    """One item of a record, whatever it holds.

    Args:
        record: Where it lies.
        item_index: From 0.
        item: The span; None for an item of another kind, or of a redacted record.
    """

    record: Record
    item_index: int
    item: Item | None = None

    @classmethod
    def of(cls, hit: Hit) -> "Place":
        """Return where a span that was found lies."""
        return cls(hit.record, hit.item_index, hit.item)

    @property
    def position(self) -> Position:
        """Its own position."""
        header = self.record.header
        return Position(self.record.ordinal, header.lineage, header.first_lsn + self.item_index)

    @property
    def stamp(self) -> Hlc:
        """Its own HLC."""
        return hlc.nth(self.record.header.stamp, self.item_index)


def receipt_document(
    place: Place, generation: ControlBody, producer: ControlBody | None, coverage: Coverage
) -> Document:
    """Return the receipt of an item.

    ``durability`` is ``fsync`` where an acknowledgement meant on disk, ``none`` where it promised
    nothing, and ``unknown`` once that generation's GEN record was trimmed.

    Args:
        place: The item.
        generation: Body of the GEN record of the generation that recorded it; empty when trimmed.
        producer: Body of its SESSION record; None when that was trimmed.
        coverage: Of its record.
    """
    record, item = place.record, place.item
    header = record.header
    span = None if item is None else item.span
    trace_id = None if span is None else span.trace_id.hex()
    evidence = node_evidence(generation, header.boot_generation)
    return {
        "trace_id": trace_id,
        "span_id": None if span is None else span.span_id.hex(),
        "name": None if span is None else span.name,
        "service": None if item is None else item.service,
        "kind": header.kind.name.lower(),
        "identity": {
            **{field: generation.get(field, "") for field in IDENTITY},
            "lineage": header.lineage.hex(),
            "boot_generation": header.boot_generation,
            "incarnation": _hex(generation.get("incarnation")),
        },
        "position": str(place.position),
        "lsn": str(place.position.lsn),
        "commit_lsn": commit_lsn(place.position.lsn),
        "hlc": hlc.text(place.stamp),
        "commit_hlc": commit_hlc(place.stamp, node_ref_of(generation)),
        "clock": clock_document(record),
        "durability": generation.get("durability", "unknown"),
        "token": token_of(record),
        "record": record_document(place),
        "edges": edges_document(place),
        "producer": _producer(record, producer),
        "payload": "redacted" if record.payload is None else "stored",
        **coverage_document(record, coverage),
        "node_evidence": evidence,
        "node_order_evidence": (
            {}
            if trace_id is None
            else order_evidence(trace_id, place.position.lsn, place.stamp, generation)
        ),
        "trace_replay": {"status": "not_emitted"},
    }


def node_evidence(generation: ControlBody, boot_generation: int) -> Document:
    """Return the identity fields that are set, under the names of the AITrace seed."""
    found = {field: generation[field] for field in IDENTITY if generation.get(field)}
    return {**found, "boot_generation": boot_generation}


def order_evidence(trace_id: str, lsn: int, stamp: Hlc, generation: ControlBody) -> Document:
    """Return the seed's view of where a trace's last item was committed, by trace id."""
    fields = {
        "trace_id": trace_id,
        "source_node_ref": generation.get("source_node_ref", ""),
        "commit_lsn": commit_lsn(lsn),
        "commit_hlc": commit_hlc(stamp, node_ref_of(generation)),
    }
    return {trace_id: fields}


def node_ref_of(generation: ControlBody) -> str:
    """Return who recorded a generation; empty when its GEN record was trimmed."""
    return str(generation.get("source_node_ref", ""))


def clock_document(record: Record) -> Document:
    """Return what the node's clocks read at a record, and how far its HLC leads them."""
    header = record.header
    return {
        "wall_ns": str(header.wall_ns),
        "boottime_ns": str(header.boottime_ns),
        "synced": Flag.CLOCK_SYNCED in header.flags,
        "error_us": header.clock_error_us,
        "hlc_lead_ns": str(header.stamp.wall_ns - header.wall_ns),
    }


def coverage_document(record: Record, coverage: Coverage) -> Document:
    """Return whether a signed checkpoint covers a record, which one, and the path to its root."""
    signed = coverage.signed
    if signed is None:
        return {
            "covered": False,
            "uncovered_reason": coverage.reason,
            "checkpoint": None,
            "inclusion": None,
        }
    by = signed.key.by
    return {
        "covered": True,
        "uncovered_reason": None,
        "checkpoint": {
            "origin": signed.checkpoint.origin,
            "size": str(signed.checkpoint.size),
            "root": signed.checkpoint.root.hex(),
            "lsn": str(signed.lsn),
            "note": signed.text,
            "key": str(signed.key.statement.verifier),
            "boot_generation": signed.key.statement.boot_generation,
            "certified_by": None if by is None else str(by),
        },
        "inclusion": {
            "leaf_index": str(record.header.record_index),
            "path": [note.encode_base64(one) for one in coverage.path],
        },
    }


def token_of(record: Record) -> str:
    """Return the token of a record."""
    header = record.header
    last = hlc.nth(header.stamp, header.item_count - 1)
    return token.encode(header.lineage, header.last_lsn, last, record.leaf[:TAG_BYTES])


def session_before(record: Record) -> Position | None:
    """Return the position that a record's SESSION record follows; None when it names none."""
    header = record.header
    if not header.producer_session:
        return None
    return Position(record.ordinal, header.lineage, header.producer_session - 1)


def session_body(found: Sequence[Record | Gap]) -> ControlBody | None:
    """Return the body of the SESSION record that was read; None when it is not readable."""
    for entry in found:
        if isinstance(entry, Record) and entry.header.kind is Kind.SESSION and entry.payload:
            body: ControlBody = msgpack.unpackb(entry.payload)
            return body
    return None


def record_document(place: Place) -> Document:
    """Return the facts of the record that holds an item."""
    header = place.record.header
    return {
        "record_index": str(header.record_index),
        "item_index": place.item_index,
        "item_count": header.item_count,
        "first_lsn": str(header.first_lsn),
        "last_lsn": str(header.last_lsn),
        "commit_seq": str(header.commit_seq),
        "wall_ns": str(header.wall_ns),
        "boottime_ns": str(header.boottime_ns),
        "clock_error_us": header.clock_error_us,
        "flags": [flag.name.lower() for flag in Flag if flag in header.flags and flag.name],
        "leaf": place.record.leaf.hex(),
        "payload_bytes": header.payload_bytes,
        "payload_commitment": header.payload_commitment.hex(),
    }


def edges_document(place: Place) -> list[Document]:
    """Return the tokens that were seen in an item."""
    return [_edge(edge) for edge in place.record.edges if edge.item_index == place.item_index]


def _edge(edge: Edge) -> Document:
    return {
        "type": edge.type.name.lower(),
        "position": f"{edge.lineage.hex()}:{edge.lsn}",
        "hlc": hlc.text(edge.stamp),
        "tag": edge.tag.hex(),
    }


def _producer(record: Record, body: ControlBody | None) -> Document | None:
    if body is None:
        return None
    header = record.header
    return {
        "door": body.get("door"),
        "uid": body.get("uid"),
        "pid": body.get("pid"),
        "address": body.get("address") or None,
        "tenant": body.get("tenant") or None,
        "instance_id": _hex(body.get("instance_id")),
        "session_lsn": str(header.producer_session),
        "seq": str(header.producer_seq) if header.producer_seq else None,
    }


def _hex(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) and value else None
