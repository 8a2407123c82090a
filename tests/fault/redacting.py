"""One life of a store that redacts or trims, run as a process of its own: ``… redact|trim DIR``.

``python -m tests.fault.redacting fill DIR`` makes the store: segments of 1 MiB, of which the second
request's content is what goes.
"""

import sys
from pathlib import Path

from sidespand.journal.retention import Retention
from sidespand.limits import GIB
from tests.unit.journal.upkeeping import kept

REQUESTS = 4
GONE = b"secret-0001."
NOTHING_KEPT = Retention(age_s=0.0, bytes_max=GIB, disk_free_min=0.0)


def main(what: str, data_dir: Path) -> None:
    """Do one of the three, and say when it is done."""
    with kept(data_dir, retention=NOTHING_KEPT, resumed=what == "fill") as store:
        if what == "fill":
            store.fill(REQUESTS)
        elif what == "redact":
            # The second request's record comes after LINEAGE, GEN, SESSION and the first request.
            store.life.run(store.upkeep.redact("ann", "asked to", [store.target(5)]))
        else:
            store.clock.pass_time(1)
            store.trim()
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
