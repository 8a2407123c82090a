"""What the programs ask and what the stub answers: every number of the captures starts here.

The token counts are invented and fixed, so that a sum tells which replies are in it. No tokenizer
made them: a capture shows how an instrumentation reports usage, not what a text costs.
"""

from typing import Any, Final

CHAT_MODEL: Final = "gpt-4o-mini"
REASONING_MODEL: Final = "o4-mini"
EMBEDDING_MODEL: Final = "text-embedding-3-small"
CLAUDE_MODEL: Final = "claude-sonnet-4-5"

PORT: Final = "Which port does OTLP over HTTP use?"
COUNT: Final = "Count from one to three."
WEATHER: Final = "What is the weather in Lisbon?"
WEATHER_RESULT: Final = '{"celsius": 21, "sky": "clear"}'
HANDBOOK: Final = "Name the rule for lamps."
HANDBOOK_AGAIN: Final = "Name the rule for doors."
LIMITED: Final = "Answer without a quota."
EMBEDDED: Final = "flight recorder"

SYSTEM: Final = "Answer in one short line."
HANDBOOK_TEXT: Final = "Handbook of the house: lamps go out last; doors are locked first."

WEATHER_ARGUMENTS: Final = '{"city": "Lisbon"}'
WEATHER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def _chat(
    number: int,
    content: str | None,
    tokens: tuple[int, int],
    *,
    model: str = CHAT_MODEL,
    cached: int = 0,
    reasoning: int = 0,
    tool_calls: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return a chat completion; ``tokens`` is (prompt with cached, completion with reasoning)."""
    prompt, completion = tokens
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if tool_calls:
        message["tool_calls"] = tool_calls
    return {
        "id": f"chatcmpl-golden{number:03d}",
        "object": "chat.completion",
        "created": 1_700_000_000 + number,
        "model": f"{model}-2025-01-01",
        "system_fingerprint": "fp_golden",
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "tool_calls" if tool_calls else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        },
    }


OPENAI_REPLIES: Final[dict[str, dict[str, Any]]] = {
    PORT: _chat(1, "4318.", (21, 3)),
    COUNT: _chat(2, "One, two, three.", (17, 5)),
    WEATHER: _chat(
        3,
        None,
        (63, 15),
        tool_calls=[
            {
                "id": "call_weather_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": WEATHER_ARGUMENTS},
            }
        ],
    ),
    WEATHER_RESULT: _chat(4, "Clear, 21 degrees.", (95, 9)),
    HANDBOOK: _chat(
        5, "Lamps go out last.", (1536, 48), model=REASONING_MODEL, cached=1024, reasoning=32
    ),
}

OPENAI_EMBEDDING: Final[dict[str, Any]] = {
    "object": "list",
    "model": EMBEDDING_MODEL,
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.75, 1.0]}],
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}

OPENAI_LIMIT: Final[dict[str, Any]] = {
    "error": {
        "message": "Rate limit reached.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
}


def _claude(
    number: int,
    content: list[dict[str, Any]],
    tokens: tuple[int, int],
    *,
    cache_read: int = 0,
    cache_write: int = 0,
    stop_reason: str = "end_turn",
) -> dict[str, Any]:
    """Return a message; ``tokens`` is (input WITHOUT cache, output), as this API counts."""
    return {
        "id": f"msg_golden{number:03d}",
        "type": "message",
        "role": "assistant",
        "model": f"{CLAUDE_MODEL}-20250101",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "cache_read_input_tokens": cache_read,
            "cache_creation_input_tokens": cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": cache_write,
                "ephemeral_1h_input_tokens": 0,
            },
            "service_tier": "standard",
        },
    }


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


ANTHROPIC_REPLIES: Final[dict[str, dict[str, Any]]] = {
    PORT: _claude(1, _text("4318."), (23, 4)),
    COUNT: _claude(2, _text("One, two, three."), (19, 6), cache_read=512),
    WEATHER: _claude(
        3,
        [
            {
                "type": "tool_use",
                "id": "toolu_weather_1",
                "name": "get_weather",
                "input": {"city": "Lisbon"},
            }
        ],
        (310, 42),
        stop_reason="tool_use",
    ),
    WEATHER_RESULT: _claude(4, _text("Clear, 21 degrees."), (380, 18)),
    HANDBOOK: _claude(5, _text("Lamps go out last."), (12, 7), cache_write=2048),
    HANDBOOK_AGAIN: _claude(
        6, _text("Doors are locked first."), (14, 8), cache_read=2048, cache_write=256
    ),
}
