"""``sidespan emit``, which belongs to the client and works without the daemon."""

from sidespan._emit_command import add_arguments, run

__all__ = ["add_arguments", "run"]
