"""Types of sinks that other distributions bring: entry points of the group ``sidespan.sinks``.

An entry point names a ``SinkType``; its name is the ``type`` of the configuration. Only what a
configuration names is imported.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Final

from sidespand.errors import ConfigError
from sidespand.sinks.spec import SinkType

GROUP: Final = "sidespan.sinks"


def names() -> list[str]:
    """Return the types that are installed, in order."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load(name: str) -> SinkType | None:
    """Return an installed type; None when there is none of that name.

    Raises:
        ConfigError: Two distributions bring it, or it cannot be imported, or is no SinkType.
    """
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        return None
    owners = sorted({_owner(point) for point in points})
    if len(owners) > 1:
        raise ConfigError(
            f'type "{name}" is brought by {" and by ".join(owners)}', hint="uninstall one of them"
        )
    try:
        found = points[0].load()
    except Exception as error:
        # Whatever a stranger's module does when it is imported.
        raise ConfigError(
            f'type "{name}" of {owners[0]} cannot be imported: {type(error).__name__}: {error}',
            hint=f"reinstall {owners[0]}",
        ) from error
    if not isinstance(found, SinkType):
        raise ConfigError(
            f'type "{name}" of {owners[0]} is no sidespand.sinks.spec.SinkType',
            hint=f"look for a newer version of {owners[0]}",
        )
    return found


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
