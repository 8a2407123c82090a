"""The process is killed inside one exact system call while it begins a new lineage.

Wherever that is, the next start goes on by itself, in a store that names nothing twice (strace(1),
``-e inject``).
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.clock import SystemClock
from sidespand.model import Kind
from tests.toolchain import require
from tests.unit.journal.copies import backup, live, places, put_back, reasons
from tests.unit.journal.lives import living, payloads, records
from tests.unit.journal.making import INSTANCE, content, step

# Opens a store that its anchors contradict, or one that was moved; prints what was acknowledged.
OPENER = """
import sys
from pathlib import Path
from sidespand.clock import SystemClock
from tests.unit.journal.lives import living
from tests.unit.journal.making import content

store, anchors, moved = sys.argv[1:]
with living(
    Path(store), SystemClock(), anchor_dirs=(Path(anchors),), accept_move=moved == "moved"
) as life:
    life.append(content(b"acked"))
    print("acked", flush=True)
"""
WINDOWS = [
    # The new segment: its lock file, its first write, its place; the manifest; the anchor.
    ("fallocate", 1),
    ("pwrite64", 1),
    ("fdatasync", 1),
    ("fdatasync", 3),
    ("mkdir", 3),
    ("rename", 1),
    ("rename", 2),
    ("rename", 3),
    ("rename", 4),
    ("fsync", 2),
    ("fsync", 4),
    ("fsync", 6),
]


def killed(store: Path, anchors: Path, how: str, call: str, nth: int) -> bool:
    """Open the store until the N-th call of a thread kills the process; return whether it acked."""
    finished = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=KILL:when={nth}",
         sys.executable, "-c", OPENER, str(store), str(anchors), how],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == -9, f"{call} {nth} did not kill: {finished.stderr}"
    return "acked" in finished.stdout


@pytest.mark.fault(1)
@pytest.mark.slow
@pytest.mark.parametrize(("call", "nth"), WINDOWS)
@pytest.mark.parametrize("how", ["put back", "moved"])
def test_the_next_start_goes_on_by_itself(tmp_path: Path, how: str, call: str, nth: int) -> None:
    """What was acked is there, every place has one content, and sessions are where they were."""
    require(shutil.which("strace"), "strace", "apt install strace")
    store, anchors = tmp_path / "store", (tmp_path / "anchors",)
    with living(store, SystemClock(), anchor_dirs=anchors) as life:
        life.append(content(b"one"), step=step(1))
    copy = backup(store)
    if how == "put back":
        live(store, anchors, b"two")
        lost = records(store)
        put_back(copy, store)
    else:
        lost = records(store)
        store = copy
    acked = killed(store, anchors[0], how, call, nth)
    between = records(store)

    for _ in range(2):
        with living(store, SystemClock(), anchor_dirs=anchors, accept_move=how == "moved") as life:
            assert life.store.last_seq(INSTANCE, 1000) == 1
            life.append(content(b"after"))

    found = records(store)
    places([*lost, *between, *found])
    assert {one.leaf for one in between} <= {one.leaf for one in found}
    assert payloads(store) == [b"one", *([b"acked"] if acked else []), b"after", b"after"]
    begun = [reason for reason in reasons(store) if reason != "created"]
    assert begun == [{"put back": "rolled_back", "moved": "moved"}[how]]
    for lineage in {one.header.lineage for one in found}:
        log = [one for one in found if one.header.lineage == lineage]
        assert log[0].header.kind is Kind.LINEAGE
        assert [one.header.record_index for one in log] == list(range(len(log)))
