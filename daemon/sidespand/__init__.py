"""The Sidespan daemon: a recorder that makes spans durable, and a worker that carries them on."""

from sidespan._version import __version__

__all__ = ["__version__"]
