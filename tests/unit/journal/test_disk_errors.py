"""A write or flush of the journal fails: nobody is told of what is lost, nothing told is lost.

The errors are injected into the system calls of a real process (strace(1), ``-e inject``), so LMDB
meets them where a disk would raise them: at a page, at the meta page, at the flush between.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain import require
from tests.unit.journal.lives import records

REQUESTS = 40
# Prints the number of each request that was acknowledged, with its LSNs; goes on after a refusal.
WRITER = """
import sys
from pathlib import Path
from sidespand.clock import SystemClock
from sidespand.errors import SidespanError
from tests.unit.journal.lives import living
from tests.unit.journal.making import content

with living(Path(sys.argv[1]), SystemClock()) as life:
    for number in range(int(sys.argv[2])):
        try:
            receipt = life.append(content(b"%d" % number, 3))
        except SidespanError:
            print("refused", flush=True)
        else:
            print(number, receipt.first_lsn, receipt.last_lsn, flush=True)
"""


def write_with_errors(data_dir: Path, call: str, fault: str) -> list[list[str]]:
    """Write under strace; return the lines that the writer printed, split."""
    finished = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:{fault}",
         sys.executable, "-c", WRITER, str(data_dir), str(REQUESTS)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return [line.split() for line in finished.stdout.splitlines()]


@pytest.mark.fault(7, 9)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("fdatasync", "error=EIO:when=14"),
        # Of two writes in a row one is a page's and one the meta page's.
        ("pwrite64", "error=EIO:when=14"),
        ("pwrite64", "error=EIO:when=15"),
        ("pwrite64", "error=ENOSPC:when=14"),
        ("pwrite64", "retval=100:when=14"),
        ("pwrite64", "retval=100:when=15"),
    ],
)
def test_a_failing_call_loses_nothing_that_was_acked(tmp_path: Path, call: str, fault: str) -> None:
    """Whichever call fails, one request is refused and the others are there, in a dense log."""
    require(shutil.which("strace"), "strace", "apt install strace")
    told = write_with_errors(tmp_path, call, fault)
    assert len(told) == REQUESTS
    assert told.count(["refused"]) == 1
    stored = {
        int(one.payload or b""): (one.header.first_lsn, one.header.last_lsn)
        for one in records(tmp_path)
        if not one.header.kind.is_control
    }
    assert stored == _acked(told)


def _acked(told: list[list[str]]) -> dict[int, tuple[int, int]]:
    return {int(line[0]): (int(line[1]), int(line[2])) for line in told if line != ["refused"]}
