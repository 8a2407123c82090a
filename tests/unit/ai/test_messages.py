from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.ai import messages
from sidespand.ai.messages import Messages
from sidespand.index.values import attributes
from tests import emitted

WEATHER = "What is the weather in Lisbon?"
# Each of them had the same turn with a tool.
CAPTURES = [one for one in emitted.CAPTURES if one not in ("otel_grpc_server", "pydantic_ai")]


def _read(capture: str) -> list[tuple[str, Messages]]:
    logged: dict[bytes, list[Any]] = {}
    for log in emitted.logs(capture):
        body: Any = log.body.string_value or None
        if log.body.WhichOneof("value") == "kvlist_value":
            body = attributes(log.body.kvlist_value.values)
        logged.setdefault(log.span_id, []).append(
            SimpleNamespace(
                event_name=log.event_name, body=body, attributes=attributes(log.attributes)
            )
        )
    return [
        (
            span.name,
            messages.read(
                attributes(span.attributes),
                [
                    SimpleNamespace(name=event.name, attributes=attributes(event.attributes))
                    for event in span.events
                ],
                logged.get(span.span_id, []),
            ),
        )
        for span in emitted.spans(capture)
    ]


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_turn_with_a_tool_reads_the_same_from_every_emitter(capture: str) -> None:
    """Question, call, result and answer come out as parts with the call's id, whoever sent them."""
    turns = [said for _, said in _read(capture) if _has_text(said, WEATHER)]
    asked, answered = turns[0], turns[-1]
    (call,) = [part for one in asked.output for part in one["parts"]]
    assert (call["type"], call["name"], call["arguments"]) == (
        "tool_call", "get_weather", {"city": "Lisbon"},
    )  # fmt: skip
    responses = [
        part for one in answered.input for part in one["parts"]
        if part["type"] == "tool_call_response"
    ]  # fmt: skip
    assert [one["id"] for one in responses] == [call["id"]]
    assert "clear" in str(responses[0]["response"])
    last = answered.output[-1]["parts"][-1]
    assert last == {"type": "text", "content": "Clear, 21 degrees."}


def test_reasoning_and_instructions_are_told_apart() -> None:
    """System instructions are messages of their own, thoughts are parts of their own."""
    planner = next(said for name, said in _read("pydantic_ai") if name == "chat planner-model")
    assert [part["content"] for one in planner.system for part in one["parts"]] == [
        "Ask the forecaster."
    ]
    assert [part["type"] for one in planner.output for part in one["parts"]] == [
        "reasoning",
        "tool_call",
    ]


def test_messages_in_the_shapes_of_providers_are_read() -> None:
    """Content as text or as a list, tool uses and tool calls, images by reference."""
    said = messages.read(
        {
            "gen_ai.input.messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
                {"role": "tool", "tool_call_id": "t2", "content": "fine"},
            ],
            "gen_ai.output.messages": '[{"role":"assistant","content":"done","tool_calls":'
            '[{"id":"t3","type":"function","function":{"name":"g","arguments":"{}"}}]}]',
        },
        (),
        (),
    )  # fmt: skip
    parts = [[part["type"] for part in one["parts"]] for one in said.input]
    assert parts == [["text", "uri"], ["tool_call"], ["tool_call_response"],
                     ["tool_call_response"]]  # fmt: skip
    assert said.input[3]["parts"][0] == {
        "type": "tool_call_response", "id": "t2", "response": "fine",
    }  # fmt: skip
    assert said.output[0]["parts"][1] == {
        "type": "tool_call", "id": "t3", "name": "g", "arguments": {},
    }  # fmt: skip


def test_a_tool_s_run_has_its_arguments_and_its_result() -> None:
    """They are as they were sent; a span of another kind has none."""
    assert messages.tool(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f",
         "gen_ai.tool.call.id": "c", "gen_ai.tool.call.arguments": '{"a":1}',
         "gen_ai.tool.call.result": [1]}
    ) == {"name": "f", "call_id": "c", "arguments": '{"a":1}', "result": [1]}  # fmt: skip
    assert messages.tool({"gen_ai.operation.name": "chat"}) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "parts", "type", "text", "id", "tool_calls",
                         "function", "name", "message", "tool_call_id"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(
            ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
             "gen_ai.prompt.0.content", "gen_ai.completion.1.tool_calls.0.arguments",
             "llm.input_messages.0.message.contents.0.message_content.text", "input.value"]
        ),
        _json,
    ),
    st.lists(st.tuples(st.sampled_from(["gen_ai.choice", "gen_ai.tool.message"]), _json)),
)  # fmt: skip
def test_nothing_that_is_sent_as_messages_raises(
    sent: dict[str, Any], logged: list[tuple[str, Any]]
) -> None:
    """Every message that comes out has a role and a list of parts with a type."""
    logs = [SimpleNamespace(event_name=name, body=body, attributes={}) for name, body in logged]
    said = messages.read(sent, (), logs)
    for one in (*said.system, *said.input, *said.output):
        assert isinstance(one["role"], str)
        assert all("type" in part for part in one["parts"])


def _has_text(said: Messages, text: str) -> bool:
    return any(part.get("content") == text for one in said.input for part in one["parts"])
