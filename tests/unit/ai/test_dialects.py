"""Each key of each convention, by the table of the conventions, not by what captures happen to say.

Source: semantic-conventions 1.36 and 1.41, semantic-conventions-genai, OpenInference 0.1.42 and
opentelemetry-semantic-conventions-ai 0.5.1.
"""

from typing import Any

import pytest

from sidespand.ai import Ai, Tokens, normaliser

NORMALISE = normaliser()
OTEL = {"gen_ai.operation.name": "chat", "gen_ai.system": "x"}
NEWEST = {"gen_ai.operation.name": "chat", "gen_ai.usage.cache_write.input_tokens": 0}
OPENINFERENCE = {"openinference.span.kind": "LLM"}
TRACELOOP = {"traceloop.span.kind": "task"}


def read(said: dict[str, Any]) -> Ai:
    """Return the step that attributes tell of."""
    ai = NORMALISE(said)
    assert ai is not None
    return ai


@pytest.mark.parametrize(
    ("spoken", "key", "field", "value"),
    [
        (OTEL, "gen_ai.system", "provider", "openai"),
        (OTEL, "gen_ai.provider.name", "provider", "aws.bedrock"),
        (OTEL, "gen_ai.request.model", "model_requested", "gpt-4o"),
        (OTEL, "gen_ai.request.model", "model", "gpt-4o"),
        (OTEL, "gen_ai.response.model", "model", "gpt-4o-2024"),
        (OTEL, "gen_ai.agent.name", "agent", "packer"),
        (OTEL, "gen_ai.agent.id", "agent_id", "a-1"),
        (OTEL, "gen_ai.workflow.name", "workflow", "trip"),
        (OTEL, "gen_ai.tool.name", "tool", "weather"),
        (OTEL, "gen_ai.tool.call.id", "tool_call_id", "call-1"),
        (OTEL, "gen_ai.conversation.id", "conversation_id", "c-1"),
        (OTEL, "session.id", "conversation_id", "c-1"),
        (OTEL, "user.id", "user_id", "ada"),
        (OTEL, "enduser.id", "user_id", "ada"),
        (OTEL, "gen_ai.user", "user_id", "ada"),
        (OTEL, "gen_ai.prompt.name", "prompt_name", "greet"),
        (OTEL, "gen_ai.prompt.version", "prompt_version", "7"),
        (OTEL, "correlation.id", "correlation_id", "r-1"),
        (OTEL, "correlation_id", "correlation_id", "r-1"),
        (OTEL, "sidespan.correlation_id", "correlation_id", "r-1"),
        (OTEL, "gen_ai.response.id", "request_id", "chatcmpl-1"),
        (OTEL, "error.type", "error_type", "TimeoutError"),
        (OTEL, "gen_ai.usage.cost", "cost_usd", 0.25),
        (OTEL, "operation.cost", "cost_usd", 0.25),
        (OTEL, "gen_ai.request.stream", "stream", True),
        (OPENINFERENCE, "llm.provider", "provider", "openai"),
        (OPENINFERENCE, "llm.system", "provider", "openai"),
        (OPENINFERENCE, "llm.request.model_name", "model_requested", "gpt-4o"),
        (OPENINFERENCE, "llm.model_name", "model", "gpt-4o"),
        (OPENINFERENCE, "llm.response.model_name", "model", "gpt-4o-2024"),
        (OPENINFERENCE, "embedding.model_name", "model", "ada-002"),
        (OPENINFERENCE, "reranker.model_name", "model", "rerank-1"),
        (OPENINFERENCE, "agent.name", "agent", "packer"),
        (OPENINFERENCE, "graph.node.name", "agent", "packer"),
        (OPENINFERENCE, "graph.node.id", "agent_id", "n-1"),
        (OPENINFERENCE, "tool.name", "tool", "weather"),
        (OPENINFERENCE, "tool_call.id", "tool_call_id", "call-1"),
        (OPENINFERENCE, "tool.id", "tool_call_id", "call-1"),
        (OPENINFERENCE, "session.id", "conversation_id", "c-1"),
        (OPENINFERENCE, "user.id", "user_id", "ada"),
        (OPENINFERENCE, "llm.prompt_template.version", "prompt_version", "7"),
        (OPENINFERENCE, "llm.cost.total", "cost_usd", 0.25),
        (TRACELOOP, "traceloop.association.properties.session_id", "conversation_id", "c-1"),
        (TRACELOOP, "traceloop.association.properties.user_id", "user_id", "ada"),
        (TRACELOOP, "traceloop.correlation.id", "correlation_id", "r-1"),
        (TRACELOOP, "traceloop.prompt.key", "prompt_name", "greet"),
        (TRACELOOP, "traceloop.prompt.version", "prompt_version", "7"),
        (TRACELOOP, "traceloop.workflow.name", "workflow", "trip"),
        (TRACELOOP, "gen_ai.is_streaming", "stream", True),
    ],
)
def test_a_key_fills_its_field(spoken: dict[str, Any], key: str, field: str, value: Any) -> None:
    """Whichever of its names an emitter has for something, it comes out as the same thing."""
    assert getattr(read({**spoken, key: value}), field) == value


