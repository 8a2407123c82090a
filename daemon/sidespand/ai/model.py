"""What a step of an agent is, whichever convention told of it. Everything here is a value."""

from typing import Any, NamedTuple


class Tokens(NamedTuple):
    """What a call of a model used; None where nothing was reported.

    Args:
        input: All input tokens, those read from and written to a cache included.
        output: All output tokens, reasoning included.
        cached: Part of ``input`` that came from a cache.
        cache_write: Part of ``input`` that went into one.
        reasoning: Part of ``output`` that was thought.
        inferred: The emitter counted cached tokens beside the input, or named no total: ``input``
            is the sum.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    inferred: bool = False


class Ai(NamedTuple):
    """One step; texts are empty where nothing was said.

    Args:
        kind: One of ``search_fields.AI_KINDS``; empty for a span that only names a conversation,
            user or the like.
        dialect: The convention that it was read by.
        provider: Who serves the model, as the emitter spells it.
        model_requested: As it was asked for.
        model: That answered; the requested one where none is named.
        tokens: None where nothing was counted.
        cost_usd: As the caller reported it; never computed here.
        finish_reasons: One an answer.
        ttft_ms: Time to the first token.
        stream: None where nobody said.
        aggregate: It is no call of a model itself: its tokens and cost sum up others'.
    """

    kind: str
    dialect: str
    provider: str = ""
    model_requested: str = ""
    model: str = ""
    tokens: Tokens | None = None
    cost_usd: float | None = None
    agent: str = ""
    agent_id: str = ""
    workflow: str = ""
    tool: str = ""
    tool_call_id: str = ""
    conversation_id: str = ""
    user_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    correlation_id: str = ""
    request_id: str = ""
    finish_reasons: tuple[str, ...] = ()
    ttft_ms: float | None = None
    stream: bool | None = None
    error_type: str = ""
    aggregate: bool = False


def document(ai: Ai) -> dict[str, Any]:
    """Return the JSON form of a step."""
    tokens = ai.tokens._asdict() if ai.tokens is not None else None
    return ai._asdict() | {"tokens": tokens, "finish_reasons": list(ai.finish_reasons)}
