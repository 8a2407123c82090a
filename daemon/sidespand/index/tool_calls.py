"""Which tool calls a model asked for, and which answers it was given: what joins steps by id."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sidespand.index.texts import storable
from sidespand.limits import AI_TEXT_CHARACTERS_MAX, INDEX_JSON_BYTES_MAX, TOOL_CALLS_MAX

# Who names a call: the model that asks, the step that runs it, the model that gets its result.
ASKED, RAN, ANSWERED = range(3)
_ASKS: Final = ("tool_call", "server_tool_call", "tool_use", "function_call")
_ANSWERS: Final = ("tool_call_response", "server_tool_call_response", "tool_result")
_FLAT: Final = re.compile(
    r"(?:gen_ai\.(prompt|completion)|llm\.(input|output)_messages)\.\d+\."
    r"(?:message\.)?(?:tool_calls\.\d+\.(?:tool_call\.)?id|(tool_call_id))"
)
_FLAT_MARKS: Final = ("gen_ai.prompt.", "gen_ai.completion.", "llm.")


def named(attributes: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the ids of tool calls in the messages of a span, with ASKED or ANSWERED."""
    found: dict[tuple[str, int], None] = {}
    for key, role in (("gen_ai.output.messages", ASKED), ("gen_ai.input.messages", ANSWERED)):
        value = attributes.get(key)
        if value is not None:
            for call_id in _in_messages(value, role):
                found[call_id, role] = None
    for key, value in attributes.items():
        if key.startswith(_FLAT_MARKS) and isinstance(value, str):
            match = _FLAT.fullmatch(key)
            if match is None:
                continue
            if match[3]:
                found[value, ANSWERED] = None
            elif "completion" in key or "output" in key:
                found[value, ASKED] = None
    named_by = [(call_id, role) for call_id, role in found if call_id][:TOOL_CALLS_MAX]
    return [(storable(call_id[:AI_TEXT_CHARACTERS_MAX]), role) for call_id, role in named_by]


def _in_messages(value: Any, role: int) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > INDEX_JSON_BYTES_MAX or '"tool_' not in value:
            return
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    for message in value if isinstance(value, list) else ():
        if not isinstance(message, Mapping):
            continue
        parts = message.get("parts", message.get("content"))
        yield from _in_parts(parts, role)
        if role == ASKED:
            yield from _in_parts(message.get("tool_calls"), role, any_type=True)
        elif isinstance(message.get("tool_call_id"), str):
            yield message["tool_call_id"]


def _in_parts(parts: Any, role: int, *, any_type: bool = False) -> Iterator[str]:
    types = _ASKS if role == ASKED else _ANSWERS
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping) and (any_type or part.get("type") in types):
            call_id = part.get("id") or part.get("tool_call_id") or part.get("tool_use_id")
            if isinstance(call_id, str):
                yield call_id
