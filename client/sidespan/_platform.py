"""What differs between operating systems. The client imports everywhere; daemons run on Linux."""

import os
from collections.abc import Callable


def in_forked_children(begin_anew: Callable[[], object]) -> None:
    """Have ``begin_anew`` called in every child that this process forks, where processes fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_anew)


def host_name() -> str:
    """Return this machine's name; empty when the system does not say."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
