"""What the journal can say of one span: who recorded it, where it lies, and what binds it there."""

from collections.abc import Sequence

import msgpack

from sidespand import hlc, token
from sidespand.model import ControlBody, Edge, Flag, Gap, Kind, Position, Record
from sidespand.query.documents import Document
from sidespand.query.find import Hit
from sidespand.token import TAG_BYTES

_IDENTITY = (
    "source_node_ref",
    "node_instance_id",
    "node_role",
    "deployment_ref",
    "cluster_ref",
)


def receipt_document(hit: Hit, generation: ControlBody, producer: ControlBody | None) -> Document:
    """Return the receipt of a span.

    ``durability`` is ``fsync`` where an acknowledgement meant on disk, ``none`` where it promised
    nothing, and ``unknown`` once that generation's GEN record was trimmed.

    Args:
        hit: The span.
        generation: Body of the GEN record of the generation that recorded it; empty when trimmed.
        producer: Body of its SESSION record; None when that was trimmed.
    """
    item = hit.item
    stamp = item.stamp
    identity = {field: generation.get(field, "") for field in _IDENTITY}
    return {
        "trace_id": item.span.trace_id.hex(),
        "span_id": item.span.span_id.hex(),
        "name": item.span.name,
        "service": item.service,
        "identity": {
            **identity,
            "lineage": stamp.position.lineage.hex(),
            "boot_generation": stamp.boot_generation,
            "incarnation": _hex(generation.get("incarnation")),
        },
        "position": str(stamp.position),
        "lsn": str(stamp.position.lsn),
        "hlc": hlc.text(stamp.hlc),
        "durability": generation.get("durability", "unknown"),
        "token": _token(hit.record),
        "record": _record(hit),
        "edges": [_edge(edge) for edge in hit.record.edges if edge.item_index == hit.item_index],
        "producer": _producer(hit, producer),
    }


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


def _token(record: Record) -> str:
    header = record.header
    last = hlc.nth(header.stamp, header.item_count - 1)
    return token.encode(header.lineage, header.last_lsn, last, record.leaf[:TAG_BYTES])


def _record(hit: Hit) -> Document:
    header = hit.record.header
    return {
        "record_index": str(header.record_index),
        "item_index": hit.item_index,
        "item_count": header.item_count,
        "first_lsn": str(header.first_lsn),
        "last_lsn": str(header.last_lsn),
        "commit_seq": str(header.commit_seq),
        "wall_ns": str(header.wall_ns),
        "boottime_ns": str(header.boottime_ns),
        "clock_error_us": header.clock_error_us,
        "flags": [flag.name.lower() for flag in Flag if flag in header.flags and flag.name],
        "leaf": hit.record.leaf.hex(),
        "payload_bytes": header.payload_bytes,
        "payload_commitment": header.payload_commitment.hex(),
    }


def _edge(edge: Edge) -> Document:
    return {
        "type": edge.type.name.lower(),
        "position": f"{edge.lineage.hex()}:{edge.lsn}",
        "hlc": hlc.text(edge.stamp),
        "tag": edge.tag.hex(),
    }


def _producer(hit: Hit, body: ControlBody | None) -> Document | None:
    if body is None:
        return None
    header = hit.record.header
    return {
        "door": body.get("door"),
        "uid": body.get("uid"),
        "pid": body.get("pid"),
        "address": body.get("address") or None,
        "instance_id": _hex(body.get("instance_id")),
        "session_lsn": str(header.producer_session),
        "seq": str(header.producer_seq) if header.producer_seq else None,
    }


def _hex(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) and value else None
