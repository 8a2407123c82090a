"""OpenTelemetry's GenAI conventions, in the three shapes that are on the wire at once.

A later shape reads what the earlier ones said, too: emitters mix them while they move.
Source: semantic-conventions 1.36 and 1.41, and semantic-conventions-genai since; pydantic-ai and
Logfire for ``operation.cost``.
"""

from collections.abc import Mapping
from typing import Final

from sidespand.ai.dialect import Dialect, Keys

_KINDS: Final = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "fetch_response": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "retrieval": "retrieval",
    "rerank": "rerank",
    "execute_tool": "tool",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "invoke_workflow": "workflow",
    "plan": "plan",
    "create_memory": "memory",
    "search_memory": "memory",
    "update_memory": "memory",
    "upsert_memory": "memory",
    "delete_memory": "memory",
    "create_memory_store": "memory",
    "delete_memory_store": "memory",
    "evaluate": "eval",
}
_TEXTS: Final[Mapping[str, Keys]] = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model_requested": ("gen_ai.request.model",),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "agent": ("gen_ai.agent.name",),
    "agent_id": ("gen_ai.agent.id",),
    "workflow": ("gen_ai.workflow.name",),
    "tool": ("gen_ai.tool.name",),
    "tool_call_id": ("gen_ai.tool.call.id",),
    "conversation_id": ("gen_ai.conversation.id", "session.id"),
    "user_id": ("user.id", "enduser.id", "gen_ai.user"),
    "prompt_name": ("gen_ai.prompt.name",),
    "prompt_version": ("gen_ai.prompt.version",),
    "correlation_id": ("correlation.id", "correlation_id", "sidespan.correlation_id"),
    "request_id": ("gen_ai.response.id",),
    "error_type": ("error.type",),
}
_EARLY: Final[Mapping[str, Keys]] = {
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    "cache_write": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
}


def _shape(name: str, marks: frozenset[str], kind: Keys = ("gen_ai.operation.name",)) -> Dialect:
    return Dialect(
        name,
        marks,
        kind,
        _KINDS,
        texts=_TEXTS,
        counts=_EARLY,
        cost=("gen_ai.usage.cost", "operation.cost"),
        finish_reasons=("gen_ai.response.finish_reasons",),
        ttft_s=("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"),
        stream=("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    )


# What only the newest shape says; then what 1.37 brought; then whatever else says GenAI.
CURRENT: Final = _shape(
    "otel-genai",
    frozenset(
        (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.prompt.version",
            "gen_ai.request.reasoning.level",
            "gen_ai.conversation.compacted",
            "gen_ai.request.previous_response.id",
        )
    ),
)
SINCE_37: Final = _shape(
    "otel-1.37",
    frozenset(
        (
            "gen_ai.provider.name",
            "gen_ai.input.messages",
            "gen_ai.output.messages",
            "gen_ai.system_instructions",
        )
    ),
)
UPTO_36: Final = _shape(
    "otel-1.36",
    frozenset(
        (
            "gen_ai.system",
            "gen_ai.operation.name",
            "gen_ai.request.model",
            "gen_ai.response.model",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "gen_ai.tool.name",
            "gen_ai.agent.name",
            "gen_ai.conversation.id",
        )
    ),
)
