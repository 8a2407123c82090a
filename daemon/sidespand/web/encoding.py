"""JSON in pieces: the encoder of CPython lets no other thread run before a value is written."""

import json
from collections.abc import Iterator
from typing import Any

from sidespand.scrubbing import Secrets

_ELEMENTS_AT_ONCE = 2000
_DEPTH_IN_PIECES = 2


def encoded(document: Any) -> bytes:
    """Return a document as JSON in UTF-8."""
    return "".join(_pieces(document, _DEPTH_IN_PIECES)).encode("utf-8", "replace")


def encoded_without(document: Any, secrets: Secrets) -> bytes:
    """Return a document as JSON in UTF-8, each secret in a text or key replaced."""
    body = encoded(document)
    return encoded(_scrubbed(document, secrets)) if secrets.are_in(body) else body


def _scrubbed(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, str):
        return secrets.scrub(value)
    if isinstance(value, dict):
        return {secrets.scrub(key): _scrubbed(one, secrets) for key, one in value.items()}
    return [_scrubbed(one, secrets) for one in value] if isinstance(value, list | tuple) else value


def _pieces(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and depth:
        for number, (key, member) in enumerate(value.items()):
            yield f"{',' if number else '{'}{json.dumps(key, ensure_ascii=False)}:"
            yield from _pieces(member, depth - 1)
        yield "}" if value else "{}"
    elif isinstance(value, list) and len(value) > _ELEMENTS_AT_ONCE:
        yield "["
        for start in range(0, len(value), _ELEMENTS_AT_ONCE):
            inner = _dumped(value[start : start + _ELEMENTS_AT_ONCE])[1:-1]
            yield f"{',' if start else ''}{inner}"
        yield "]"
    else:
        yield _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
