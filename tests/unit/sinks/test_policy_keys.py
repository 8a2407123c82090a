"""Keys that keep their values on the node: each of the lists, in any case."""

import pytest

from sidespand.limits import EXPORT_KEY_BYTES_MAX
from sidespand.sinks import policy_keys
from sidespand.sinks.policy_keys import (
    BOUNDARY_KEYS,
    FRAGMENTS,
    Reason,
    key_fault,
    key_fault_in_content,
)

# Three of the dialects that the seed's list does not know.
CONTENT = ("gen_ai.input.messages", "input.value", "input_data", "ai.toolCall.args", "prompt")
CASES = (str.lower, str.upper, str.title, str.swapcase)


@pytest.mark.parametrize("key", ["raw", *BOUNDARY_KEYS, *FRAGMENTS, *CONTENT])
def test_each_key_is_blocked_in_any_case(key: str) -> None:
    """However it is written, and twice in a row."""
    for case in (str, *CASES):
        assert key_fault(case(key)) is Reason.BLOCKED
        assert key_fault(case(key)) is Reason.BLOCKED


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_counts_anywhere_in_a_key(fragment: str) -> None:
    """In front, behind and between."""
    for key in (f"x.{fragment}", f"{fragment}_x", f"my{fragment.upper()}s"):
        assert key_fault(key) is Reason.BLOCKED


@pytest.mark.parametrize("key", ["raw", *BOUNDARY_KEYS])
def test_a_whole_key_counts_behind_a_namespace(key: str) -> None:
    """As the last part, in any case; as a part of a word it is another one."""
    assert key_fault(f"openai.{key}") is Reason.BLOCKED
    assert key_fault(f"app:{key.upper()}") is Reason.BLOCKED


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.request.model", "tokens",
        "material.kind", "raw.kind", "draw", "session_id", "sidespan.cites", "api_key_id",
    ],
)  # fmt: skip
def test_facts_pass(key: str) -> None:
    """Also when their keys are near to one of the list."""
    assert key_fault(key) is None


@pytest.mark.parametrize("key", ["", "a b", "a/b", "ключ", "a\n", "a\0", "k" * 65, "é"])
def test_other_characters_and_lengths_are_unsafe(key: str) -> None:
    """Letters, digits and ``_.:-`` in ASCII, up to the limit."""
    assert key_fault(key) is Reason.UNSAFE_KEY


def test_a_key_has_64_bytes_at_most() -> None:
    """One more is too many."""
    assert key_fault("k" * EXPORT_KEY_BYTES_MAX) is None
    assert key_fault("k" * (EXPORT_KEY_BYTES_MAX + 1)) is Reason.UNSAFE_KEY


def test_an_event_that_carries_content_has_facts_under_gen_ai_alone() -> None:
    """Whatever else is in it is content."""
    assert key_fault_in_content("gen_ai.system") is None
    assert key_fault_in_content("anything") is Reason.BLOCKED
    assert key_fault_in_content("gen_ai.prompt") is Reason.BLOCKED


def test_what_is_remembered_of_keys_is_bounded() -> None:
    """However many different ones come."""
    for number in range(2 * policy_keys._PASSING_MAX):
        assert key_fault(f"key.{number}") is None
    assert len(policy_keys.passing) <= policy_keys._PASSING_MAX
