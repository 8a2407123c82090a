"""What of an item is searched: its names, its attributes, and what people and models said.

A key is one word, directly before the words of its value, so that ``attr.KEY:value`` is a phrase.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sidespand.content_keys import is_content_key
from sidespand.index.schema import KEY_JOINT
from sidespand.limits import (
    INDEX_JSON_BYTES_MAX,
    INDEX_SHAPE_CHARACTERS_MAX,
    INDEX_SHAPES_CACHED_MAX,
    INDEX_TEXT_CHARACTERS_MAX,
)

_DEPTH_MAX = 32
_JSON = json.JSONDecoder()
_NOT_ALNUM = re.compile(r"[\W_]")


class Text(NamedTuple):
    """One row of a table of texts.

    Args:
        id: The item's row number.
        name: Of the span or event.
        attributes: Keys and values.
        content: What was said.
        ids: The span's id in hexadecimal, and each other one that it names as one word.
    """

    id: int
    name: str
    attributes: str
    content: str
    ids: str


def one_word(text: str) -> str:
    """Return the one word that stands for a key or an id; letters are compared in any case."""
    return KEY_JOINT + _NOT_ALNUM.sub(KEY_JOINT, text[:128])


@lru_cache(maxsize=4096)
def _known(key: str) -> tuple[str, bool]:
    return one_word(key), is_content_key(key)


class _Shape(NamedTuple):
    """What is known of items that have the same keys.

    Args:
        template: The word of each key, and a place for its value unless that is content.
        content: Places of the keys whose values are content, the last one first.
    """

    template: str
    content: list[int]


_PRINTED = frozenset((str, int, float, bool))
_SPOKEN = frozenset((str,))
_shapes: dict[tuple[str, ...], _Shape] = {}


def of_attributes(attributes: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return what is searched of attributes: keys with values, and the content apart."""
    if not attributes:
        return "", []
    # The items of one emitter have few sets of keys; each set makes its template once.
    keys = tuple(attributes)
    shape = _shapes.get(keys) or _shape(keys)
    values = list(attributes.values())
    said = [values.pop(place) for place in shape.content]
    if not (_PRINTED.issuperset(map(type, values)) and _SPOKEN.issuperset(map(type, said))):
        return _of_any(attributes)
    text = shape.template % tuple(values)
    return storable(text[:INDEX_TEXT_CHARACTERS_MAX]), [plain(one) for one in reversed(said)]


def _of_any(attributes: Mapping[str, Any]) -> tuple[str, list[str]]:
    parts: list[str] = []
    content: list[str] = []
    for key, value in attributes.items():
        word, is_content = _known(key)
        parts.append(word)
        kind = type(value)
        if kind is str:
            if is_content:
                content.append(plain(value))
            else:
                parts.append(value)
        elif kind is int or kind is float or kind is bool:
            parts.append(str(value))
        else:
            _collect(value, content if is_content else parts, _DEPTH_MAX)
    return bounded(parts), content


def _shape(keys: tuple[str, ...]) -> _Shape:
    content = [is_content_key(key) for key in keys]
    # A word has no percent sign: it would be a joint.
    words = [
        one_word(key) + ("" if hidden else " %s") for key, hidden in zip(keys, content, strict=True)
    ]
    shape = _Shape(" ".join(words), [place for place, hidden in enumerate(content) if hidden][::-1])
    if sum(map(len, keys)) <= INDEX_SHAPE_CHARACTERS_MAX:
        if len(_shapes) >= INDEX_SHAPES_CACHED_MAX:
            _shapes.clear()
        _shapes[keys] = shape
    return shape


def bounded(parts: Iterable[str]) -> str:
    """Return texts as one that the database takes, cut at INDEX_TEXT_CHARACTERS_MAX."""
    return storable(" ".join(parts)[:INDEX_TEXT_CHARACTERS_MAX])


def storable(text: str) -> str:
    """Return a text without lone surrogates, which JSON may hold and the database refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def plain(text: str) -> str:
    """Return the words of a text; of one that is JSON those of its strings, without escapes."""
    if text[:1] in ("[", "{") and len(text) <= INDEX_JSON_BYTES_MAX:
        try:
            return " ".join(of_value(_JSON.decode(text)))
        except (ValueError, RecursionError):
            return text
    return text


def of_value(value: Any) -> list[str]:
    """Return the strings and numbers in a value, however it nests."""
    found: list[str] = []
    _collect(value, found, _DEPTH_MAX)
    return found


def _collect(value: Any, found: list[str], depth: int) -> None:
    kind = type(value)
    if kind is str:
        found.append(value)
    elif kind is dict or kind is list:
        for one in (value.values() if kind is dict else value) if depth else ():
            if type(one) is str:
                found.append(one)
            else:
                _collect(one, found, depth - 1)
    elif value is not None and kind is not bytes:
        found.append(str(value))
