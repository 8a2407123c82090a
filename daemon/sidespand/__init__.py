"""The Sidespan daemon: a recorder that makes spans durable, and a worker that carries them on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespan._version import __version__

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'sidespand' has no attribute {name!r}")
    # It stands in the client's package, which costs more to load than most commands take.
    from sidespan._version import __version__ as version

    globals()[name] = version
    return version
