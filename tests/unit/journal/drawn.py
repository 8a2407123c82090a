"""Hypothesis strategies for what the journal stores."""

from hypothesis import strategies as st

from sidespand.hlc import LOGICAL_MAX, WALL_NS_MAX, Hlc
from sidespand.journal import record
from sidespand.journal.state import Head, SessionRow
from sidespand.merkle import HASH_BYTES, range_length
from sidespand.model import Edge, EdgeType, Flag, Header, Kind

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
lineages = st.binary(min_size=8, max_size=8)
tags = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
stamps = st.builds(Hlc, st.integers(0, WALL_NS_MAX), st.integers(0, LOGICAL_MAX))
edges = st.builds(
    Edge,
    type=st.sampled_from(EdgeType),
    item_index=U32,
    lineage=lineages,
    lsn=U64,
    stamp=stamps,
    tag=tags,
)
payloads = st.binary(max_size=200)
salts = st.binary(min_size=record.SALT_BYTES, max_size=record.SALT_BYTES)


@st.composite
def headers(draw: st.DrawFn, payload: bytes = b"") -> Header:
    """Draw a header that fits ``payload``; every other field is free within its width."""
    clock_error = draw(st.none() | st.integers(0, record.CLOCK_ERROR_UNKNOWN - 1))
    return Header(
        kind=draw(st.sampled_from(Kind)),
        flags=Flag(draw(U16)),
        lineage=draw(lineages),
        record_index=draw(U64),
        first_lsn=draw(U64),
        item_count=draw(U32),
        boot_generation=draw(U32),
        commit_seq=draw(U64),
        stamp=draw(stamps),
        clock_error_us=clock_error,
        wall_ns=draw(U64),
        boottime_ns=draw(U64),
        batch_nonce=draw(lineages),
        producer_session=draw(U64),
        producer_seq=draw(U64),
        payload_bytes=len(payload),
        payload_commitment=draw(hashes),
    )


@st.composite
def stored(draw: st.DrawFn) -> tuple[Header, tuple[Edge, ...], bytes, bytes]:
    """Draw a record: header, edges, payload, and the value that the journal stores."""
    payload = draw(payloads)
    header = draw(headers(payload))
    seen = tuple(draw(st.lists(edges, max_size=4)))
    return header, seen, payload, encode(header, seen, draw(salts), payload)


def encode(header: Header, seen: tuple[Edge, ...], salt: bytes, payload: bytes) -> bytes:
    """Return the stored value of a record, as format 1 lays it out."""
    unknown = record.CLOCK_ERROR_UNKNOWN
    proved = record.HEADER.pack(
        record.FORMAT,
        record.HEADER.size,
        header.kind,
        header.flags,
        header.lineage,
        header.record_index,
        header.first_lsn,
        header.item_count,
        header.boot_generation,
        header.commit_seq,
        header.stamp.wall_ns,
        header.stamp.logical,
        unknown if header.clock_error_us is None else header.clock_error_us,
        header.wall_ns,
        header.boottime_ns,
        header.batch_nonce,
        header.producer_session,
        header.producer_seq,
        len(seen),
        header.payload_bytes,
        header.payload_commitment,
    ) + record.encode_edges(seen)
    return record.assemble(proved, salt, record.payload_checksum(payload, salt), payload)


@st.composite
def heads(draw: st.DrawFn) -> Head:
    """Draw a log's head whose compact range fits its record count."""
    record_count = draw(U64)
    length = range_length(record_count)
    return Head(
        ordinal=draw(U32),
        lineage=draw(lineages),
        boot_generation=draw(U32),
        next_lsn=draw(U64),
        record_count=record_count,
        commit_seq=draw(U64),
        stamp=draw(stamps),
        wall_ns=draw(U64),
        boottime_ns=draw(U64),
        boot_id=draw(tags),
        tag=draw(tags),
        hashes=tuple(draw(st.lists(hashes, min_size=length, max_size=length))),
    )


session_rows = st.builds(
    SessionRow,
    uid=st.none() | U32,
    last_seq=U64,
    first_lsn=U64,
    last_lsn=U64,
    stamp=stamps,
    tag=tags,
    touched_ns=U64,
)
