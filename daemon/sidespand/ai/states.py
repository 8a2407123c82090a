"""Snapshots of a program's state, as our clients put them into attributes.

``sidespan.state.<name>.before`` and ``….after`` hold JSON.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

PREFIX: Final = "sidespan.state."


class State(NamedTuple):
    """One snapshot.

    Args:
        name: Of the part of the program's state.
        when: ``before`` or ``after`` the span's work.
        key: Of the attribute that holds it.
    """

    name: str
    when: str
    key: str


def of(keys: Iterable[str]) -> list[State]:
    """Return the snapshots among the keys of attributes: by name, the one before first."""
    found = []
    for key in keys:
        if key.startswith(PREFIX):
            name, _, when = key.removeprefix(PREFIX).rpartition(".")
            if name and when in ("before", "after"):
                found.append(State(name, when, key))
    return sorted(found, key=lambda state: (state.name, state.when != "before"))
