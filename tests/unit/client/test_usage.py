"""Tokens are found in what each provider answers, counted as the conventions say."""

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import sidespan

INPUT, OUTPUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
READ = "gen_ai.usage.cache_read.input_tokens"
WRITE = "gen_ai.usage.cache_write.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"

CASES: dict[str, tuple[Any, dict[str, int]]] = {
    "openai responses": (
        {"usage": {"input_tokens": 30, "output_tokens": 9,
                   "input_tokens_details": {"cached_tokens": 20},
                   "output_tokens_details": {"reasoning_tokens": 4}}},
        {INPUT: 30, OUTPUT: 9, READ: 20, REASONING: 4},
    ),
    "openai responses, streamed": (
        {"type": "response.completed", "response": {"usage": {"input_tokens": 3}}},
        {INPUT: 3},
    ),
    "anthropic counts its cache apart": (
        {"usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100,
                   "cache_creation_input_tokens": 7}},
        {INPUT: 117, OUTPUT: 5, READ: 100, WRITE: 7},
    ),
    "anthropic, first event": (
        {"type": "message_start",
         "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 0}}},
        {INPUT: 10, READ: 0},
    ),
    "anthropic, last event": ({"type": "message_delta", "usage": {"output_tokens": 5}},
                              {OUTPUT: 5}),
    "gemini counts its thoughts apart": (
        {"usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 3,
                           "thoughtsTokenCount": 2, "cachedContentTokenCount": 1}},
        {INPUT: 8, OUTPUT: 5, READ: 1, REASONING: 2},
    ),
    "gemini's package": (
        SimpleNamespace(usage_metadata=SimpleNamespace(prompt_token_count=8,
                                                       candidates_token_count=3)),
        {INPUT: 8, OUTPUT: 3},
    ),
    "bedrock": (
        {"usage": {"inputTokens": 4, "outputTokens": 2, "cacheReadInputTokens": 6}},
        {INPUT: 10, OUTPUT: 2, READ: 6},
    ),
    "bedrock, streamed": (
        {"metadata": {"usage": {"inputTokens": 4, "outputTokens": 2}}}, {INPUT: 4, OUTPUT: 2},
    ),
    "cohere": ({"usage": {"tokens": {"input_tokens": 4, "output_tokens": 2}}},
               {INPUT: 4, OUTPUT: 2}),
    "ollama": ({"prompt_eval_count": 4, "eval_count": 2}, {INPUT: 4, OUTPUT: 2}),
    "langchain": (
        SimpleNamespace(usage_metadata={"input_tokens": 9, "output_tokens": 2,
                                        "input_token_details": {"cache_read": 5}}),
        {INPUT: 9, OUTPUT: 2, READ: 5},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_shape_is_known(case: str) -> None:
    """Input includes what was cached, output what was thought."""
    response, wanted = CASES[case]

    assert sidespan.usage(response) == wanted


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"choices": [{"finish_reason": "stop"}]}, "stop"),
        ({"stop_reason": "end_turn"}, "end_turn"),
        ({"stopReason": "tool_use"}, "tool_use"),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, "MAX_TOKENS"),
        ({"candidates": [{"finish_reason": SimpleNamespace(name="STOP")}]}, "STOP"),
        ({"done_reason": "length"}, "length"),
    ],
)
def test_each_reason_is_known(response: Any, reason: str) -> None:
    """Why the model stopped, in the provider's word."""
    assert sidespan.usage(response) == {"gen_ai.response.finish_reasons": [reason]}


class Hostile:
    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError("hands off")


@pytest.mark.parametrize(
    "response",
    [None, 5, "text", b"", [], {}, object(), Hostile, {"usage": Hostile},
     {"usage": {"prompt_tokens": "many"}}, {"usage": {"prompt_tokens": True}},
     {"usage": {"prompt_tokens": -1}}, {"usage": 5}, {"choices": 5}],
)  # fmt: skip
def test_what_is_no_response_says_nothing(response: Any) -> None:
    """Nothing is guessed, and nothing raises."""
    if response is Hostile:
        response = Hostile()
    if isinstance(response, dict) and response.get("usage") is Hostile:
        response = {"usage": Hostile()}
    assert sidespan.usage(response, {"input": 1.0}) == {}


def test_a_cost_is_whole_or_not_there() -> None:
    """Without a price for what was used there is none, never half of one."""
    response = {"prompt_eval_count": 1_000_000, "eval_count": 500_000}

    assert sidespan.usage(response, {"input": 3.0, "output": 4.0})["gen_ai.usage.cost"] == 5.0
    assert "gen_ai.usage.cost" not in sidespan.usage(response, {"input": 3.0})
    assert "gen_ai.usage.cost" not in sidespan.usage({}, {"input": 3.0})