@pytest.mark.parametrize(
    ("spoken", "key", "field"),
    [
        (OTEL, "gen_ai.usage.input_tokens", "input"),
        (OTEL, "gen_ai.usage.prompt_tokens", "input"),
        (OTEL, "gen_ai.usage.output_tokens", "output"),
        (OTEL, "gen_ai.usage.completion_tokens", "output"),
        (OTEL, "gen_ai.usage.cache_read.input_tokens", "cached"),
        (OTEL, "gen_ai.usage.cache_read_input_tokens", "cached"),
        (OTEL, "gen_ai.usage.details.cache_read_tokens", "cached"),
        (NEWEST, "gen_ai.usage.cache_write.input_tokens", "cache_write"),
        (OTEL, "gen_ai.usage.cache_creation.input_tokens", "cache_write"),
        (OTEL, "gen_ai.usage.cache_creation_input_tokens", "cache_write"),
        (OTEL, "gen_ai.usage.details.cache_write_tokens", "cache_write"),
        (OTEL, "gen_ai.usage.reasoning.output_tokens", "reasoning"),
        (OTEL, "gen_ai.usage.reasoning_tokens", "reasoning"),
        (OTEL, "gen_ai.usage.details.reasoning_tokens", "reasoning"),
        (OPENINFERENCE, "llm.token_count.prompt", "input"),
        (OPENINFERENCE, "llm.token_count.completion", "output"),
        (OPENINFERENCE, "llm.token_count.prompt_details.cache_read", "cached"),
        (OPENINFERENCE, "llm.token_count.prompt_details.cache_input", "cached"),
        (OPENINFERENCE, "llm.token_count.prompt_details.cache_write", "cache_write"),
        (OPENINFERENCE, "llm.token_count.completion_details.reasoning", "reasoning"),
        (TRACELOOP, "gen_ai.usage.prompt_tokens", "input"),
        (TRACELOOP, "gen_ai.usage.completion_tokens", "output"),
    ],
)
def test_a_count_has_many_names(spoken: dict[str, Any], key: str, field: str) -> None:
    """Every name of a count that was ever on the wire is read as that count."""
    tokens = read({**spoken, key: 5}).tokens
    assert tokens is not None
    assert getattr(tokens, field) == 5


