"""Every bit of a stored record counts."""

import struct
from collections.abc import Iterator

import google_crc32c
import pytest

from sidespand.audit.report import Fault
from sidespand.audit.values import check
from sidespand.hlc import Hlc
from sidespand.journal import record as codec
from sidespand.journal.stamper import Draft, seal
from sidespand.journal.state import Head
from sidespand.model import Content, Edge, EdgeType, Kind
from tests.clocks import ManualClock
from tests.unit.query import samples

HEADER, EDGE, CRC, SALT = codec.HEADER_BYTES, codec.EDGE_BYTES, 4, codec.SALT_BYTES


def stored() -> bytes:
    """Return one record with an edge, as it is stored."""
    clock = ManualClock(seed=7)
    draft = Draft(
        Head(1, bytes(8), 1, 1, 0, 0, Hlc(0, 0), 0, 0, bytes(16), bytes(16), ()), clock, None
    )
    edge = Edge(EdgeType.RECEIVED, 0, bytes(range(8)), 9, Hlc(5, 6), bytes(range(16)))
    payload = samples.request(samples.span(1, name="plan"))
    draft.stamp(seal(Content(Kind.SPANS, payload, 1, (edge,)), clock), 0, 0)
    return draft.values[0][1]


def flipped(value: bytes, places: range) -> Iterator[tuple[int, bytes]]:
    """Yield the value with each bit of some bytes turned, one at a time."""
    for place in places:
        for bit in range(8):
            changed = bytearray(value)
            changed[place] ^= 1 << bit
            yield place, bytes(changed)


def with_checksums(value: bytes) -> bytes:
    """Return a changed value with checksums made anew, as somebody would who rewrites a store."""
    proved, rest = value[: HEADER + EDGE], value[HEADER + EDGE + CRC :]
    salt, payload = rest[:SALT], rest[SALT + CRC :]
    return b"".join(
        (
            proved,
            struct.pack(">I", google_crc32c.value(proved)),
            salt,
            struct.pack(">I", codec.payload_checksum(payload, salt)),
            payload,
        )
    )


def test_an_untouched_record_holds() -> None:
    """Nothing is found, and the record is read as the journal reads it."""
    value = stored()

    checked = check(1, value)

    assert checked.faults == ()
    assert checked.record is not None
    assert checked.leaf == checked.record.leaf


def test_any_one_bit_of_a_stored_record_is_noticed() -> None:
    """Header, edge, checksums, salt and payload: every bit turned is a fault with a name."""
    value = stored()
    silent = [place for place, one in flipped(value, range(len(value))) if not check(1, one).faults]

    assert silent == []


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (range(8, HEADER), Fault.HEADER_CHECKSUM),
        (range(HEADER, HEADER + EDGE), Fault.HEADER_CHECKSUM),
        (range(HEADER + EDGE, HEADER + EDGE + CRC), Fault.HEADER_CHECKSUM),
    ],
)
def test_a_bit_of_the_proved_part_is_named(part: range, expected: Fault) -> None:
    """Header and edges fail their own checksum, whatever else they fail."""
    for place, one in flipped(stored(), part):
        assert expected in {code for code, _ in check(1, one).faults}, place


def test_a_bit_of_salt_or_payload_breaks_checksum_and_commitment() -> None:
    """The commitment is the node's word, so that a new checksum does not hide a change."""
    value = stored()
    salt = HEADER + EDGE + CRC
    both = {Fault.PAYLOAD_CHECKSUM, Fault.PAYLOAD_COMMITMENT}
    for part in (range(salt, salt + SALT), range(salt + SALT + CRC, len(value))):
        for place, one in flipped(value, part):
            assert {code for code, _ in check(1, one).faults} == both, place
            rewritten = {code for code, _ in check(1, with_checksums(one)).faults}
            assert rewritten == {Fault.PAYLOAD_COMMITMENT}, place


def test_a_rewritten_header_or_edge_changes_the_leaf() -> None:
    """With checksums made anew only the tree tells: the leaf is another one, or nothing reads."""
    value = stored()
    leaf = check(1, value).leaf
    for place, one in flipped(value, range(8, HEADER + EDGE)):
        checked = check(1, with_checksums(one))
        assert checked.faults or checked.leaf != leaf, place


def test_any_shorter_record_is_noticed() -> None:
    """All lengths but that of a redacted record are faults."""
    value = stored()
    redacted = HEADER + EDGE + CRC

    whole = [length for length in range(len(value)) if not check(1, value[:length]).faults]

    assert whole == [redacted]
    assert check(1, value + b"\x00").faults
