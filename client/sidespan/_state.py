"""A part of a program's state as bounded JSON, whatever it does while it is looked at."""

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from sidespan._limits import STATE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX
from sidespan._values import safe_text

# Beyond this JSON readers disagree about a number.
_EXACT_INT_MAX = 2**63 - 1


def to_json(value: object) -> str:
    """Return ``value`` as valid JSON of about STATE_BYTES_MAX at most; raises no Exception.

    Text, numbers, mappings, sequences and sets keep their shape; anything else is its ``repr``.
    What is too large or too deep becomes a text in angle brackets.
    """
    return json.dumps(_Budget().bounded(value, VALUE_DEPTH_MAX), ensure_ascii=False)


class _Budget:
    """How much may still be written, all nesting together."""

    def __init__(self) -> None:
        self._characters_left = STATE_BYTES_MAX
        self._items_left = VALUE_ITEMS_MAX

    def bounded(self, value: object, depth: int) -> object:
        """Return what JSON can hold of ``value``."""
        try:
            if _is_plain(value):
                return value
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            if isinstance(value, Sequence | AbstractSet) and not isinstance(
                value, str | bytes | bytearray | memoryview
            ):
                return self._sequence(value, depth)
            return self._text(safe_text(value))
        except Exception as error:
            return self._text(f"<{type(value).__name__}: {type(error).__name__}>")

    def _text(self, text: str) -> str:
        kept = text[: max(0, self._characters_left)]
        self._characters_left -= len(kept)
        if len(kept) < len(text):
            kept += f"…<cut: {len(text)} characters>"
        # A lone surrogate cannot be written in UTF-8.
        return kept.encode("utf-8", "replace").decode()

    def _mapping(self, value: Mapping[object, object], depth: int) -> object:
        if depth == 0:
            return f"<{type(value).__name__} of {len(value)}>"
        out: dict[str, object] = {}
        for key, member in value.items():
            if not self._affordable():
                out["…"] = f"<{len(value) - len(out)} more>"
                break
            out[self._text(safe_text(key))] = self.bounded(member, depth - 1)
        return out

    def _sequence(self, value: Sequence[object] | AbstractSet[object], depth: int) -> object:
        if depth == 0:
            return f"<{type(value).__name__} of {len(value)}>"
        out: list[object] = []
        for member in islice(value, VALUE_ITEMS_MAX):
            if not self._affordable():
                break
            out.append(self.bounded(member, depth - 1))
        if len(out) < len(value):
            out.append(f"<{len(value) - len(out)} more>")
        return out

    def _affordable(self) -> bool:
        self._items_left -= 1
        self._characters_left -= 8
        return self._items_left >= 0 and self._characters_left > 0


def _is_plain(value: object) -> bool:
    """Tell whether JSON has the value as it is."""
    if type(value) is int:
        return -_EXACT_INT_MAX <= value <= _EXACT_INT_MAX
    if type(value) is float:
        return math.isfinite(value)
    return value is None or value is True or value is False
