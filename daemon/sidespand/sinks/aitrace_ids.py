"""AITrace ids as OTLP has room for them, and back. Pure.

AITrace's own ids are 128 bits for traces and for spans alike, and a caller may bring any alias of
1 to 128 bytes; OTLP has 16 bytes for a trace and 8 for a span.

    trace, 32 lower hex    the same 16 bytes
    trace, an alias        the first 16 bytes of SHA-256("sidespan:aitrace:trace:" + alias)
    span, 32 lower hex     the first 8 bytes of SHA-256("sidespan:aitrace:span:" + id)
    span, 16 lower hex     the same 8 bytes
    span, another alias    as 32 lower hex

What was shortened cannot be read back from its OTLP id. So a sender puts the original in the
attributes of TRACE_KEY, SPAN_KEY and PARENT_KEY; it counts only if it maps to the id that it stands
for.
"""

import hashlib
import re
from typing import Any, Final

from sidespand.limits import SPAN_ID_BYTES, TRACE_ID_BYTES

TRACE_KEY: Final = "aitrace.trace_id"
SPAN_KEY: Final = "aitrace.span_id"
PARENT_KEY: Final = "aitrace.parent_span_id"

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_GENERATED = re.compile(r"[0-9a-f]{32}")
_OTLP_SPAN = re.compile(r"[0-9a-f]{16}")
_SOURCE_GENERATED: Final = {
    "kind": "aitrace_generated",
    "policy": "aitrace-id-v1",
    "algorithm": "crypto.strong_rand_bytes",
    "entropy_bytes": 16,
    "encoding": "base16_lower",
    "prefix": None,
    "prefix_policy": "none_backcompat_32_hex",
}
_SOURCE_ALIAS: Final = {
    "kind": "external_alias",
    "policy": "aitrace-external-alias-v1",
    "validation": "bounded_external_alias",
    "max_bytes": 128,
}


def otlp_trace_id(text: str) -> bytes:
    """Return the 16 bytes that stand for an AITrace trace id.

    Raises:
        ValueError: It is neither a generated id nor an alias.
    """
    _check(text)
    if _GENERATED.fullmatch(text) and any(bytes.fromhex(text)):
        return bytes.fromhex(text)
    return _short("trace", text, TRACE_ID_BYTES)


def otlp_span_id(text: str) -> bytes:
    """Return the 8 bytes that stand for an AITrace span id.

    Raises:
        ValueError: It is neither a generated id nor an alias.
    """
    _check(text)
    if _OTLP_SPAN.fullmatch(text) and any(bytes.fromhex(text)):
        return bytes.fromhex(text)
    return _short("span", text, SPAN_ID_BYTES)


def trace_id(given: bytes, claimed: Any) -> tuple[str, dict[str, Any]]:
    """Return the AITrace id of a trace, and its source map.

    Args:
        given: Its OTLP id, 16 bytes.
        claimed: The value of TRACE_KEY; anything.
    """
    original = _original(claimed, given, otlp_trace_id)
    return original or given.hex(), _source("trace_id", original)


def span_id(given: bytes, claimed: Any) -> tuple[str, dict[str, Any]]:
    """Return the AITrace id of a span, and its source map.

    Args:
        given: Its OTLP id, 8 bytes.
        claimed: The value of SPAN_KEY, or PARENT_KEY; anything.
    """
    original = _original(claimed, given, otlp_span_id)
    return original or given.hex(), _source("span_id", original)


def _original(claimed: Any, given: bytes, mapping: Any) -> str:
    try:
        return claimed if mapping(claimed) == given else ""
    except (ValueError, TypeError):
        return ""


def _source(id_type: str, original: str) -> dict[str, Any]:
    # An OTLP id that nobody vouched for is the caller's: AITrace did not draw it.
    generated = _GENERATED.fullmatch(original) is not None
    return {"id_type": id_type, **(_SOURCE_GENERATED if generated else _SOURCE_ALIAS)}


def _check(text: str) -> None:
    if not _ALIAS.fullmatch(text):
        raise ValueError("expected 1 to 128 of A-Z a-z 0-9 . _ : -, a letter or digit first")


def _short(what: str, text: str, count: int) -> bytes:
    return hashlib.sha256(f"sidespan:aitrace:{what}:{text}".encode()).digest()[:count]
