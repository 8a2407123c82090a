"""``${env:NAME}`` in a configuration: the value of a variable stands where it is named. Pure.

``${env:NAME:-text}`` is ``text`` where the variable is not set or empty, and ``$${env:NAME}`` is
``${env:NAME}`` itself. Source: the configuration of the OpenTelemetry Collector.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_REFERENCE = re.compile(r"(\$?)\$\{env:([^}]*)\}")
_INNER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def expand(value: Any, environment: Mapping[str, str], faults: list[str], path: str = "") -> Any:
    """Return ``value`` with every variable in its texts put in, at any depth.

    Args:
        value: Of TOML; keys of tables are left alone.
        environment: Variables.
        faults: Every one that is not set is added here, with the key that names it.
        path: Of the value, dotted.
    """
    if isinstance(value, Mapping):
        return {
            key: expand(one, environment, faults, f"{path}.{key}" if path else key)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [
            expand(one, environment, faults, f"{path}[{index}]") for index, one in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def put_in(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        inner = _INNER.fullmatch(found[2])
        if inner is None:
            faults.append(f"{path}: {found[0]} names no variable")
            return found[0]
        name, otherwise = inner.groups()
        if otherwise is not None:
            return environment.get(name) or str(otherwise)
        if name not in environment:
            faults.append(f"{path}: the variable {name} is not set, which ${{env:{name}}} names")
            return found[0]
        return environment[name]

    return _REFERENCE.sub(put_in, value)


def references(value: Any, path: str = "") -> Iterator[tuple[str, str, bool]]:
    """Yield key and variable of each reference, and whether it must be set."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from references(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from references(one, f"{path}[{index}]")
    elif isinstance(value, str):
        for found in _REFERENCE.finditer(value):
            inner = _INNER.fullmatch(found[2])
            if not found[1] and inner is not None:
                yield path, inner[1], inner[2] is None
