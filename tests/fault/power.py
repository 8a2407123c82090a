"""What the tests of power cuts share: a store that rolls and trims often, and how it is ended."""

import os
import shutil

from tests.daemon import STOP_S_MAX, Daemon
from tests.toolchain import require

# A segment takes some 30 requests of this size.
ATTRIBUTES = 200
CONFIG = '[journal]\nsegment_bytes = "1MiB"\ndisk_free_min = 0.0\n'
TRIMMING = CONFIG + 'retention_bytes = "4MiB"\n'


def end(daemon: Daemon) -> None:
    """Kill a daemon, if it runs, whose store can no longer be asked for its pid."""
    if daemon.process is not None:
        daemon.process.kill()
        daemon.process.wait(STOP_S_MAX)


def eatmydata() -> dict[str, str]:
    """Return the environment of a program whose flushes do nothing (eatmydata(1))."""
    require(shutil.which("eatmydata"), "eatmydata", "apt install eatmydata")
    before = os.environ.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": f"libeatmydata.so {before}".strip()}
