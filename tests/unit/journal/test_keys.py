"""Keys: their bytes sort as the numbers in them (N10), and no kind is taken for another."""

from hypothesis import given
from hypothesis import strategies as st

from sidespand.journal import keys
from tests.unit.journal.drawn import U32, U64


@given(U64, U64)
def test_record_keys_sort_as_lsns(one: int, other: int) -> None:
    """The order of keys is the order of LSNs, and a key reads back as its LSN."""
    assert (keys.record_key(one) < keys.record_key(other)) == (one < other)
    assert keys.parse_record_key(keys.record_key(one)) == one


@given(U32, U32)
def test_generation_keys_sort_as_generations(one: int, other: int) -> None:
    """The order of keys is the order of generations, and a key reads back as its generation."""
    assert (keys.generation_key(one) < keys.generation_key(other)) == (one < other)
    assert keys.parse_generation_key(keys.generation_key(one)) == one


@given(st.binary(min_size=16, max_size=16), U32)
def test_state_keys_are_told_apart(instance_id: bytes, boot_generation: int) -> None:
    """Session rows, generation rows, the head and the clean mark never share a key."""
    session = keys.session_key(instance_id)
    generation = keys.generation_key(boot_generation)
    assert len({session, generation, keys.HEAD, keys.CLEAN}) == 4
    assert [keys.is_session_key(key) for key in (session, generation, keys.HEAD, keys.CLEAN)] == [
        True,
        False,
        False,
        False,
    ]
    for key in (session, keys.HEAD, keys.CLEAN, b"", b"g", generation + b"\0"):
        assert keys.parse_generation_key(key) is None