@pytest.mark.parametrize(
    ("key", "said", "kind"),
    [
        *(("gen_ai.operation.name", one, "llm") for one in
          ("chat", "generate_content", "text_completion", "fetch_response")),
        ("gen_ai.operation.name", "embeddings", "embedding"),
        ("gen_ai.operation.name", "retrieval", "retrieval"),
        ("gen_ai.operation.name", "execute_tool", "tool"),
        ("gen_ai.operation.name", "create_agent", "agent"),
        ("gen_ai.operation.name", "invoke_agent", "agent"),
        ("gen_ai.operation.name", "invoke_workflow", "workflow"),
        ("gen_ai.operation.name", "plan", "plan"),
        *(("gen_ai.operation.name", one, "memory") for one in
          ("create_memory", "update_memory", "upsert_memory", "delete_memory", "search_memory",
           "create_memory_store", "delete_memory_store")),
        ("gen_ai.operation.name", "something new", "step"),
        ("openinference.span.kind", "LLM", "llm"),
        ("openinference.span.kind", "EMBEDDING", "embedding"),
        ("openinference.span.kind", "CHAIN", "step"),
        ("openinference.span.kind", "RETRIEVER", "retrieval"),
        ("openinference.span.kind", "RERANKER", "rerank"),
        ("openinference.span.kind", "TOOL", "tool"),
        ("openinference.span.kind", "AGENT", "agent"),
        ("openinference.span.kind", "GUARDRAIL", "guardrail"),
        ("openinference.span.kind", "EVALUATOR", "eval"),
        ("openinference.span.kind", "PROMPT", "prompt"),
        ("openinference.span.kind", "DECISION", "decision"),
        ("openinference.span.kind", "UNKNOWN", "step"),
        ("traceloop.span.kind", "workflow", "workflow"),
        ("traceloop.span.kind", "task", "step"),
        ("traceloop.span.kind", "agent", "agent"),
        ("traceloop.span.kind", "tool", "tool"),
        ("llm.request.type", "chat", "llm"),
        ("llm.request.type", "completion", "llm"),
        ("llm.request.type", "embedding", "embedding"),
        ("llm.request.type", "rerank", "rerank"),
    ],
)  # fmt: skip
def test_a_step_has_one_kind_whatever_it_is_called(key: str, said: str, kind: str) -> None:
    """The word of a convention becomes the one that the query grammar has."""
    assert read({key: said}).kind == kind


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.25),
        ("gen_ai.server.time_to_first_token", 0.25),
    ],
)
def test_the_time_to_the_first_token_is_in_milliseconds(key: str, value: float) -> None:
    """Conventions have seconds."""
    assert read({**OTEL, key: value}).ttft_ms == 250.0


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        # All of a prompt may have come from the cache: that is no more than the whole.
        ({"input": 1024, "cached": 1024}, Tokens(1024, None, 1024)),
        ({"input": 1024, "cached": 1000, "write": 24}, Tokens(1024, None, 1000, 24)),
        ({"input": 1024, "cached": 1000, "write": 25},
         Tokens(2049, None, 1000, 25, inferred=True)),
        ({"cached": 7}, Tokens(7, None, 7, inferred=True)),
        ({"output": 9, "reasoning": 9}, Tokens(None, 9, None, None, 9)),
        ({"output": 9, "reasoning": 10}, Tokens(None, 19, None, None, 10, inferred=True)),
    ],
)  # fmt: skip
def test_a_total_has_its_parts_inside(given: dict[str, int], tokens: Tokens) -> None:
    """Where the parts are more than the whole they were counted beside it, and are added once."""
    keys = {
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
        "cached": "gen_ai.usage.cache_read.input_tokens",
        "write": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning": "gen_ai.usage.reasoning.output_tokens",
    }
    assert read({**OTEL, **{keys[name]: count for name, count in given.items()}}).tokens == tokens


@pytest.mark.parametrize(("sent", "count"), [("12", 12), (12.0, 12), ("١٢", None), ("12x", None)])
def test_a_whole_number_may_come_as_text_or_as_a_float(sent: Any, count: int | None) -> None:
    """JSON bridges send both; what only looks like a number is none."""
    tokens = read({**OTEL, "gen_ai.usage.input_tokens": sent}).tokens
    assert (tokens.input if tokens else None) == count


@pytest.mark.parametrize("sent", ["0.5", None, -0.5, float("nan"), float("inf"), True, 2.0**70])
def test_a_cost_that_is_none_is_passed_over(sent: Any) -> None:
    """No sum of dollars becomes negative, infinite or no number at all."""
    assert read({**OTEL, "gen_ai.usage.cost": sent}).cost_usd is None


@pytest.mark.parametrize(
    ("kind", "aggregate"),
    [("chat", False), ("embeddings", False), ("rerank", False), ("invoke_agent", True),
     ("execute_tool", True), ("invoke_workflow", True)],
)  # fmt: skip
@pytest.mark.parametrize("used", ["gen_ai.usage.cost", "gen_ai.usage.input_tokens"])
def test_usage_counts_on_calls_of_models_alone(kind: str, used: str, *, aggregate: bool) -> None:
    """Tokens, and a cost alone, on any other step repeat those of the calls below it."""
    assert read({"gen_ai.operation.name": kind, used: 1}).aggregate is aggregate
    assert read({"gen_ai.operation.name": kind}).aggregate is False


def test_the_answering_model_stands_before_the_one_that_was_asked() -> None:
    """In whichever order the attributes lie."""
    both = {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024"}
    for said in (both, dict(reversed(both.items()))):
        found = read({**OTEL, **said})
        assert (found.model_requested, found.model) == ("gpt-4o", "gpt-4o-2024")
