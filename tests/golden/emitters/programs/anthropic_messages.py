"""Calls the Anthropic SDK as an application would; the argument is an instrumentation."""

import os
import sys
from importlib import import_module
from typing import Any

import anthropic
from exchanges import (
    CLAUDE_MODEL,
    COUNT,
    HANDBOOK,
    HANDBOOK_AGAIN,
    HANDBOOK_TEXT,
    PORT,
    SYSTEM,
    WEATHER,
    WEATHER_RESULT,
    WEATHER_SCHEMA,
)
from opentelemetry import trace
from telemetry import exporting

TOOLS: list[Any] = [
    {
        "name": "get_weather",
        "description": "Return the weather of a city.",
        "input_schema": WEATHER_SCHEMA,
    }
]


def main() -> None:
    """Make one request a situation; each situation is one export."""
    import_module(sys.argv[1]).AnthropicInstrumentor().instrument()
    client = anthropic.Anthropic(base_url=os.environ["STUB_URL"], api_key="unused", max_retries=0)
    with exporting() as flush:
        for situation in (plain, streaming, tool_use, cached):
            situation(client)
            flush()


def plain(client: anthropic.Anthropic) -> None:
    """Ask once; nothing is cached."""
    client.messages.create(
        model=CLAUDE_MODEL,
        max_tokens=64,
        system=SYSTEM,
        messages=[{"role": "user", "content": PORT}],
    )


def streaming(client: anthropic.Anthropic) -> None:
    """Read a stream to its end; a part of the prompt was read from the cache."""
    events = client.messages.create(
        model=CLAUDE_MODEL,
        max_tokens=64,
        system=SYSTEM,
        messages=[{"role": "user", "content": COUNT}],
        stream=True,
    )
    for _event in events:
        pass


def tool_use(client: anthropic.Anthropic) -> None:
    """Let the model ask for a tool, hand the result back; one application span is around both."""
    with trace.get_tracer("application").start_as_current_span("weather turn"):
        messages: list[Any] = [{"role": "user", "content": WEATHER}]
        first = client.messages.create(
            model=CLAUDE_MODEL, max_tokens=64, messages=messages, tools=TOOLS
        )
        asked = first.content[0]
        assert asked.type == "tool_use"
        messages.append({"role": "assistant", "content": [asked.model_dump(exclude_none=True)]})
        result = {"type": "tool_result", "tool_use_id": asked.id, "content": WEATHER_RESULT}
        messages.append({"role": "user", "content": [result]})
        client.messages.create(model=CLAUDE_MODEL, max_tokens=64, messages=messages, tools=TOOLS)


def cached(client: anthropic.Anthropic) -> None:
    """Write a prompt to the cache, then read it from there and write a little more."""
    handbook: list[Any] = [
        {"type": "text", "text": HANDBOOK_TEXT, "cache_control": {"type": "ephemeral"}}
    ]
    for text in (HANDBOOK, HANDBOOK_AGAIN):
        client.messages.create(
            model=CLAUDE_MODEL,
            max_tokens=64,
            system=handbook,
            messages=[{"role": "user", "content": text}],
        )


main()
