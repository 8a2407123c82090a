"""The parts of a message, from the shapes in which providers and conventions write content."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Part = dict[str, Any]


def parts_of(content: Any) -> list[Part]:
    """Return content as parts: a text, a list of parts in any shape, or a value of any type."""
    if content is None:
        return []
    if isinstance(content, list):
        return [_part(one) for one in content]
    return [_part(content)]


def _part(value: Any) -> Part:
    if isinstance(value, str):
        return {"type": "text", "content": value}
    if not isinstance(value, Mapping):
        return {"type": "other", "content": value}
    kind = value.get("type", "text" if "text" in value else None)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    return read(value) if read is not None else {"type": "other", "content": dict(value)}


def _text(value: Mapping[Any, Any]) -> Part:
    return {"type": "text", "content": value.get("content", value.get("text"))}


def _reasoning(value: Mapping[Any, Any]) -> Part:
    said = value.get("content", value.get("thinking", value.get("text")))
    return {"type": "reasoning", "content": said}


def _call(value: Mapping[Any, Any]) -> Part:
    return {
        "type": "tool_call",
        "id": value.get("id", value.get("call_id")),
        "name": value.get("name"),
        "arguments": value.get("arguments", value.get("input")),
    }


def _answer(value: Mapping[Any, Any]) -> Part:
    return {
        "type": "tool_call_response",
        "id": value.get("id", value.get("tool_use_id", value.get("call_id"))),
        "response": value.get("response", value.get("result", value.get("content"))),
    }


def _image(value: Mapping[Any, Any]) -> Part:
    image = value.get("image_url")
    uri = image.get("url") if isinstance(image, Mapping) else image
    return {"type": "uri", "modality": "image", "uri": uri}


def _as_it_is(value: Mapping[Any, Any]) -> Part:
    return {str(key): one for key, one in value.items()}


_READERS: Final[Mapping[str, Callable[[Mapping[Any, Any]], Part]]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _text),
    **dict.fromkeys(("thinking", "reasoning"), _reasoning),
    **dict.fromkeys(("tool_call", "tool_use", "function_call", "server_tool_call"), _call),
    **dict.fromkeys(
        ("tool_call_response", "tool_result", "function_call_output", "server_tool_call_response"),
        _answer,
    ),
    **dict.fromkeys(("image_url", "input_image"), _image),
    **dict.fromkeys(("blob", "uri", "file"), _as_it_is),
}
