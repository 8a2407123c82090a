"""The process is killed inside one exact system call: the next life finds all that was acked.

The calls are those by which a store is made and a segment gets its place: wherever between them the
process ends, the next start goes on by itself (strace(1), ``-e inject``).
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.model import Kind
from tests.toolchain import require
from tests.unit.journal.lives import living, records
from tests.unit.journal.making import content

PAYLOAD_BYTES = 400_000
# Every third request rolls. Prints the number of each that was acknowledged, with its LSN.
WRITER = f"""
import sys
from pathlib import Path
from sidespand.clock import SystemClock
from tests.unit.journal.lives import living
from tests.unit.journal.making import content

with living(Path(sys.argv[1]), SystemClock()) as life:
    for number in range(12):
        payload = (b"%d" % number).ljust({PAYLOAD_BYTES})
        print(number, life.append(content(payload)).first_lsn, flush=True)
"""
LIFE = b"a life after"


def acked_until_killed(data_dir: Path, call: str, nth: int) -> dict[int, int]:
    """Write until the N-th call of a thread kills the process; return the LSNs that were acked."""
    finished = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=KILL:when={nth}",
         sys.executable, "-c", WRITER, str(data_dir)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == -9, f"{call} {nth} did not kill: {finished.stderr}"
    return {
        int(number): int(lsn)
        for number, lsn in (line.split() for line in finished.stdout.splitlines())
    }


@pytest.mark.fault(1)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "nth"),
    [
        ("mkdir", 2),
        ("fallocate", 1),
        ("fsync", 2),
        ("fsync", 4),
        ("rename", 1),
        ("rename", 2),
        ("rename", 3),
        ("rename", 4),
        ("rename", 5),
        ("rename", 6),
        ("unlink", 4),
        ("fdatasync", 5),
    ],
)
def test_the_next_life_goes_on_by_itself(tmp_path: Path, call: str, nth: int) -> None:
    """Nothing acked is lost, no LSN is skipped or used twice, and what comes after is read."""
    require(shutil.which("strace"), "strace", "apt install strace")
    data_dir = tmp_path / "store"
    acked = acked_until_killed(data_dir, call, nth)
    for _ in range(2):
        with living(data_dir) as life:
            life.append(content(LIFE))
    found = records(data_dir)
    expected_lsn = 1
    for one in found:
        assert one.header.first_lsn == expected_lsn
        expected_lsn = one.header.last_lsn + 1
    generations = [one.header.boot_generation for one in found if one.header.kind == Kind.GEN]
    assert generations == list(range(1, len(generations) + 1))
    stored = [one for one in found if not one.header.kind.is_control]
    assert [one.payload for one in stored].count(LIFE) == 2
    lsns = {
        int((one.payload or b"").strip()): one.header.first_lsn
        for one in stored
        if one.payload != LIFE
    }
    # One more may be there: durable, and killed before its sender was told.
    assert acked.items() <= lsns.items()
    assert len(lsns) <= len(acked) + 1
