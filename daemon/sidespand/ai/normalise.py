"""From a span's attributes to one model of what agents do, whatever the emitter's convention.

Values are only read, never believed: what has another type than its key promises is passed over.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

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

Normalise = Callable[[Attributes], Ai | None]


class _Use(NamedTuple):
    """What a key is good for.

    Args:
        field: Which it fills.
        rank: The lower one stands where several keys fill a field.
        read: Makes a value of it; None when it is none.
    """

    field: str
    rank: int
    read: Callable[[Any], Any]


class _Reader(NamedTuple):
    """A convention with the keys of the house, by key: spans have fewer keys than conventions."""

    dialect: Dialect
    kinds: Mapping[str, str]
    uses: Mapping[str, tuple[_Use, ...]]


def normaliser(mapped: Mapping[str, Keys] | None = None) -> Normalise:
    """Return what reads a span's attributes; None comes out of one that says nothing of agents.

    Args:
        mapped: From names of MAPPABLE to keys of a house, which go before the conventions' own.
    """
    house = {MAPPABLE[name]: keys for name, keys in (mapped or {}).items()}
    readers = tuple(_reader(dialect, house) for dialect in DIALECTS)
    bare = _reader(_BARE, house)
    house_keys = frozenset(key for keys in house.values() for key in keys)
    spoken = _SPOKEN | house_keys
    known = spoken | _BARE_KEYS

    def normalise(attributes: Attributes) -> Ai | None:
        if known.isdisjoint(attributes):
            return None
        if not spoken.isdisjoint(attributes):
            for reader in readers:
                if not reader.dialect.marks.isdisjoint(attributes):
                    return _read(reader, attributes)
        found = _read(bare, attributes)
        return found if found != _NOTHING else None

    return normalise


_NOTHING: Final = Ai("", "")


def _reader(dialect: Dialect, house: Mapping[str, Keys]) -> _Reader:
    uses: dict[str, list[_Use]] = {}
    for field, keys, read in (
        *((field, dialect.texts.get(field, ()), _text) for field in TEXTS),
        *((field, dialect.counts.get(field, ()), _count) for field in COUNTS),
        ("kind", dialect.kind, _text),
        ("cost", dialect.cost, _amount),
        ("finish_reasons", dialect.finish_reasons, _texts),
        ("ttft_s", dialect.ttft_s, _amount),
        ("ttft_ms", dialect.ttft_ms, _amount),
        ("stream", dialect.stream, _flag),
    ):
        for rank, key in enumerate((*house.get(field, ()), *keys)):
            uses.setdefault(key, []).append(_Use(field, rank, read))
    own = {kind: dialect.kinds.get(kind, kind) for kind in AI_KINDS}
    return _Reader(
        dialect, {**dialect.kinds, **own}, {key: tuple(some) for key, some in uses.items()}
    )


def _read(reader: _Reader, attributes: Attributes) -> Ai:
    dialect, kinds, uses = reader
    found: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    for key, given in attributes.items():
        for field, rank, read in uses.get(key, ()):
            if field not in ranks or rank < ranks[field]:
                value = read(given)
                if value is not None:
                    found[field], ranks[field] = value, rank
    kind = _kind(dialect, kinds, found)
    tokens = _tokens({field: found.pop(field) for field in COUNTS if field in found})
    cost = found.pop("cost", None)
    ttft_s, ttft_ms = found.pop("ttft_s", None), found.pop("ttft_ms", None)
    return Ai(
        kind=kind,
        dialect=dialect.name,
        tokens=tokens,
        cost_usd=cost,
        ttft_ms=ttft_ms if ttft_s is None else ttft_s * 1000,
        aggregate=(tokens is not None or cost is not None) and kind not in _CALLS,
        **found,
    )


def _kind(dialect: Dialect, kinds: Mapping[str, str], found: dict[str, Any]) -> str:
    named = found.pop("kind", None)
    if named is not None:
        return kinds.get(named.lower(), "step")
    if "model" in found:
        return dialect.kind_of_model
    if "tool" in found:
        return "tool"
    return "agent" if "agent" in found else ""


def _tokens(found: dict[str, int]) -> Tokens | None:
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


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value[:AI_TEXT_CHARACTERS_MAX] or None
    # Ids are numbers in some houses.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value[:AI_TEXT_CHARACTERS_MAX],)
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        return tuple(_text(one) or "" for one in value) or None
    return None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= AI_COUNT_MAX:
        return value
    return None


def _amount(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and 0 <= number <= AI_COUNT_MAX:
            return number
    return None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
