"""Trace Context is read strictly and written so that every other reader takes it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespan import _w3c

ids = st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)).filter(
    lambda pair: any(pair[0]) and any(pair[1])
)
_VALUE = [chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",="]
_key_tails = st.text(string.ascii_lowercase + string.digits + "_-*/@", max_size=40)
keys = st.builds(str.__add__, st.sampled_from(string.ascii_lowercase + string.digits), _key_tails)
values = st.text(_VALUE, min_size=1, max_size=40).filter(lambda text: not text.endswith(" "))
members = st.dictionaries(keys, values, max_size=32)
tokens = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=100)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def joined(pairs: dict[str, str]) -> str:
    """Return members as one header."""
    return ",".join(f"{key}={value}" for key, value in pairs.items())


@given(ids, st.integers(0, 3))
def test_traceparent_round_trip(pair: tuple[bytes, bytes], flags: int) -> None:
    """What is written is read back."""
    trace_id, span_id = pair

    text = _w3c.format_traceparent(trace_id, span_id, flags)

    assert len(text) == 55
    assert _w3c.parse_traceparent(text) == (trace_id, span_id, flags)


@given(st.text())
def test_any_text_is_no_traceparent(text: str) -> None:
    """Hostile text is refused, not raised over."""
    assert _w3c.parse_traceparent(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01extra",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0१",
    ],
)
def test_a_malformed_traceparent_is_none(text: str) -> None:
    """What section 3.2 does not allow begins a new trace."""
    assert _w3c.parse_traceparent(text) is None


@pytest.mark.parametrize("rest", ["", "-", "-what the future brings"])
def test_a_later_version_is_read_as_far_as_it_is_known(rest: str) -> None:
    """A later version may say more after a dash; of its flags only the known ones are kept."""
    parsed = _w3c.parse_traceparent(f"cc-{TRACE}-{SPAN}-fd{rest}")

    assert parsed == (bytes.fromhex(TRACE), bytes.fromhex(SPAN), 0x01)


@given(members, st.lists(st.sampled_from(["", " ", "\t", " \t "]), min_size=2, max_size=2))
def test_a_tracestate_keeps_members_values_and_order(pairs: dict[str, str], pad: list[str]) -> None:
    """Optional white space goes; nothing else does."""
    text = ",".join(f"{pad[0]}{key}={value}{pad[1]}" for key, value in pairs.items())

    assert _w3c.parse_tracestate(text) == joined(pairs)


@given(st.text())
def test_any_text_is_a_tracestate_or_none(text: str) -> None:
    """Whatever comes is either dropped or stays as it is when it is read again."""
    once = _w3c.parse_tracestate(text)

    assert _w3c.parse_tracestate(once) == once
    assert once.isascii()


@pytest.mark.parametrize(
    "bad",
    [
        "=v", "k=", "k", "K=v", "k =v", "k=v=w", "k=ü", "k=\x00", "k=a\nb=c", "_k=v", "a=1,a=2",
        "k" * 257 + "=v", "k=" + "v" * 257, ",".join(f"k{n}=v" for n in range(33)),
        ",".join(f"k{n}=" + "v" * 250 for n in range(80)),
    ],
)  # fmt: skip
def test_one_bad_member_condemns_the_tracestate(bad: str) -> None:
    """A list that is not wholly right is dropped wholly."""
    assert _w3c.parse_tracestate(bad) == ""
    assert _w3c.parse_tracestate(f"fine=1,{bad}") == ""


def test_empty_members_are_allowed() -> None:
    """Section 3.3.1.1 lets a list have empty members."""
    assert _w3c.parse_tracestate(" ,a=1,,\t,b=2,") == "a=1,b=2"


@given(members.filter(lambda pairs: "sidespan" not in pairs), tokens)
def test_the_token_goes_leftmost_and_the_others_stay(pairs: dict[str, str], token: str) -> None:
    """Other vendors' members keep their text and order; the list stays within 32."""
    written = _w3c.with_token(joined(pairs), token).split(",")

    others = [f"{key}={value}" for key, value in pairs.items()]
    assert written == [f"sidespan={token}", *others[:31]]


@given(members, tokens, tokens)
def test_a_newer_token_takes_the_place_of_the_older(
    pairs: dict[str, str], older: str, newer: str
) -> None:
    """There is one member of ours, wherever the older one stood."""
    with_older = joined({**pairs, "sidespan": older})

    assert (
        _w3c.with_token(with_older, newer).count("sidespan=")
        == joined({key: value for key, value in pairs.items() if key != "sidespan"}).count(
            "sidespan="
        )
        + 1
    )
    assert _w3c.with_token(with_older, newer).startswith(f"sidespan={newer}")


@given(members)
def test_without_a_token_nothing_changes(pairs: dict[str, str]) -> None:
    """What came in goes on, our own older member included."""
    assert _w3c.with_token(joined(pairs), "") == joined(pairs)


@pytest.mark.parametrize("text", ["", "a,b", "a=b", "a\n", "ü", "a" * 120, "a "])
def test_what_cannot_travel_is_no_token(text: str) -> None:
    """A token that would break the header, or be dropped first, is not taken from a recorder."""
    assert not _w3c.is_token(text)


def test_a_daemons_token_can_travel() -> None:
    """The token's own format fits."""
    assert _w3c.is_token(f"1-{'a' * 16}-{'f' * 16}-{'0' * 24}-{'b' * 32}")
