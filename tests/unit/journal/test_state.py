"""The state rows: exact round trips, and no byte changes unseen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.hlc import Hlc
from sidespand.journal.record import DamagedRecord
from sidespand.journal.state import (
    Head,
    SessionRow,
    decode_head,
    decode_session,
    encode_head,
    encode_session,
)
from sidespand.token import Token, decode
from tests.unit.journal import drawn

HEAD = Head(
    ordinal=1,
    lineage=bytes(range(8)),
    boot_generation=2,
    next_lsn=10,
    record_count=3,
    commit_seq=4,
    stamp=Hlc(5, 6),
    wall_ns=7,
    boottime_ns=8,
    boot_id=bytes(16),
    tag=bytes(range(16)),
    hashes=(bytes(32), bytes(range(32))),
)
ROW = SessionRow(1000, 3, 4, 5, Hlc(6, 7), bytes(16), 8)


@given(drawn.heads())
def test_a_head_round_trips(head: Head) -> None:
    """Every field comes back as it was."""
    assert decode_head(encode_head(head)) == head


@given(drawn.session_rows)
def test_a_session_row_round_trips(row: SessionRow) -> None:
    """Every field comes back as it was; uid 0 is not an unknown uid."""
    assert decode_session(encode_session(row)) == row


def test_no_bit_of_the_head_flips_unseen() -> None:
    """Each single flipped bit is found: a wrong LSN or hash would poison all that follows."""
    for flipped in _flips(encode_head(HEAD)):
        with pytest.raises(DamagedRecord):
            decode_head(flipped)


def test_no_bit_of_a_session_row_flips_unseen() -> None:
    """Each single flipped bit is found: a wrong seq would ack what was never stored."""
    for flipped in _flips(encode_session(ROW)):
        with pytest.raises(DamagedRecord):
            decode_session(flipped)


@given(st.binary(max_size=160))
def test_junk_is_damaged_and_nothing_else(junk: bytes) -> None:
    """Bytes that are no row raise one error only."""
    with pytest.raises(DamagedRecord):
        decode_head(junk)
    with pytest.raises(DamagedRecord):
        decode_session(junk)


def test_a_range_that_does_not_fit_its_count_is_damage() -> None:
    """The number of hashes follows from the record count."""
    with pytest.raises(DamagedRecord, match="tree does not fit"):
        decode_head(encode_head(replace(HEAD, record_count=4)))


def test_the_head_s_token_is_that_of_the_last_item() -> None:
    """The token names the newest durable item."""
    assert decode(HEAD.token()) == Token(HEAD.lineage, 9, HEAD.stamp, HEAD.tag)


def _flips(row: bytes) -> list[bytes]:
    return [(int.from_bytes(row) ^ (1 << bit)).to_bytes(len(row)) for bit in range(8 * len(row))]
