"""OpenLLMetry, as Traceloop's instrumentations have it, before and after they took OTel's names.

Source: opentelemetry-semantic-conventions-ai 0.5.1.
"""

from typing import Final

from sidespand.ai.dialect import Dialect
from sidespand.ai.otel import UPTO_36

TRACELOOP: Final = Dialect(
    "traceloop",
    frozenset(
        (
            "traceloop.span.kind",
            "llm.request.type",
            "gen_ai.usage.total_tokens",
            "llm.usage.total_tokens",
            "gen_ai.is_streaming",
            "llm.is_streaming",
        )
    ),
    kind=("traceloop.span.kind", "gen_ai.operation.name", "llm.request.type"),
    kinds={
        **UPTO_36.kinds,
        "workflow": "workflow",
        "task": "step",
        "agent": "agent",
        "tool": "tool",
        "rerank": "rerank",
    },
    texts={
        **UPTO_36.texts,
        "agent": ("gen_ai.agent.name", "traceloop.agent.name"),
        "workflow": ("gen_ai.workflow.name", "traceloop.workflow.name"),
        "tool": ("gen_ai.tool.name", "traceloop.tool.name"),
        "conversation_id": (
            "gen_ai.conversation.id",
            "traceloop.association.properties.session_id",
            "session.id",
        ),
        "user_id": ("user.id", "traceloop.association.properties.user_id", "gen_ai.user"),
        "correlation_id": ("traceloop.correlation.id", "correlation.id", "correlation_id"),
        "prompt_name": ("traceloop.prompt.key", "gen_ai.prompt.name"),
        "prompt_version": ("traceloop.prompt.version", "gen_ai.prompt.version"),
    },
    counts=UPTO_36.counts,
    cost=UPTO_36.cost,
    finish_reasons=("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason"),
    ttft_s=("llm.chat_completions.streaming_time_to_first_token", *UPTO_36.ttft_s),
    stream=("gen_ai.is_streaming", "llm.is_streaming"),
)
