"""The record codec: exact round trips, and no byte changes unseen."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.hlc import Hlc
from sidespand.journal import record
from sidespand.journal.record import EDGE, HEADER, DamagedRecord
from sidespand.merkle import leaf_hash
from sidespand.model import Edge, EdgeType, Flag, Header, Kind
from tests.unit.journal import drawn

CRC_BYTES = 4
SALT = bytes(range(16))
PAYLOAD = b"what the agent did"
PLAIN = Header(
    kind=Kind.SPANS,
    flags=Flag.NONE,
    lineage=bytes(range(8)),
    record_index=6,
    first_lsn=9,
    item_count=3,
    boot_generation=2,
    commit_seq=5,
    stamp=Hlc(1_790_000_000_000_000_000, 1),
    clock_error_us=None,
    wall_ns=1_790_000_000_000_000_000,
    boottime_ns=77,
    batch_nonce=bytes(8),
    producer_session=4,
    producer_seq=2,
    payload_bytes=len(PAYLOAD),
    payload_commitment=record.commit_payload(PAYLOAD, SALT),
)
SEEN = (Edge(EdgeType.CITED, 1, bytes(8), 7, Hlc(3, 4), bytes(16)),)
VALUE = drawn.encode(PLAIN, SEEN, SALT, PAYLOAD)
REDACTED = VALUE[: HEADER.size + EDGE.size + CRC_BYTES]


@given(drawn.stored())
def test_a_record_round_trips(stored: tuple[Header, tuple[Edge, ...], bytes, bytes]) -> None:
    """Every field of header and edges, and the payload, come back as they were."""
    header, seen, payload, value = stored
    assert record.decode(value)[:2] == (header, seen)
    assert record.decode(value)[3] == payload
    assert record.decode_header(value) == (header, len(seen))


@given(drawn.stored())
def test_the_leaf_is_of_header_and_edges_alone(
    stored: tuple[Header, tuple[Edge, ...], bytes, bytes],
) -> None:
    """The leaf is SHA-256(00 ‖ header ‖ edges), and redaction does not change it (N11, N12)."""
    header, seen, _, value = stored
    proved_bytes = HEADER.size + EDGE.size * len(seen)
    leaf = record.decode(value)[2]
    assert leaf == leaf_hash(value[:proved_bytes])
    assert record.decode(value[: proved_bytes + CRC_BYTES]) == (header, seen, leaf, None)


@pytest.mark.fault(17)
@pytest.mark.parametrize("value", [VALUE, REDACTED], ids=["whole", "redacted"])
def test_no_bit_flips_unseen(value: bytes) -> None:
    """Each single flipped bit, wherever it is, is found."""
    for place in range(len(value)):
        for bit in range(8):
            flipped = bytearray(value)
            flipped[place] ^= 1 << bit
            with pytest.raises(DamagedRecord):
                record.decode(bytes(flipped))


@given(drawn.stored(), st.data())
def test_no_byte_changes_unseen(
    stored: tuple[Header, tuple[Edge, ...], bytes, bytes], data: st.DataObject
) -> None:
    """Another value of any one byte of any record is found."""
    value = bytearray(stored[3])
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedRecord):
        record.decode(bytes(value))


@given(drawn.stored(), st.data())
def test_no_cut_is_unseen(
    stored: tuple[Header, tuple[Edge, ...], bytes, bytes], data: st.DataObject
) -> None:
    """A value that lost its end is damaged, unless it lost exactly salt and payload."""
    _, seen, _, value = stored
    length = data.draw(st.integers(0, len(value) - 1))
    redacted_bytes = HEADER.size + EDGE.size * len(seen) + CRC_BYTES
    if length == redacted_bytes:
        assert record.decode(value[:length])[3] is None
        return
    with pytest.raises(DamagedRecord):
        record.decode(value[:length])


@given(st.binary(max_size=400))
def test_junk_is_damaged_and_nothing_else(junk: bytes) -> None:
    """Bytes that are no record raise the one error that readers turn into a gap."""
    with pytest.raises(DamagedRecord):
        record.decode(junk)


def test_more_bytes_than_the_header_states_are_damage() -> None:
    """What follows the payload belongs to nobody."""
    with pytest.raises(DamagedRecord, match="another length"):
        record.decode(VALUE + b"\0")


def test_an_empty_payload_is_not_a_redacted_one() -> None:
    """Salt and checksum remain where the payload is empty."""
    empty = replace(PLAIN, payload_bytes=0)
    assert record.decode(drawn.encode(empty, (), SALT, b""))[3] == b""


def test_an_edge_of_a_later_version_is_damage() -> None:
    """An edge type that this version does not know is no crash, even under a good checksum."""
    seen = (replace(SEEN[0], type=99),)  # type: ignore[arg-type]
    with pytest.raises(DamagedRecord, match="unknown type"):
        record.decode(drawn.encode(PLAIN, seen, SALT, PAYLOAD))


@pytest.mark.parametrize(("offset", "what"), [(1, "format 2"), (4, "kind 255")])
def test_another_format_or_kind_is_named(offset: int, what: str) -> None:
    """A header of a later version says what is unknown about it."""
    value = bytearray(VALUE)
    value[offset] = 2 if offset == 1 else 255
    with pytest.raises(DamagedRecord, match=what):
        record.decode_header(bytes(value))


def test_the_commitment_binds_salt_and_payload() -> None:
    """Commitments differ by salt and by payload, and are the documented hash."""
    committed = record.commit_payload(PAYLOAD, SALT)
    domain = b"sidespan/payload/1"
    assert committed == sha256(domain + SALT + sha256(PAYLOAD).digest()).digest()
    assert committed != record.commit_payload(PAYLOAD, bytes(16))
    assert committed != record.commit_payload(PAYLOAD + b".", SALT)


def test_the_checksum_is_crc_32c_of_salt_then_payload() -> None:
    """The known answer of CRC-32C holds across the seam between salt and payload."""
    assert record.payload_checksum(b"56789", b"1234") == 0xE3069283
