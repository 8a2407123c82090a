"""The ``sidespan`` command as it is installed, with the daemon's packages or without them.

It is the daemon's, so that no command loads the client that does not send spans; ``run`` and
``emit`` need nothing but the client.
"""

import gc
import sys

from sidespand.cli.command import main as run
from sidespand.cli.exits import ERROR
from sidespand.limits import GC_ALLOCATIONS


def main() -> int:
    """Run this process's command line; return its exit status, 2 when a package is missing."""
    if sys.argv[1:2] != ["serve"]:
        # What a command loads is no garbage, and to look through it again and again delays the
        # first output. A daemon lives longer, and looks as it finds right.
        gc.set_threshold(GC_ALLOCATIONS)
    try:
        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        sys.stderr.write(
            f"sidespan: the command needs {missing}, which is not installed; "
            'run: pip install "sidespan[daemon]" (`sidespan run` and `emit` work without)\n'
        )
        return ERROR
