"""Tokens: exact round trips, hostile text that never raises, and a place in ``tracestate``."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import token
from sidespand.hlc import LOGICAL_MAX, WALL_NS_MAX, Hlc
from sidespand.limits import TRACESTATE_BYTES_MAX, TRACESTATE_MEMBER_CHARACTERS_MAX
from sidespand.token import MEMBER_KEY, Token

tokens = st.builds(
    Token,
    st.binary(min_size=8, max_size=8),
    st.integers(1, 2**64 - 1),
    st.builds(Hlc, st.integers(0, WALL_NS_MAX), st.integers(0, LOGICAL_MAX)),
    st.binary(min_size=16, max_size=16),
)
EXAMPLE = "1-00112233445566aa-47af-18a5f2b1c3d4e5f600000002-a91f3c2e5b7d018422c07e15d3b9f46a"


@given(tokens)
def test_a_token_round_trips(one: Token) -> None:
    """What ``encode`` writes ``decode`` reads back: at most 93 characters, all of them safe."""
    text = token.encode(*one)
    assert re.fullmatch(r"[0-9a-f-]{1,93}", text)
    assert token.decode(text) == one


@given(tokens)
def test_a_member_survives_every_propagator(one: Token) -> None:
    """A member is at most 102 characters, so that no vendor has a reason to drop it."""
    member = f"{MEMBER_KEY}={token.encode(*one)}"
    assert len(member) <= 102 < TRACESTATE_MEMBER_CHARACTERS_MAX
    assert token.find_member(f"congo=t61rcWkgMzE,{member},rojo=00f067aa") == token.encode(*one)


def test_the_text_is_the_documented_one() -> None:
    """The grammar's example reads as its parts."""
    assert token.decode(EXAMPLE) == Token(
        bytes.fromhex("00112233445566aa"),
        0x47AF,
        Hlc(0x18A5F2B1C3D4E5F6, 2),
        bytes.fromhex("a91f3c2e5b7d018422c07e15d3b9f46a"),
    )


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "1",
        EXAMPLE.upper(),
        EXAMPLE.replace("1-", "2-", 1),
        EXAMPLE.replace("-47af-", "-047af-"),
        EXAMPLE.replace("-47af-", "-0-"),
        EXAMPLE.replace("-47af-", "--"),
        EXAMPLE.replace("-47af-", "-10000000000000000-"),
        EXAMPLE[:-1],
        EXAMPLE + "0",
        EXAMPLE + "\n",
        " " + EXAMPLE,
        EXAMPLE.replace("a", "а"),  # noqa: RUF001 -- a Cyrillic letter that looks the same.
        EXAMPLE.replace("-47af-", "-４７-"),  # noqa: RUF001 -- digits, but not ASCII ones.
        EXAMPLE + "," + EXAMPLE,
    ],
)
def test_anything_else_is_no_token(junk: str) -> None:
    """A token is exactly of its grammar; near misses are None."""
    assert token.decode(junk) is None


@given(st.text(max_size=200) | st.text("0123456789abcdef-", max_size=100))
def test_junk_never_raises(junk: str) -> None:
    """Hostile text is a token or None, as a token and as a tracestate."""
    found = token.decode(junk)
    assert found is None or token.encode(*found) == junk
    value = token.find_member(junk)
    assert value is None or f"{MEMBER_KEY}=" in junk


@given(
    st.lists(st.text(st.characters(exclude_characters=","), max_size=30), max_size=10),
    st.integers(0, 10),
)
def test_our_member_is_found_among_junk(others: list[str], place: int) -> None:
    """Whatever stands around it, our own member is found unless another of ours came first."""
    members = [one for one in others if not one.strip(" \t").startswith(MEMBER_KEY)]
    members.insert(place, f"{MEMBER_KEY}={EXAMPLE}")
    assert token.find_member(",".join(members)) == EXAMPLE


def test_the_newest_of_several_members_wins() -> None:
    """W3C puts the newest member to the left."""
    assert token.find_member("a=1, sidespan=new\t,sidespan=old") == "new"


@pytest.mark.parametrize(
    "tracestate",
    [
        "",
        "sidespan",
        "sidespan-2=x",
        "xsidespan=x",
        "sidespan @v=x",
        "other=sidespan",
        "sidespan=x,".ljust(TRACESTATE_BYTES_MAX + 1, "y"),
    ],
)
def test_another_vendor_s_member_is_not_ours(tracestate: str) -> None:
    """Keys match whole, and a tracestate over the bound is not searched."""
    assert token.find_member(tracestate) is None


def test_a_tracestate_at_the_bound_is_searched() -> None:
    """Exactly the bound is still within it."""
    tracestate = "sidespan=x,".ljust(TRACESTATE_BYTES_MAX, "y")
    assert token.find_member(tracestate) == "x"
