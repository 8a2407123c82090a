"""One value of every shape that the journal stores, made of fixed inputs.

Run as a module it writes the bytes of the shapes that have no file yet. A file that is there is
never written again: what it holds is in somebody's store.
"""

from collections.abc import Mapping
from pathlib import Path

from sidespand.hlc import Hlc
from sidespand.journal import keys, record
from sidespand.journal.open_row import encode_open_span
from sidespand.journal.state import Head, SessionRow, encode_head, encode_session
from sidespand.model import (
    Edge,
    EdgeType,
    Flag,
    Header,
    Kind,
    Mark,
    OpenSpan,
    Peer,
    SpanKey,
)
from sidespand.token import encode

DIRECTORY = Path(__file__).parent
LINEAGE = bytes.fromhex("00112233445566aa")
TAG = bytes(range(16))
SALT = bytes(range(16, 32))
PAYLOAD = b"an encoded request"
WALL_NS = 1_790_000_000_000_000_000
STAMP = Hlc(WALL_NS, 7)

HEADER = Header(
    kind=Kind.SPANS,
    flags=Flag.NONE,
    lineage=LINEAGE,
    record_index=11,
    first_lsn=21,
    item_count=3,
    boot_generation=2,
    commit_seq=9,
    stamp=STAMP,
    clock_error_us=None,
    wall_ns=WALL_NS - 1,
    boottime_ns=4_000_000_000,
    batch_nonce=bytes(range(8)),
    producer_session=20,
    producer_seq=5,
    payload_bytes=len(PAYLOAD),
    payload_commitment=record.commit_payload(PAYLOAD, SALT),
)
EDGES = tuple(
    Edge(kind, index, bytes.fromhex("ffeeddccbbaa9988"), 2**63 + index, Hlc(WALL_NS, index), TAG)
    for index, kind in enumerate(EdgeType)
)
CONTROL_PAYLOAD = bytes.fromhex("82a4646f6f72a6696e67657374a3756964cd03e8")
CONTROL = Header(
    kind=Kind.SESSION,
    flags=Flag.CLOCK_SYNCED,
    lineage=LINEAGE,
    record_index=10,
    first_lsn=20,
    item_count=1,
    boot_generation=2,
    commit_seq=9,
    stamp=Hlc(WALL_NS, 6),
    clock_error_us=420,
    wall_ns=WALL_NS - 1,
    boottime_ns=4_000_000_000,
    batch_nonce=bytes(8),
    producer_session=0,
    producer_seq=0,
    payload_bytes=len(CONTROL_PAYLOAD),
    payload_commitment=record.commit_payload(CONTROL_PAYLOAD, SALT),
)
EXTREME = Header(
    kind=Kind.ABANDONED,
    flags=Flag.MERGED | Flag.MERGE_REJECTED | Flag.CLOCK_SYNCED | Flag.EDGES_TRUNCATED,
    lineage=b"\xff" * 8,
    record_index=2**64 - 1,
    first_lsn=2**64 - 1,
    item_count=2**32 - 1,
    boot_generation=2**32 - 1,
    commit_seq=2**64 - 1,
    stamp=Hlc(2**64 - 1, 2**32 - 1),
    clock_error_us=2**32 - 2,
    wall_ns=2**64 - 1,
    boottime_ns=2**64 - 1,
    batch_nonce=b"\xff" * 8,
    producer_session=2**64 - 1,
    producer_seq=2**64 - 1,
    payload_bytes=0,
    payload_commitment=b"\xff" * 32,
)
EMPTY_HEAD = Head(1, LINEAGE, 0, 1, 0, 0, Hlc(0, 0), 0, 0, bytes(16), bytes(16), ())
FULL_HEAD = Head(
    ordinal=1,
    lineage=LINEAGE,
    boot_generation=2,
    next_lsn=24,
    record_count=7,
    commit_seq=9,
    stamp=Hlc(WALL_NS, 9),
    wall_ns=WALL_NS - 1,
    boottime_ns=4_000_000_000,
    boot_id=bytes(range(16)),
    tag=TAG,
    hashes=(bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32),
)
BOUND_SESSION = SessionRow(1000, 5, 21, 23, STAMP, TAG, WALL_NS)
UNBOUND_SESSION = SessionRow(None, 2**64 - 1, 0, 0, Hlc(0, 0), bytes(16), WALL_NS)


