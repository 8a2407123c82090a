"""The shape of JSON documents: which fields there are, of what types, and whether always."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# What programs sent, and names that an operator chose: any key, any type.
SENT = frozenset(
    {"attributes", "resource", "arguments", "result", "response", "value", "before", "after",
     "body", "content"}
)  # fmt: skip
NAMED = frozenset({"sinks", "variables", "paths", "node_order_evidence"})
_OPTIONAL = "?"
_NULL = "null"
_TYPES = {bool: "boolean", str: "string", int: "number", float: "number", type(None): "null"}

Shape = dict[str, str]


def of(documents: Iterable[Any]) -> Shape:
    """Return the shape of documents of one kind: types by path.

    A path is such as ``traces[].name``. Types are joined with ``|``; a ``?`` behind them says that
    an object was seen without the field.
    """
    types: dict[str, set[str]] = {}
    holders: dict[str, int] = {}
    counts: dict[str, int] = {}
    for document in documents:
        for path, kind, within in _walk("", document, document):
            types.setdefault(path, set()).add(kind)
            counts[path] = counts.get(path, 0) + within
            if kind == "object":
                holders[path] = holders.get(path, 0) + 1
    return {
        path: "|".join(sorted(kinds)) + ("" if _always(path, counts, holders) else _OPTIONAL)
        for path, kinds in sorted(types.items())
    }


def merged(known: Mapping[str, str], now: Mapping[str, str]) -> Shape:
    """Return what was promised, and what documents of today have beyond it."""
    found = {**now, **known}
    for path in known.keys() & now.keys():
        sides = (known[path], now[path])
        kinds = {kind for side in sides for kind in side.rstrip(_OPTIONAL).split("|")}
        optional = any(side.endswith(_OPTIONAL) for side in sides)
        found[path] = "|".join(sorted(kinds)) + (_OPTIONAL if optional else "")
    return dict(sorted(found.items()))


def lost(known: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield how documents of today break what was promised of them."""
    for path, kinds in known.items():
        if path not in now:
            if not kinds.endswith(_OPTIONAL) and not _may_lack(path, known):
                yield f"{path}: is gone"
            continue
        allowed = kinds.rstrip(_OPTIONAL).split("|")
        found = now[path].rstrip(_OPTIONAL).split("|")
        # Of what was always null no type is known.
        if allowed != [_NULL] and not set(found) <= set(allowed):
            yield f"{path}: was {kinds}, is {now[path]}"
        elif now[path].endswith(_OPTIONAL) and not kinds.endswith(_OPTIONAL):
            yield f"{path}: is not always there any more"


def grown(known: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield the fields that documents of today have beyond what was promised of them."""
    for path in now.keys() - known.keys():
        if not _may_lack(path, known):
            yield path


def _walk(path: str, value: Any, holder: Any) -> Iterator[tuple[str, str, bool]]:
    name = path.rpartition(".")[2].rstrip("[]")
    if name in SENT and holder is not value:
        yield path, "any", True
    elif isinstance(value, dict):
        yield path, "object", True
        if name in NAMED:
            for one in value.values():
                yield from _walk(f"{path}{{}}", one, value)
            return
        for key, one in value.items():
            # A dot would look like another level.
            name = key.replace(".", "/")
            yield from _walk(f"{path}.{name}" if path else name, one, value)
    elif isinstance(value, list):
        yield path, "array", True
        for one in value:
            yield from _walk(f"{path}[]", one, value)
    else:
        yield path, _TYPES[type(value)], True


def _always(path: str, counts: Mapping[str, int], holders: Mapping[str, int]) -> bool:
    if not path or path.endswith(("[]", "{}")):
        return True
    return counts[path] >= holders[path.rpartition(".")[0]]


def _may_lack(path: str, known: Mapping[str, str]) -> bool:
    """Tell whether what holds the field need not be there: it may be null, or left out."""
    while path:
        path = path[:-2] if path.endswith(("[]", "{}")) else path.rpartition(".")[0]
        if path and (_NULL in known.get(path, "") or known.get(path, "").endswith(_OPTIONAL)):
            return True
    return False
