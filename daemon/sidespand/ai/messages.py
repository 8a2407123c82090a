"""What was said to a model and by it, in one shape, whatever convention carried it.

A message is ``{"role", "name", "finish_reason", "parts"}``; a part has a ``type`` and the fields
of that type in OpenTelemetry's schema of messages. Nothing is cut, nothing raises: what cannot be
read as messages is one text.
Source: semantic-conventions-genai, gen-ai-input-messages.json and gen-ai-output-messages.json.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from sidespand.ai import flat
from sidespand.ai.parts import parts_of

Message = dict[str, Any]
_EVENT_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_SYSTEM: Final = ("gen_ai.system_instructions",)
_INPUT: Final = ("gen_ai.input.messages",)
_OUTPUT: Final = ("gen_ai.output.messages",)
# Where nothing has messages, what went in and came out as it is.
_PLAIN_INPUT: Final = (
    "input.value", "traceloop.entity.input", "gen_ai.prompt", "sidespan.prompt.text",
)  # fmt: skip
_PLAIN_OUTPUT: Final = ("output.value", "traceloop.entity.output", "gen_ai.completion")
_ARGUMENTS: Final = (
    "gen_ai.tool.call.arguments", "tool_arguments", "input.value", "tool.parameters",
    "traceloop.entity.input",
)  # fmt: skip
_RESULT: Final = (
    "gen_ai.tool.call.result", "tool_response", "output.value", "traceloop.entity.output",
)  # fmt: skip


class Said(Protocol):
    """An event of a span."""

    @property
    def name(self) -> str:
        """Of the event."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Of the event."""
        ...


class Logged(Protocol):
    """A log record that belongs to a span."""

    @property
    def event_name(self) -> str:
        """Empty where it is no event."""
        ...

    @property
    def body(self) -> Any:
        """What it says, of any type."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Of the record."""
        ...


class Messages(NamedTuple):
    """What was said, in its order."""

    system: list[Message]
    input: list[Message]
    output: list[Message]


def read(attributes: Mapping[str, Any], events: Iterable[Said], logs: Iterable[Logged]) -> Messages:
    """Return the messages of one span.

    Args:
        attributes: Of the span.
        events: Of the span, in their order.
        logs: Log records of the span, in their order.
    """
    found = _of_attributes(attributes)
    told = [(event.name, event.attributes, event.attributes) for event in events]
    told += [(_event_name(log), log.attributes, log.body) for log in logs]
    for name, said, body in told:
        if name in _EVENT_ROLES or name == "gen_ai.choice":
            _add_event(found, name, said, body)
        elif name == "gen_ai.client.inference.operation.details":
            # The same as on the span, where it is there, too.
            other = _of_attributes(said)
            for mine, theirs in zip(found, other, strict=True):
                if not mine:
                    mine.extend(theirs)
    _add_plain(found, attributes)
    return found


def tool(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return ``name``, ``call_id``, ``arguments`` and ``result`` of a tool's run; None of another.

    Arguments and result are as they were sent: text, which is JSON more often than not, or a value.
    """
    name = _first(attributes, ("gen_ai.tool.name", "tool.name", "traceloop.tool.name"))
    kind = str(attributes.get("openinference.span.kind", "")).lower()
    kind = kind or str(attributes.get("traceloop.span.kind", "")).lower()
    is_tool = name is not None or kind == "tool"
    if not is_tool and attributes.get("gen_ai.operation.name") != "execute_tool":
        return None
    return {
        "name": str(name if name is not None else attributes.get("traceloop.entity.name", "")),
        "call_id": _first(attributes, ("gen_ai.tool.call.id", "tool_call.id", "tool.id")),
        "arguments": _first(attributes, _ARGUMENTS),
        "result": _first(attributes, _RESULT),
    }


def _of_attributes(attributes: Mapping[str, Any]) -> Messages:
    system = [
        {"role": "system", "name": None, "finish_reason": None, "parts": parts_of(_value(value))}
        for value in (attributes[key] for key in _SYSTEM if key in attributes)
    ]
    lists = [
        [
            message
            for key in keys
            if key in attributes
            for message in _messages(_value(attributes[key]), role)
        ]
        for keys, role in ((_INPUT, "user"), (_OUTPUT, "assistant"))
    ]
    if not any(lists):
        lists = [[_message(one, role) for one in flat.messages(attributes, role)]
                 for role in ("user", "assistant")]  # fmt: skip
    return Messages(system, lists[0], lists[1])


def _messages(value: Any, role: str) -> list[Message]:
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, list):
        return [_message(one, role) for one in value]
    return [_message({"role": role, "content": value}, role)]


def _message(value: Any, role: str) -> Message:
    if not isinstance(value, Mapping):
        value = {"content": value}
    content = value.get("parts")
    parts = parts_of(value.get("content") if content is None else content)
    for call in _list(value.get("tool_calls")):
        parts.extend(parts_of([_as_call(call)]))
    call_id = value.get("tool_call_id")
    if isinstance(call_id, str) and value.get("role") == "tool":
        parts = [{"type": "tool_call_response", "id": call_id, "response": _joined(parts)}]
    return {
        "role": str(value.get("role") or role),
        "name": _text(value.get("name")),
        "finish_reason": _text(value.get("finish_reason")),
        "parts": parts,
    }


def _as_call(call: Any) -> Any:
    if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping):
        function = call["function"]
        return {"type": "tool_call", "id": call.get("id"), "name": function.get("name"),
                "arguments": _value(function.get("arguments"))}  # fmt: skip
    return {**call, "type": "tool_call"} if isinstance(call, Mapping) else call


def _add_event(found: Messages, name: str, said: Mapping[str, Any], body: Any) -> None:
    value = body if isinstance(body, Mapping) else {"content": body}
    if name == "gen_ai.choice":
        inner = _value(value.get("message"))
        if not isinstance(inner, Mapping):
            inner = {key: one for key, one in value.items() if not key.startswith("gen_ai.")}
        reason = value.get("finish_reason") or said.get("finish_reason")
        calls = _value(inner.get("tool_calls"))
        found.output.append(
            _message({**inner, "finish_reason": reason, "tool_calls": calls}, "assistant")
        )
        return
    role = _EVENT_ROLES[name]
    calls, answered = _value(value.get("tool_calls")), value.get("id") or value.get("tool_call_id")
    given = {**value, "role": value.get("role") or role, "tool_calls": calls}
    message = _message({**given, "tool_call_id": answered}, role)
    (found.system if role == "system" else found.input).append(message)


def _add_plain(found: Messages, attributes: Mapping[str, Any]) -> None:
    for listed, keys, role in (
        (found.input, _PLAIN_INPUT, "user"), (found.output, _PLAIN_OUTPUT, "assistant")
    ):  # fmt: skip
        value = None if listed else _first(attributes, keys)
        if value is not None:
            listed.append(
                {"role": role, "name": None, "finish_reason": None, "parts": parts_of(value)}
            )


def _event_name(log: Logged) -> str:
    # Emitters of before events had names of their own put it into an attribute.
    return log.event_name or str(log.attributes.get("event.name", ""))


def _joined(parts: Sequence[Mapping[str, Any]]) -> Any:
    texts = [part.get("content") for part in parts]
    return texts[0] if len(texts) == 1 else [one for one in texts if one is not None]


def _value(value: Any) -> Any:
    """Return what JSON text holds; any other value as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _first(attributes: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((attributes[key] for key in keys if attributes.get(key) is not None), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