OPEN_SPAN = OpenSpan(
    instance_id=bytes(range(16)),
    mark=Mark(SpanKey(bytes(range(16, 32)), bytes(range(32, 40))), WALL_NS, "plän", "planner"),
    peer=Peer("ingest", uid=1000, pid=4321, tenant="blue"),
    lineage=LINEAGE,
    lsn=23,
    opened_ns=WALL_NS + 1,
    away_s_max=10.0,
)
UNSEEN_OPEN_SPAN = OPEN_SPAN._replace(
    mark=Mark(OPEN_SPAN.mark.key, 0, "", ""), peer=Peer("grpc", address="::1"), lsn=2**64 - 1
)


def record_value(header: Header, edges: tuple[Edge, ...], payload: bytes) -> bytes:
    """Return the stored value of a record, its header packed field by field as format 1 says."""
    unknown = record.CLOCK_ERROR_UNKNOWN
    proved = b"".join(
        (
            (1).to_bytes(2),
            (144).to_bytes(2),
            header.kind.to_bytes(1),
            bytes(1),
            header.flags.to_bytes(2),
            header.lineage,
            header.record_index.to_bytes(8),
            header.first_lsn.to_bytes(8),
            header.item_count.to_bytes(4),
            header.boot_generation.to_bytes(4),
            header.commit_seq.to_bytes(8),
            header.stamp.wall_ns.to_bytes(8),
            header.stamp.logical.to_bytes(4),
            (unknown if header.clock_error_us is None else header.clock_error_us).to_bytes(4),
            header.wall_ns.to_bytes(8),
            header.boottime_ns.to_bytes(8),
            header.batch_nonce,
            header.producer_session.to_bytes(8),
            header.producer_seq.to_bytes(8),
            len(edges).to_bytes(2),
            bytes(2),
            header.payload_bytes.to_bytes(4),
            header.payload_commitment,
            record.encode_edges(edges),
        )
    )
    return record.assemble(proved, SALT, record.payload_checksum(payload, SALT), payload)


def shapes() -> Mapping[str, bytes]:
    """Return the bytes of every shape, by the name of its file."""
    with_edges = record_value(HEADER, EDGES, PAYLOAD)
    return {
        "record-spans.bin": record_value(HEADER, (), PAYLOAD),
        "record-edges.bin": with_edges,
        "record-redacted.bin": with_edges[: record.HEADER.size + len(EDGES) * record.EDGE.size + 4],
        "record-control.bin": record_value(CONTROL, (), CONTROL_PAYLOAD),
        "record-extreme.bin": record_value(EXTREME, (), b""),
        "head-empty.bin": encode_head(EMPTY_HEAD),
        "head-full.bin": encode_head(FULL_HEAD),
        "session-bound.bin": encode_session(BOUND_SESSION),
        "session-unbound.bin": encode_session(UNBOUND_SESSION),
        "open-span.bin": encode_open_span(OPEN_SPAN)[1],
        "open-span-unseen.bin": encode_open_span(UNSEEN_OPEN_SPAN)[1],
        "key-open-span.bin": encode_open_span(OPEN_SPAN)[0],
        "key-record.bin": keys.record_key(0x0102030405060708),
        "key-session.bin": keys.session_key(bytes(range(16))),
        "key-generation.bin": keys.generation_key(0x01020304),
        "key-head.bin": keys.HEAD,
        "key-clean.bin": keys.CLEAN,
        "token.txt": encode(LINEAGE, 23, Hlc(WALL_NS, 9), TAG).encode() + b"\n",
    }


def main() -> None:
    """Write the files that are not there yet."""
    for name, made in shapes().items():
        path = DIRECTORY / name
        if not path.exists():
            path.write_bytes(made)
            print(f"wrote {path.name}: {len(made)} bytes")


if __name__ == "__main__":
    main()
