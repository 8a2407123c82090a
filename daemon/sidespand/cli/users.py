"""Who runs a command, for the log."""

import getpass
import os


def user() -> str:
    """Return the name and the uid of whoever runs this process."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container may run a uid that no name belongs to.
        return f"uid {os.getuid()}"
    return f"{name} (uid {os.getuid()})"
