"""Messages that lie flat among attributes: ``gen_ai.prompt.0.role`` and OpenInference's likes."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sidespand.limits import FLAT_MESSAGES_MAX

_KEY: Final = re.compile(
    r"(?:gen_ai\.(prompt|completion)|llm\.(input|output)_messages)\.(\d{1,6})\.(?:message\.)?(.+)",
    re.DOTALL,
)
_CALL: Final = re.compile(r"tool_calls\.(\d{1,6})\.(?:tool_call\.)?(.+)", re.DOTALL)
_CONTENT: Final = re.compile(
    r"contents\.(\d{1,6})\.message_content\.(type|text|image\.image\.url)", re.DOTALL
)
_PREFIXES: Final = ("gen_ai.prompt.", "gen_ai.completion.", "llm.input_messages.",
                    "llm.output_messages.")  # fmt: skip


def messages(attributes: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Return the messages that were put to a model (role ``user``) or that it gave, in order.

    Each has ``role``, ``content``, ``tool_calls``, ``tool_call_id`` and ``finish_reason``, as far
    as they are there. At most FLAT_MESSAGES_MAX.
    """
    wanted = ("prompt", "input") if role == "user" else ("completion", "output")
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        match = _KEY.fullmatch(key) if key.startswith(_PREFIXES) else None
        if match is not None and (match[1] or match[2]) in wanted:
            number = int(match[3])
            if number in found or len(found) < FLAT_MESSAGES_MAX:
                _put(found.setdefault(number, {}), match[4], value)
    return [_whole(found[number]) for number in sorted(found)]


def _put(message: dict[str, Any], field: str, value: Any) -> None:
    call = _CALL.fullmatch(field)
    if call is not None:
        calls = message.setdefault("calls", {})
        calls.setdefault(int(call[1]), {})[call[2].removeprefix("function.")] = value
        return
    content = _CONTENT.fullmatch(field)
    if content is not None:
        parts = message.setdefault("contents", {})
        parts.setdefault(int(content[1]), {})[content[2]] = value
        return
    if field in ("role", "content", "tool_call_id", "finish_reason", "name"):
        message[field] = value


def _whole(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.pop("calls", {})
    contents = message.pop("contents", {})
    if calls:
        message["tool_calls"] = [_call(calls[number]) for number in sorted(calls)]
    if contents:
        # A part may be named and lie elsewhere, as a tool's call does.
        parts = [_content(contents[number]) for number in sorted(contents)]
        message["content"] = [part for part in parts if part.get("text", "") is not None]
    return message


def _call(fields: Mapping[str, Any]) -> dict[str, Any]:
    arguments = fields.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = fields["arguments"]
    return {"id": fields.get("id"), "name": fields.get("name"), "arguments": arguments}


def _content(fields: Mapping[str, Any]) -> dict[str, Any]:
    if "image.image.url" in fields:
        return {"type": "image_url", "image_url": fields["image.image.url"]}
    return {"type": "text", "text": fields.get("text")}
