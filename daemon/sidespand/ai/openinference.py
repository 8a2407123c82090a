"""OpenInference, as Phoenix and its instrumentations have it.

Source: openinference-semantic-conventions 0.1.42.
"""

from typing import Final

from sidespand.ai.dialect import Dialect

OPENINFERENCE: Final = Dialect(
    "openinference",
    frozenset(("openinference.span.kind", "llm.model_name", "llm.token_count.prompt")),
    kind=("openinference.span.kind",),
    kinds={
        "llm": "llm",
        "embedding": "embedding",
        "chain": "step",
        "retriever": "retrieval",
        "reranker": "rerank",
        "tool": "tool",
        "agent": "agent",
        "guardrail": "guardrail",
        "evaluator": "eval",
        "prompt": "prompt",
        "decision": "decision",
    },
    texts={
        "provider": ("llm.provider", "llm.system"),
        "model_requested": ("llm.request.model_name", "llm.model_name", "embedding.model_name"),
        "model": (
            "llm.response.model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        "agent": ("agent.name", "graph.node.name"),
        "agent_id": ("graph.node.id",),
        "tool": ("tool.name",),
        "tool_call_id": ("tool_call.id", "tool.id"),
        "conversation_id": ("session.id",),
        "user_id": ("user.id",),
        "prompt_name": ("llm.prompt_template.name", "prompt.id"),
        "prompt_version": ("llm.prompt_template.version",),
        "correlation_id": ("correlation.id", "correlation_id"),
        "request_id": ("llm.response.id", "gen_ai.response.id"),
        "error_type": ("error.type",),
    },
    counts={
        "input": ("llm.token_count.prompt",),
        "output": ("llm.token_count.completion",),
        "cached": (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write": ("llm.token_count.prompt_details.cache_write",),
        "reasoning": ("llm.token_count.completion_details.reasoning",),
    },
    cost=("llm.cost.total",),
    finish_reasons=("llm.finish_reason",),
)
