"""What a model's response says of itself, found by the names that the providers use.

Objects and mappings are read alike, so no provider's package is needed; what is not there, not of
the right type, or raises, is passed over.

Source: OpenTelemetry GenAI semantic conventions: ``input_tokens`` includes cached tokens,
``output_tokens`` includes reasoning tokens.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

INPUT = "gen_ai.usage.input_tokens"
OUTPUT = "gen_ai.usage.output_tokens"
CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"
COST = "gen_ai.usage.cost"

_TOKENS_PER_PRICE = 1_000_000


class _Shape(NamedTuple):
    """How one family of responses counts; each a path from the usage object.

    Args:
        input: Of input tokens; the first that is a number marks the family.
        output: Of output tokens.
        cache_read: Of tokens that came from a cache.
        cache_write: Of tokens that went into one.
        reasoning: Of tokens that were thought.
        cache_apart: Whether input leaves the two cache counts out.
        reasoning_apart: Whether output leaves reasoning out.
    """

    input: str
    output: str
    cache_read: str = ""
    cache_write: str = ""
    reasoning: str = ""
    cache_apart: bool = False
    reasoning_apart: bool = False


_SHAPES = (
    # OpenAI chat completions and all that imitate them; DeepSeek's cache beside it.
    _Shape(
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details.cached_tokens",
        "",
        "completion_tokens_details.reasoning_tokens",
    ),
    # Gemini, in Python and in JSON.
    _Shape(
        "prompt_token_count",
        "candidates_token_count",
        "cached_content_token_count",
        "",
        "thoughts_token_count",
        reasoning_apart=True,
    ),
    _Shape(
        "promptTokenCount",
        "candidatesTokenCount",
        "cachedContentTokenCount",
        "",
        "thoughtsTokenCount",
        reasoning_apart=True,
    ),
    # Bedrock Converse.
    _Shape(
        "inputTokens",
        "outputTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        cache_apart=True,
    ),
    # Cohere.
    _Shape("tokens.input_tokens", "tokens.output_tokens"),
    # Ollama, on the response itself.
    _Shape("prompt_eval_count", "eval_count"),
)
_ANTHROPIC = _Shape(
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    cache_apart=True,
)
_RESPONSES = _Shape(
    "input_tokens",
    "output_tokens",
    "input_tokens_details.cached_tokens",
    "",
    "output_tokens_details.reasoning_tokens",
)
_LANGCHAIN = _Shape(
    "input_tokens",
    "output_tokens",
    "input_token_details.cache_read",
    "input_token_details.cache_creation",
    "output_token_details.reasoning",
)

# Where a response, a chunk or an event of a stream keeps its usage; the last is itself.
_USAGES = ("usage", "usage_metadata", "usageMetadata", "metadata.usage", "response.usage",
           "message.usage", "meta", "")  # fmt: skip
_IDS = ("id", "response_id", "responseId", "response.id", "message.id")
_MODELS = ("model", "model_version", "modelVersion", "response.model", "message.model")
_REASONS = ("stop_reason", "stopReason", "finish_reason", "done_reason", "delta.stop_reason",
            "messageStop.stopReason", "message.stop_reason")  # fmt: skip


def usage(response: object, prices: Mapping[str, float] | None = None) -> dict[str, object]:
    """Return the attributes that a model's response, or a chunk of one, holds.

    Args:
        response: Of OpenAI (chat, responses), Anthropic, Gemini, Bedrock Converse, Cohere, Ollama,
            LangChain or one that looks like them; an object or parsed JSON.
        prices: US dollars for a million tokens, by ``input``, ``output``, ``cache_read`` and
            ``cache_write``; a cache's without one are as ``input``.

    Returns:
        ``gen_ai.response.*``, ``gen_ai.usage.*`` and with prices ``gen_ai.usage.cost``; empty when
        nothing is recognised. Never raises.
    """
    found: dict[str, object] = {}
    try:
        found = {**_described(response), **_counted(response)}
        if prices:
            found |= cost(found, prices)
    except Exception:  # noqa: S110 - The response belongs to the host, and so does what it raises.
        pass
    return found


def cost(found: Mapping[str, object], prices: Mapping[str, float]) -> dict[str, object]:
    """Return the cost of counted tokens as an attribute; none without counts or a needed price.

    Args:
        found: As ``usage`` returns it.
        prices: As in ``usage``.
    """
    input_tokens, output_tokens = _count(found.get(INPUT)), _count(found.get(OUTPUT))
    if input_tokens is None and output_tokens is None:
        return {}
    read, write = _count(found.get(CACHE_READ)) or 0, _count(found.get(CACHE_WRITE)) or 0
    plain = max(0, (input_tokens or 0) - read - write)
    base = prices.get("input")
    total = 0.0
    for tokens, price in (
        (plain, base),
        (read, prices.get("cache_read", base)),
        (write, prices.get("cache_write", base)),
        (output_tokens or 0, prices.get("output")),
    ):
        if tokens:
            if price is None:
                # Half a cost would pass for the whole.
                return {}
            total += tokens * price
    return {COST: total / _TOKENS_PER_PRICE}


def _described(response: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, paths in (("gen_ai.response.id", _IDS), ("gen_ai.response.model", _MODELS)):
        text = next((text for path in paths if isinstance(text := _at(response, path), str)), "")
        if text:
            found[key] = text
    reasons = [_at(response, path) for path in _REASONS]
    for choices in ("choices", "candidates"):
        several = _at(response, choices)
        if isinstance(several, list | tuple):
            for choice in several:
                reasons += [_at(choice, "finish_reason"), _at(choice, "finishReason")]
    names = [name for name in map(_reason, reasons) if name]
    if names:
        found["gen_ai.response.finish_reasons"] = names
    return found


def _counted(response: object) -> dict[str, object]:
    for path in _USAGES:
        counts = _at(response, path)
        if counts is None or isinstance(counts, str | int | float):
            continue
        shapes: Iterable[_Shape] = (*_SHAPES, _input_output(counts))
        for shape in shapes:
            found = _counts(counts, shape)
            if found:
                return found
    return {}


def _input_output(counts: object) -> _Shape:
    """Return which of the three families counts here that say ``input_tokens``."""
    if _at(counts, "input_token_details") is not None:
        return _LANGCHAIN
    if _count(_at(counts, "cache_read_input_tokens")) is not None:
        return _ANTHROPIC
    if _count(_at(counts, "cache_creation_input_tokens")) is not None:
        return _ANTHROPIC
    return _RESPONSES


def _counts(counts: object, shape: _Shape) -> dict[str, object]:
    inputs, outputs = _count(_at(counts, shape.input)), _count(_at(counts, shape.output))
    if inputs is None and outputs is None:
        return {}
    read, write, reasoning = (
        _count(_at(counts, path)) if path else None
        for path in (shape.cache_read, shape.cache_write, shape.reasoning)
    )
    if shape.cache_apart and inputs is not None:
        inputs += (read or 0) + (write or 0)
    if shape.reasoning_apart and outputs is not None:
        outputs += reasoning or 0
    own = {INPUT: inputs, OUTPUT: outputs, CACHE_READ: read, CACHE_WRITE: write}
    own[REASONING] = reasoning
    return {key: number for key, number in own.items() if number is not None}


def _at(value: object, path: str) -> object:
    for name in path.split(".") if path else ():
        if value is None:
            return None
        try:
            value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        except Exception:
            return None
    return value


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _reason(value: object) -> str:
    name = getattr(value, "name", value)
    return name if type(name) is str else ""
