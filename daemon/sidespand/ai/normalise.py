"""From a span's attributes to one model of what agents do, whatever the emitter's convention.

Values are only read, never believed: what has another type than its key promises is passed over.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sidespand.ai.dialect import COUNTS, TEXTS, Attributes, Dialect, Keys
from sidespand.ai.model import Ai, Tokens
from sidespand.ai.openinference import OPENINFERENCE
from sidespand.ai.otel import CURRENT, SINCE_37, UPTO_36
from sidespand.ai.sidespan import SIDESPAN
from sidespand.ai.traceloop import TRACELOOP
from sidespand.limits import AI_COUNT_MAX, AI_SHAPES_CACHED_MAX, AI_TEXT_CHARACTERS_MAX
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


_Read = Callable[[Any], Any]
# What is read of a span before it is made a step: the fields of ``Ai`` in their places; others.
_OTHERS: Final = ("ttft_s", *COUNTS)
_PLACES: Final = {name: place for place, name in enumerate((*Ai._fields, *_OTHERS))}
_STEP: Final = slice(0, len(Ai._fields))
_USED: Final = slice(_PLACES[COUNTS[0]], _PLACES[COUNTS[-1]] + 1)
_KIND, _COST, _TOKENS = _PLACES["kind"], _PLACES["cost_usd"], _PLACES["tokens"]
_TTFT_S, _TTFT_MS, _AGGREGATE = _PLACES["ttft_s"], _PLACES["ttft_ms"], _PLACES["aggregate"]
_NAMING: Final = (_PLACES["model"], _PLACES["tool"], _PLACES["agent"])
_NO_COUNTS: Final = [None] * len(COUNTS)


class _Reader(NamedTuple):
    """A convention with the keys of the house.

    Args:
        dialect: The convention.
        kinds: From values of its kind, and the names of kinds, to kinds.
        uses: Places, each with the keys that fill it, the first usable one first, and what makes
            a value of theirs; None when it is none.
    """

    dialect: Dialect
    kinds: Mapping[str, str]
    uses: tuple[tuple[int, Keys, _Read], ...]


class _Plan(NamedTuple):
    """How spans with the same keys are read.

    Args:
        dialect: The convention.
        kinds: As in ``_Reader``.
        blank: All places before anything is read.
        steps: As ``uses`` in ``_Reader``, of those keys alone.
    """

    dialect: Dialect
    kinds: Mapping[str, str]
    blank: list[Any]
    steps: tuple[tuple[int, Keys, _Read], ...]


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
    used = (key for reader in (*readers, bare) for _, keys, _ in reader.uses for key in keys)
    is_known = spoken.union(used).__contains__

    # Emitters say the same things of each span of a kind. Only keys of conventions are remembered,
    # so that no peer can make one entry large.
    @lru_cache(maxsize=AI_SHAPES_CACHED_MAX)
    def plan_of(keys: Keys) -> _Plan | None:
        if not spoken.isdisjoint(keys):
            for reader in readers:
                if not reader.dialect.marks.isdisjoint(keys):
                    return _plan(reader, keys)
        plan = _plan(bare, keys)
        return plan if plan.steps else None

    def normalise(attributes: Attributes) -> Ai | None:
        plan = plan_of(tuple(filter(is_known, attributes)))
        if plan is None:
            return None
        found = _read(plan, attributes)
        return found if plan.dialect is not _BARE or found != _NOTHING else None

    return normalise


_NOTHING: Final = Ai("", "")


def _reader(dialect: Dialect, house: Mapping[str, Keys]) -> _Reader:
    uses: list[tuple[int, Keys, _Read]] = []
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
        place = _COST if field == "cost" else _PLACES[field]
        uses.append((place, (*house.get(field, ()), *keys), read))
    own = {kind: dialect.kinds.get(kind, kind) for kind in AI_KINDS}
    return _Reader(dialect, {**dialect.kinds, **own}, tuple(uses))


def _plan(reader: _Reader, keys: Keys) -> _Plan:
    steps = tuple(
        (place, present, read)
        for place, wanted, read in reader.uses
        if (present := tuple(key for key in wanted if key in keys))
    )
    blank = [*Ai("", reader.dialect.name), *(None for _ in _OTHERS)]
    return _Plan(reader.dialect, reader.kinds, blank, steps)


def _read(plan: _Plan, attributes: Attributes) -> Ai:
    found = plan.blank.copy()
    for place, keys, read in plan.steps:
        for key in keys:
            value = read(attributes[key])
            if value is not None:
                found[place] = value
                break
    kind = found[_KIND] = _kind(plan, found)
    counts = found[_USED]
    if counts != _NO_COUNTS:
        found[_TOKENS] = _tokens(*counts)
        found[_AGGREGATE] = kind not in _CALLS
    elif found[_COST] is not None:
        found[_AGGREGATE] = kind not in _CALLS
    if found[_TTFT_S] is not None:
        found[_TTFT_MS] = found[_TTFT_S] * 1000
    return Ai._make(found[_STEP])


def _kind(plan: _Plan, found: Sequence[Any]) -> str:
    named = found[_KIND]
    if named:
        return plan.kinds.get(named.lower(), "step")
    model, tool, agent = _NAMING
    if found[model]:
        return plan.dialect.kind_of_model
    if found[tool]:
        return "tool"
    return "agent" if found[agent] else ""


def _tokens(
    total_in: int | None,
    total_out: int | None,
    cached: int | None,
    cache_write: int | None,
    reasoning: int | None,
) -> Tokens:
    beside = (cached or 0) + (cache_write or 0)
    inferred = beside > (total_in or 0)
    if inferred:
        # A part cannot be more than the whole: this emitter counts cached tokens beside the input.
        total_in = (total_in or 0) + beside
    if (reasoning or 0) > (total_out or 0):
        inferred = True
        total_out = (total_out or 0) + (reasoning or 0)
    return Tokens(total_in, total_out, cached, cache_write, reasoning, inferred)


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
