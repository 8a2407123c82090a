"""AITrace ids and OTLP ids: one stands for the other, deterministically and back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidespand.sinks import aitrace_ids

GENERATED = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_OF_GENERATED = "d4c9a3d937963738"
TRACE_OF_ALIAS = "98fbcf0f897f96b81b87fd8a44a226a4"
SPAN_OF_ALIAS = "9eb234d84f7713d8"
ALIASES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", fullmatch=True)


@given(ALIASES)
@example("0" * 32)
@example("0" * 16)
@example("a" * 128)
def test_an_id_comes_back_when_its_sender_said_it(alias: str) -> None:
    """Beside the id that it maps to, the original is the id; the mapping has the right size."""
    trace, span = aitrace_ids.otlp_trace_id(alias), aitrace_ids.otlp_span_id(alias)

    assert (len(trace), len(span)) == (16, 8)
    assert any(trace)
    assert any(span)
    assert aitrace_ids.trace_id(trace, alias)[0] == alias
    assert aitrace_ids.span_id(span, alias)[0] == alias


def test_the_mapping_is_fixed() -> None:
    """Files, senders and later versions must agree: these values never change."""
    assert aitrace_ids.otlp_trace_id(GENERATED).hex() == GENERATED
    assert aitrace_ids.otlp_span_id("00f067aa0ba902b7").hex() == "00f067aa0ba902b7"
    assert aitrace_ids.otlp_span_id(GENERATED).hex() == SPAN_OF_GENERATED
    assert aitrace_ids.otlp_trace_id("order:42").hex() == TRACE_OF_ALIAS
    assert aitrace_ids.otlp_span_id("order:42").hex() == SPAN_OF_ALIAS


def test_ids_of_128_bits_do_not_collide() -> None:
    """Spans that differ in any one bit, the last included, have different OTLP ids."""
    first = int(GENERATED, 16)
    ids = {aitrace_ids.otlp_span_id(f"{first ^ (1 << bit):032x}") for bit in range(128)}
    assert len(ids) == 128


@pytest.mark.parametrize(
    "text", ["", "a" * 129, "-a", "../x", "a/b", "a b", "a\0", "a\n", "é", "." * 3]
)
def test_what_is_no_alias_is_refused(text: str) -> None:
    """An alias is 1 to 128 of a small alphabet, and begins with a letter or a digit."""
    with pytest.raises(ValueError, match="1 to 128"):
        aitrace_ids.otlp_trace_id(text)
    with pytest.raises(ValueError, match="1 to 128"):
        aitrace_ids.otlp_span_id(text)


@pytest.mark.parametrize("claimed", [None, 7, [], "another", "../x", "f" * 32, ""])
def test_a_claim_that_does_not_map_to_the_id_counts_for_nothing(claimed: object) -> None:
    """The id stays OTLP's, and its source an alias: nobody vouched for it."""
    trace, source = aitrace_ids.trace_id(bytes.fromhex(GENERATED), claimed)
    assert trace == GENERATED
    assert source == {
        "id_type": "trace_id",
        "kind": "external_alias",
        "policy": "aitrace-external-alias-v1",
        "validation": "bounded_external_alias",
        "max_bytes": 128,
    }
    assert aitrace_ids.span_id(bytes(7) + b"\1", claimed)[0] == "00" * 7 + "01"


def test_a_generated_id_is_told_as_one() -> None:
    """An id of 32 hex digits that its sender claims has the source of AITrace's own ids."""
    span = aitrace_ids.otlp_span_id(GENERATED)
    found, source = aitrace_ids.span_id(span, GENERATED)
    assert found == GENERATED
    assert source == {
        "id_type": "span_id",
        "kind": "aitrace_generated",
        "policy": "aitrace-id-v1",
        "algorithm": "crypto.strong_rand_bytes",
        "entropy_bytes": 16,
        "encoding": "base16_lower",
        "prefix": None,
        "prefix_policy": "none_backcompat_32_hex",
    }
