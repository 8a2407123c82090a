"""Which keys are content: what people and models said, and not the facts about it."""

import pytest

from sidespand.content_keys import is_content_event, is_content_key

CONTENT = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.2.tool_calls.0.arguments",
    "gen_ai.prompt.12.something_new",
    "gen_ai.completion.0.content",
    "gen_ai.prompt.variable.name",
    "llm.prompts",
    "llm.prompts.0.content",
    "llm.input_messages.0.message.content",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "llm.output_messages.1.message.tool_calls.0.tool_call.function.arguments",
    "input.value",
    "output.value",
    "retrieval.documents.0.document.content",
    "embedding.embeddings.0.embedding.vector",
    "llm.tools.0.tool.json_schema",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "input_data",
    "agenttrace.output_data",
    "ai.prompt.messages",
    "ai.response.text",
    "langfuse.observation.input",
    "pydantic_ai.all_messages",
    "exception.message",
    "exception.stacktrace",
    "llm.prompts.\n",
]
FACTS = [
    "gen_ai.request.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
    "gen_ai.prompt.0.role",
    "gen_ai.completion.0.finish_reason",
    "gen_ai.completion.0.tool_calls.0.name",
    "gen_ai.conversation.id",
    "gen_ai.tool.name",
    "llm.input_messages.0.message.role",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name",
    "llm.token_count.prompt",
    "input.mime_type",
    "embedding.model_name",
    "llm.request.functions.0.name",
    "ai.usage.promptTokens",
    "error.type",
    "exception.type",
    "http.route",
    "service.name",
    "my.content",
    "prompts_total",
]


@pytest.mark.parametrize("key", CONTENT)
def test_content_is_told_by_its_key(key: str) -> None:
    """In every dialect, and what a family of content keys may yet grow."""
    assert is_content_key(key)


@pytest.mark.parametrize("key", FACTS)
def test_facts_are_not_content(key: str) -> None:
    """Models, counts, roles, names and ids stay."""
    assert not is_content_key(key)


def test_a_long_key_is_judged_like_a_short_one() -> None:
    """However long a peer makes it."""
    assert is_content_key("llm.prompts." + "x" * 10_000)
    assert not is_content_key("x" * 10_000)


def test_events_that_carry_content_are_known() -> None:
    """Those of one message each; others are judged by their keys alone."""
    assert is_content_event("gen_ai.user.message")
    assert is_content_event("gen_ai.choice")
    assert is_content_event("gen_ai.content.prompt")
    assert not is_content_event("exception")
    assert not is_content_event("gen_ai.client.inference.operation.details")
