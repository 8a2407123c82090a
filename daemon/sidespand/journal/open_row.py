"""The row of an open span, beside the records in the ``state`` database. Pure codec."""

import struct

import google_crc32c
import msgpack

from sidespand.journal import keys
from sidespand.journal.record import DamagedRecord
from sidespand.model import Mark, OpenSpan, Peer

_CRC = struct.Struct(">I")
_VERSION = 1
_FIELDS = 13


def encode_open_span(span: OpenSpan) -> tuple[bytes, bytes]:
    """Return the row's key and value; the value has a checksum, since LMDB has none."""
    mark, peer = span.mark, span.peer
    body = msgpack.packb(
        (
            _VERSION,
            span.lineage,
            span.lsn,
            span.opened_ns,
            span.away_s_max,
            mark.start_ns,
            mark.name,
            mark.service,
            peer.door,
            peer.uid,
            peer.pid,
            peer.address,
            peer.tenant,
        )
    )
    value = body + _CRC.pack(google_crc32c.value(body))
    return keys.open_span_key(span.instance_id, mark.key), value


def decode_open_span(key: bytes, value: bytes) -> OpenSpan | None:
    """Return the open span of a row; None when the key is not one of such a row.

    Raises:
        DamagedRecord: The value's checksum, version or length does not hold. Not retryable.
    """
    named = keys.parse_open_span_key(key)
    if named is None:
        return None
    instance_id, span_key = named
    body = value[: -_CRC.size]
    if not body or google_crc32c.value(body) != _CRC.unpack(value[-_CRC.size :])[0]:
        raise DamagedRecord("checksum of an open span's row does not match")
    fields = msgpack.unpackb(body)
    if len(fields) != _FIELDS or fields[0] != _VERSION:
        raise DamagedRecord(f"version {fields[0]} of an open span's row is unknown")
    (_, lineage, lsn, opened_ns, away_s_max, start_ns, name, service,
     door, uid, pid, address, tenant) = fields  # fmt: skip
    return OpenSpan(
        instance_id,
        Mark(span_key, start_ns, name, service),
        Peer(door, uid, pid, address, tenant),
        lineage,
        lsn,
        opened_ns,
        away_s_max,
    )
