"""Governed traffic: records that say themselves which sinks they go to. Pure.

    resource attribute      value
    sidespan.governed       true, or the text "true"
    sidespan.sinks          names of sinks: a list, or one text with commas or spaces between

Configuration in the environment, defaults and new sinks never select for such a record.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from sidespand import platform
from sidespand.limits import SINK_NAME_CHARACTERS_MAX, SINKS_MAX

GOVERNED: Final = "sidespan.governed"
SINKS: Final = "sidespan.sinks"
_MARKERS: Final = (GOVERNED.encode(), SINKS.encode())
# One look is enough where neither is.
_PREFIX: Final = b"sidespan."
_BETWEEN: Final = re.compile(r"[,\s]+")
_NAMES_CHARACTERS_MAX: Final = SINKS_MAX * (SINK_NAME_CHARACTERS_MAX + 2)

Names = frozenset[str]


def may_be_governed(payload: bytes) -> bool:
    """Tell whether a look at a request's resources is worth it."""
    return platform.contains(payload, _PREFIX) and any(
        platform.contains(payload, marker) for marker in _MARKERS
    )


def sinks_of(resource: Any, known: Collection[str] | None = None) -> Names | None:
    """Return the sinks that a resource names; None when it is not governed.

    Args:
        resource: An OTLP ``Resource``.
        known: The names of the sinks that there are; None to let any pass.

    Raises:
        ValueError: It is governed but names no sink, or an unknown one, or says so unclearly.
    """
    given: dict[str, Any] = {}
    for attribute in resource.attributes:
        if attribute.key in (GOVERNED, SINKS):
            if attribute.key in given:
                raise ValueError(f"{attribute.key} is there twice")
            given[attribute.key] = attribute.value
    if not given:
        return None
    governed = _is_true(given[GOVERNED]) if GOVERNED in given else False
    if not governed:
        if SINKS in given:
            raise ValueError(f"{SINKS} needs {GOVERNED} = true")
        return None
    names = _names(given[SINKS]) if SINKS in given else ()
    if not names:
        raise ValueError(f"{GOVERNED} needs {SINKS}: name at least one sink")
    for name in names:
        if known is not None and name not in known:
            shown = name[:SINK_NAME_CHARACTERS_MAX]
            raise ValueError(f"{SINKS} names {shown!r}, and there is no such sink")
    return frozenset(names)


def declare(resource: Any, names: Names) -> None:
    """Write into a resource that it is governed and goes to ``names``."""
    resource.attributes.add(key=GOVERNED).value.bool_value = True
    listed = resource.attributes.add(key=SINKS).value.array_value.values
    for name in sorted(names):
        listed.add().string_value = name


def resources(request: Any) -> Iterator[Any]:
    """Yield the resources of an OTLP request, in document order."""
    for _, groups in request.ListFields():
        for group in groups:
            yield group.resource


def _is_true(value: Any) -> bool:
    if value.HasField("bool_value"):
        return bool(value.bool_value)
    text = value.string_value.lower()
    if text not in ("true", "false"):
        raise ValueError(f"{GOVERNED} is neither true nor false")
    return bool(text == "true")


def _names(value: Any) -> list[str]:
    if value.WhichOneof("value") is None:
        return []
    if value.HasField("array_value"):
        values = value.array_value.values
        if len(values) > SINKS_MAX or not all(one.HasField("string_value") for one in values):
            raise ValueError(f"{SINKS} is no list of at most {SINKS_MAX} texts")
        return [one.string_value for one in values]
    if not value.HasField("string_value") or len(value.string_value) > _NAMES_CHARACTERS_MAX:
        raise ValueError(f"{SINKS} is neither a list of names nor a text of limited length")
    return [name for name in _BETWEEN.split(value.string_value) if name]
