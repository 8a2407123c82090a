"""What changed, in lines for people: words of a text stand as ``[-dropped-]`` and ``{+added+}``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidespand.cli.text import Screen, safe

_LABEL_CHARACTERS_MAX = 200
_VALUE_CHARACTERS_MAX = 400
_TEXT_CHARACTERS_MAX = 4000
_OP_COLUMNS = 11


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one comparison.

    Args:
        document: As ``answers.differences`` makes it.
    """
    screen = Screen()
    for name, side in (("from", document["from"]), ("to", document["to"])):
        told = f"{name:<6}{side['span_id']}  {safe(side['name'])}  ({side['what']})"
        yield screen.bold(told)
    for change in document["changes"]:
        yield _line(change, screen)
    if not document["changes"]:
        yield f"{document['of']}: nothing changed"
    if document["truncated"]:
        yield screen.dim("there was more to compare than one answer holds")


def _line(change: Mapping[str, Any], screen: Screen) -> str:
    op = change["op"]
    label = safe(change["label"], _LABEL_CHARACTERS_MAX) or "the whole"
    paint = {"added": screen.green, "dropped": screen.red}.get(op, screen.cyan)
    told = f"{paint(f'{op:<{_OP_COLUMNS}}')}{label}"
    match op:
        case "moved":
            return f"{told}  from index {change['source']}"
        case "added":
            return f"{told}  {_value(change['after'])}"
        case "dropped":
            return f"{told}  {_value(change['before'])}"
    if change["hunks"]:
        return f"{told}  {_words(change['hunks'], screen)}"
    return f"{told}  {_value(change['before'])} → {_value(change['after'])}"


def _words(hunks: Sequence[Mapping[str, Any]], screen: Screen) -> str:
    told = []
    for hunk in hunks:
        text = safe(hunk["text"], _TEXT_CHARACTERS_MAX)
        match hunk["op"]:
            case "added":
                told.append(screen.green(f"{{+{text}+}}"))
            case "dropped":
                told.append(screen.red(f"[-{text}-]"))
            case "skipped":
                told.append(screen.dim(f"… {hunk['characters']} the same …"))
            case _:
                told.append(text)
    return "".join(told)


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and "$content" in value:
        return f"{safe(str(value['preview']), _VALUE_CHARACTERS_MAX)} ({value['bytes']} bytes)"
    return safe(json.dumps(value, ensure_ascii=False), _VALUE_CHARACTERS_MAX)
