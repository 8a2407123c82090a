"""Large values: what stands for one in an answer, and the whole of it by its path.

A path is a JSON pointer into the answer as it would be uncut.
Source: RFC 6901.
"""

import json
import re
from typing import Any

from sidespand.errors import InvalidRequest, NotFound
from sidespand.limits import ANSWER_BYTES_MAX, CONTENT_PREVIEW_CHARACTERS, INLINE_BYTES_MAX

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
# When an answer is full, only what is shorter than what would stand for it stays.
_FULL_BYTES_MAX = 64


class Cutter:
    """Cuts values over INLINE_BYTES_MAX; all of them once the answer is full.

    Args:
        wanted: False leaves everything whole.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._left = ANSWER_BYTES_MAX
        self._wanted = wanted

    def value(self, path: str, value: Any) -> Any:
        """Return a value, or what stands for it.

        Args:
            path: Of the value.
            value: What JSON holds.
        """
        if not self._wanted or value is None or isinstance(value, bool | int | float):
            return value
        text = content_text(value)
        # In UTF-8 a character takes four bytes at most.
        size = len(text) if len(text) * 4 <= INLINE_BYTES_MAX else len(encoded(text))
        if size <= INLINE_BYTES_MAX and (self._left > 0 or size <= _FULL_BYTES_MAX):
            self._left -= size
            return value
        preview = text[:CONTENT_PREVIEW_CHARACTERS] if self._left > 0 else ""
        self._left -= len(preview)
        return {"$content": path, "bytes": len(encoded(text)), "preview": preview}

    def members(self, path: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return a mapping whose members are cut each by itself."""
        return {key: self.value(join(path, key), value) for key, value in values.items()}


def join(path: str, key: str | int) -> str:
    """Return the path of a member or element."""
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def resolve(document: Any, path: str) -> Any:
    """Return what a path names in an uncut answer.

    Raises:
        InvalidRequest: It is no path. Not retryable.
        NotFound: Nothing is there. Not retryable.
    """
    if not path.startswith("/"):
        raise InvalidRequest("field: expected a path such as /span/attributes/input.value")
    for part in path[1:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and _INDEX.fullmatch(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            raise NotFound(f"the span has nothing at {path[:200]!r}")
    return document


def content_text(value: Any) -> str:
    """Return a value as content: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def encoded(text: str) -> bytes:
    """Return content as bytes."""
    # JSON can spell half of a pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")
