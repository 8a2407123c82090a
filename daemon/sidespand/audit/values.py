"""What one stored value shows of itself: checksums, commitment, form. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from sidespand import merkle
from sidespand.audit.report import Fault
from sidespand.journal import record as codec
from sidespand.journal.record import DamagedRecord
from sidespand.model import Header, Record

_CRC_BYTES = 4


class Checked(NamedTuple):
    """A stored value after its own checks.

    Args:
        header: As it is stored; None when it cannot be read.
        leaf: Of the stored header and edges; None without a header.
        record: The whole; None unless everything in it holds.
        faults: What does not hold, each with its reason.
    """

    header: Header | None
    leaf: bytes | None
    record: Record | None
    faults: tuple[tuple[Fault, str], ...]


def check(ordinal: int, value: bytes) -> Checked:
    """Return what a stored value shows.

    Args:
        ordinal: Of its lineage within the store.
        value: Any bytes.
    """
    try:
        header, edge_count = codec.decode_header(value)
    except DamagedRecord as error:
        return Checked(None, None, None, ((Fault.RECORD_DAMAGED, str(error)),))
    proved = value[: codec.HEADER.size + edge_count * codec.EDGE.size]
    leaf = merkle.leaf_hash(proved)
    faults = tuple(_faults(value, header, len(proved)))
    if faults:
        return Checked(header, leaf, None, faults)
    try:
        header, edges, leaf, payload = codec.decode(value)
    except DamagedRecord as error:
        return Checked(header, leaf, None, ((Fault.RECORD_DAMAGED, str(error)),))
    return Checked(header, leaf, Record(ordinal, header, edges, leaf, payload), ())


def _faults(value: bytes, header: Header, proved_bytes: int) -> Iterator[tuple[Fault, str]]:
    rest = proved_bytes + _CRC_BYTES
    if not codec.proved_holds(value, proved_bytes):
        yield Fault.HEADER_CHECKSUM, "header and edges are not what their checksum was made of"
    if header.item_count < 1:
        yield Fault.RECORD_DAMAGED, "it counts no item"
    if len(value) == rest:
        return
    start = rest + codec.SALT_BYTES + _CRC_BYTES
    salt, payload = value[rest : rest + codec.SALT_BYTES], value[start:]
    if len(value) != start + header.payload_bytes:
        yield (
            Fault.RECORD_DAMAGED,
            f"{len(value)} bytes are stored, its header makes it {start + header.payload_bytes}",
        )
        return
    if value[rest + codec.SALT_BYTES : start] != codec.checksum_bytes(payload, salt):
        yield Fault.PAYLOAD_CHECKSUM, "salt and payload are not what their checksum was made of"
    if codec.commit_payload(payload, salt) != header.payload_commitment:
        yield Fault.PAYLOAD_COMMITMENT, "salt and payload are not those that the header binds"
