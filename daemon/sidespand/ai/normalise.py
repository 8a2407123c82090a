"""From a span's attributes to one model of what agents do, whatever the emitter's convention.

Values are only read, never believed: what has another type than its key promises is passed over.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from sidespand.ai.dialect import COUNTS, TEXTS, Attributes, Dialect, Keys
from sidespand.ai.model import Ai, Tokens
from sidespand.ai.openinference import OPENINFERENCE
from sidespand.ai.otel import CURRENT, SINCE_37, UPTO_36
from sidespand.ai.sidespan import SIDESPAN
from sidespand.ai.traceloop import TRACELOOP
from sidespand.limits import AI_COUNT_MAX, AI_TEXT_CHARACTERS_MAX
from sidespand.search_fields import AI_KINDS

# Raised whenever a span may be read otherwise than before: an index of another number is rebuilt.
NORMALISER_VERSION: Final = 1

# The first that a span speaks reads it.
DIALECTS: Final = (SIDESPAN, OPENINFERENCE, TRACELOOP, CURRENT, SINCE_37, UPTO_36)
_SPOKEN: Final = frozenset[str]().union(*(dialect.marks for dialect in DIALECTS))
# What a span of any kind may say of whom it serves.
_BARE: Final = Dialect(
    "", frozenset(), (), {}, "", {
        key: UPTO_36.texts[key]
        for key in ("conversation_id", "user_id", "correlation_id", "prompt_version")
    },
)  # fmt: skip
_BARE_KEYS: Final = frozenset(key for keys in _BARE.texts.values() for key in keys)
# Those that are calls of a model: tokens and cost of any other step sum up theirs.
_CALLS: Final = ("llm", "embedding", "rerank")
# What a configuration may map, as the query grammar names it, and the field that is meant.
MAPPABLE: Final[Mapping[str, str]] = {
    "kind": "kind",
    "provider": "provider",
    "model": "model",
    "agent": "agent",
    "tool": "tool",
    "conversation": "conversation_id",
    "user": "user_id",
    "prompt.name": "prompt_name",
    "prompt.version": "prompt_version",
    "correlation": "correlation_id",
    "request": "request_id",
    "cost": "cost",
    "tokens.in": "input",
    "tokens.out": "output",
    "tokens.cached": "cached",
    "tokens.cache_write": "cache_write",
    "tokens.reasoning": "reasoning",
}

_T = TypeVar("_T")
Normalise = Callable[[Attributes], Ai | None]


def normaliser(mapped: Mapping[str, Keys] | None = None) -> Normalise:
    """Return what reads a span's attributes; None comes out of one that says nothing of agents.

    Args:
        mapped: From names of MAPPABLE to keys of a house, which go before the conventions' own.
    """
    house = {MAPPABLE[name]: keys for name, keys in (mapped or {}).items()}
    dialects = tuple(_with_house(dialect, house) for dialect in DIALECTS)
    bare = _with_house(_BARE, house)
    house_keys = frozenset(key for keys in house.values() for key in keys)
    spoken = _SPOKEN | house_keys
    known = spoken | _BARE_KEYS

    def normalise(attributes: Attributes) -> Ai | None:
        if known.isdisjoint(attributes):
            return None
        if not spoken.isdisjoint(attributes):
            for dialect in dialects:
                if not dialect.marks.isdisjoint(attributes):
                    return _read(dialect, attributes)
        found = _read(bare, attributes)
        return found if found != _NOTHING else None

    return normalise


_NOTHING: Final = Ai("", "")


def _with_house(dialect: Dialect, house: Mapping[str, Keys]) -> Dialect:
    def first(field: str, keys: Keys) -> Keys:
        return (*house.get(field, ()), *keys)

    texts = {field: first(field, dialect.texts.get(field, ())) for field in TEXTS}
    counts = {field: first(field, dialect.counts.get(field, ())) for field in COUNTS}
    return Dialect(
        dialect.name,
        dialect.marks,
        first("kind", dialect.kind),
        {**dialect.kinds, **{kind: dialect.kinds.get(kind, kind) for kind in AI_KINDS}},
        dialect.kind_of_model,
        {field: keys for field, keys in texts.items() if keys},
        {field: keys for field, keys in counts.items() if keys},
        first("cost", dialect.cost),
        dialect.finish_reasons,
        dialect.ttft_s,
        dialect.ttft_ms,
        dialect.stream,
    )


def _read(dialect: Dialect, attributes: Attributes) -> Ai:
    texts: dict[str, str] = {}
    for field, keys in dialect.texts.items():
        for key in keys:
            if key in attributes and (value := _text(attributes[key])):
                texts[field] = value
                break
    kind = _kind(dialect, attributes, texts)
    tokens = _tokens(dialect, attributes)
    cost = _first(dialect.cost, attributes, _dollars)
    return Ai(
        kind=kind,
        dialect=dialect.name,
        tokens=tokens,
        cost_usd=cost,
        finish_reasons=_first(dialect.finish_reasons, attributes, _texts) or (),
        ttft_ms=_ttft_ms(dialect, attributes),
        stream=_first(dialect.stream, attributes, _flag),
        aggregate=(tokens is not None or cost is not None) and kind not in _CALLS,
        **texts,
    )


def _kind(dialect: Dialect, attributes: Attributes, texts: Mapping[str, str]) -> str:
    for key in dialect.kind:
        if key in attributes and (value := _text(attributes[key])):
            return dialect.kinds.get(value.lower(), "step")
    if "model" in texts:
        return dialect.kind_of_model
    if "tool" in texts:
        return "tool"
    return "agent" if "agent" in texts else ""


def _tokens(dialect: Dialect, attributes: Attributes) -> Tokens | None:
    found: dict[str, int] = {}
    for field, keys in dialect.counts.items():
        for key in keys:
            if key in attributes and (value := _count(attributes[key])) is not None:
                found[field] = value
                break
    if not found:
        return None
    beside = found.get("cached", 0) + found.get("cache_write", 0)
    inferred = beside > found.get("input", 0)
    if inferred:
        # A part cannot be more than the whole: this emitter counts cached tokens beside the input.
        found["input"] = found.get("input", 0) + beside
    if found.get("reasoning", 0) > found.get("output", 0):
        inferred = True
        found["output"] = found.get("output", 0) + found["reasoning"]
    return Tokens(inferred=inferred, **found)


def _ttft_ms(dialect: Dialect, attributes: Attributes) -> float | None:
    seconds = _first(dialect.ttft_s, attributes, _dollars)
    if seconds is not None:
        return seconds * 1000
    return _first(dialect.ttft_ms, attributes, _dollars)


def _first(keys: Keys, attributes: Attributes, read: Callable[[Any], _T | None]) -> _T | None:
    for key in keys:
        if key in attributes:
            value = read(attributes[key])
            if value is not None:
                return value
    return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:AI_TEXT_CHARACTERS_MAX]
    # Ids are numbers in some houses.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _texts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value[:AI_TEXT_CHARACTERS_MAX],)
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        return tuple(_text(one) for one in value) or None
    return None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= AI_COUNT_MAX:
        return value
    return None


def _dollars(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and 0 <= number <= AI_COUNT_MAX:
            return number
    return None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
