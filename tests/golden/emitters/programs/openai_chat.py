"""Calls the OpenAI SDK as an application would: arguments are an instrumentation and situations."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import openai
from exchanges import (
    CHAT_MODEL,
    COUNT,
    EMBEDDED,
    EMBEDDING_MODEL,
    HANDBOOK,
    HANDBOOK_TEXT,
    LIMITED,
    PORT,
    REASONING_MODEL,
    SYSTEM,
    WEATHER,
    WEATHER_RESULT,
    WEATHER_SCHEMA,
)
from opentelemetry import trace
from telemetry import exporting

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Return the weather of a city.",
            "parameters": WEATHER_SCHEMA,
        },
    }
]


def main() -> None:
    """Act the situations out in order; each is one export."""
    import_module(sys.argv[1]).OpenAIInstrumentor().instrument()
    client = openai.OpenAI(base_url=f"{os.environ['STUB_URL']}/v1", api_key="unused", max_retries=0)
    with exporting() as flush:
        for situation in sys.argv[2:]:
            SITUATIONS[situation](client)
            flush()


def plain(client: openai.OpenAI) -> None:
    """Ask once, with the usual request parameters."""
    client.chat.completions.create(
        model=CHAT_MODEL, messages=_ask(PORT), temperature=0.2, top_p=0.9, max_tokens=64, seed=7
    )


def streaming(client: openai.OpenAI) -> None:
    """Read a stream to its end, with usage in the last chunk."""
    chunks = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=_ask(COUNT),
        stream=True,
        stream_options={"include_usage": True},
    )
    for _chunk in chunks:
        pass


def tool_call(client: openai.OpenAI) -> None:
    """Let the model ask for a tool, hand the result back; one application span is around both."""
    with trace.get_tracer("application").start_as_current_span("weather turn"):
        messages = _ask(WEATHER)
        first = client.chat.completions.create(model=CHAT_MODEL, messages=messages, tools=TOOLS)
        asked = first.choices[0].message
        assert asked.tool_calls is not None
        messages.append(asked.model_dump(exclude_none=True))
        messages.append(
            {
                "role": "tool",
                "tool_call_id": asked.tool_calls[0].id,
                "content": WEATHER_RESULT,
            }
        )
        client.chat.completions.create(model=CHAT_MODEL, messages=messages, tools=TOOLS)


def cached(client: openai.OpenAI) -> None:
    """Ask a reasoning model about a prompt that the provider has cached."""
    client.chat.completions.create(
        model=REASONING_MODEL,
        messages=_ask(HANDBOOK, system=HANDBOOK_TEXT),
        max_completion_tokens=256,
    )


def embedding(client: openai.OpenAI) -> None:
    """Embed one text."""
    client.embeddings.create(model=EMBEDDING_MODEL, input=EMBEDDED, encoding_format="float")


def limited(client: openai.OpenAI) -> None:
    """Be refused with 429; not for instrumentations that record stack traces of this machine."""
    with suppress(openai.RateLimitError):
        client.chat.completions.create(model=CHAT_MODEL, messages=_ask(LIMITED))


SITUATIONS = {
    act.__name__: act for act in (plain, streaming, tool_call, cached, embedding, limited)
}


def _ask(text: str, system: str = SYSTEM) -> list[Any]:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


main()
