"""What a convention of attributes is: which keys say what, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Keys = tuple[str, ...]
Attributes = Mapping[str, Any]

# What every convention fills, by the names of ``Ai`` and ``Tokens``. A field takes the first key
# that has a usable value.
TEXTS: Final = (
    "provider", "model_requested", "model", "agent", "agent_id", "workflow", "tool",
    "tool_call_id", "conversation_id", "user_id", "prompt_name", "prompt_version",
    "correlation_id", "request_id", "error_type",
)  # fmt: skip
COUNTS: Final = ("input", "output", "cached", "cache_write", "reasoning")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One convention.

    Args:
        name: As ``Ai.dialect`` has it.
        marks: A span with one of these keys speaks it.
        kind: Keys whose value, in lower case, names what a step is.
        kinds: From these values to kinds; another value is a ``step``.
        kind_of_model: What a span without such a key is that names a model; empty for nothing.
        texts: From fields of TEXTS to keys.
        counts: From fields of COUNTS to keys.
        cost: Keys of US dollars.
        finish_reasons: Keys of a text, or a list of them.
        ttft_s: Keys of seconds to the first token.
        ttft_ms: The same in milliseconds.
        stream: Keys of a boolean.
    """

    name: str
    marks: frozenset[str]
    kind: Keys
    kinds: Mapping[str, str]
    kind_of_model: str = "llm"
    texts: Mapping[str, Keys] = field(default_factory=dict)
    counts: Mapping[str, Keys] = field(default_factory=dict)
    cost: Keys = ()
    finish_reasons: Keys = ()
    ttft_s: Keys = ()
    ttft_ms: Keys = ()
    stream: Keys = ()
