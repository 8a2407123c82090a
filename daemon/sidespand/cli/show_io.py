"""What models and tools were given and gave back, below the line of their span."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sidespand.ai.messages import read, tool
from sidespand.cli.text import Screen, fit, safe

if TYPE_CHECKING:
    from sidespand.query.span import Span
    from sidespand.query.traces import Row, Tree

_INDENT = "      "
_INDENT_DEPTH_MAX = 12
_LINES_MAX = 24
_LINE_CHARACTERS_MAX = 400


def with_messages(document: Mapping[str, Any], tree: "Tree") -> dict[str, Any]:
    """Return a trace's document with ``messages`` and ``tool`` in each span."""
    rows = {row.span.span_id.hex(): row.span for row in tree.rows}
    spans = [{**one, **_read(rows[one["span_id"]])} for one in document["spans"]]
    return {**document, "spans": spans}


def lines(row: "Row", screen: Screen) -> Iterator[str]:
    """Yield what is said of one span; nothing for one that holds no message and no tool's call."""
    found = _read(row.span)
    indent = "   " * min(row.depth, _INDENT_DEPTH_MAX) + _INDENT
    said = found["messages"]
    for part in ("system", "input", "output"):
        for message in said[part]:
            for label, text in _parts(message):
                yield from _block(indent, label, text, screen)
    called = found["tool"]
    if called is not None:
        for label in ("arguments", "result"):
            if called.get(label) is not None:
                yield from _block(indent, label, _text(called[label]), screen)


def _read(span: "Span") -> dict[str, Any]:
    said = read(span.attributes, span.events, ())
    return {
        "messages": {"system": said.system, "input": said.input, "output": said.output},
        "tool": tool(span.attributes),
    }


def _parts(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    role = str(message.get("role") or "")
    parts: Sequence[Mapping[str, Any]] = message.get("parts") or ()
    for part in parts:
        kind = part.get("type")
        if kind in ("text", "reasoning"):
            label = role if kind == "text" else f"{role} (reasoning)"
            yield label, _text(part.get("content"))
        elif kind == "tool_call":
            yield f"{role} calls {part.get('name', '')}", _text(part.get("arguments"))
        elif kind == "tool_call_response":
            yield f"{role} answers", _text(part.get("response", part.get("result")))
        else:
            yield f"{role} ({kind})", _text({k: v for k, v in part.items() if k != "type"})


def _block(indent: str, label: str, text: str, screen: Screen) -> Iterator[str]:
    rows = text.split("\n")
    shown = [f"{safe(label)}: {safe(rows[0], _LINE_CHARACTERS_MAX)}"]
    shown += [f"  {safe(row, _LINE_CHARACTERS_MAX)}" for row in rows[1:_LINES_MAX]]
    if len(rows) > _LINES_MAX:
        shown.append(f"  … {len(rows) - _LINES_MAX} lines more; --json has them")
    for line in shown:
        whole = indent + line
        cut = whole if screen.columns is None else fit(whole, screen.columns).rstrip()
        yield screen.dim(cut)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
