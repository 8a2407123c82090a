"""Promise 1 at every step: each system call that writes fails, or is the process's last, in turn.

The calls are those of a whole life: a store is made, rolls, is trimmed and closed (strace(1),
``-e inject``). ``make test`` tries some of them, ``make test-long`` each one.
"""

import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fault.examine import Examiner, examining
from tests.results import counted
from tests.toolchain import require

pytestmark = pytest.mark.slow

CALLS = (
    "pwrite64", "writev", "fdatasync", "fsync", "rename", "unlink", "mkdir", "fallocate",
    "ftruncate",
)  # fmt: skip
KILLED = -9
SEED = 20261121


def lived(data_dir: Path, trace: Path, *options: str) -> tuple[int, dict[bytes, int]]:
    """Let the steps be taken under strace; return the exit status, and what was acked."""
    require(shutil.which("strace"), "strace", "apt install strace")
    ended = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(CALLS)}", *options,
         sys.executable, "-m", "tests.fault.steps", str(data_dir)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, KILLED), f"{options}: {ended.stderr}"
    lines = [line.split() for line in ended.stdout.splitlines() if line.startswith("acked")]
    return ended.returncode, {bytes.fromhex(span_id): int(lsn) for _, span_id, lsn in lines}


def calls(root: Path) -> list[tuple[str, int]]:
    """Return each call with its number in its thread, as ``when=`` of strace counts them."""
    trace = root / "trace"
    status, acked = lived(root / "whole", trace)
    assert status == 0
    assert acked
    counts = Counter(
        (found["call"], found["thread"])
        for line in trace.read_text("utf-8").splitlines()
        if (found := re.match(r"(?P<thread>\d+) +(?P<call>\w+)\(", line))
    )
    most = {call: max(n for (name, _), n in counts.items() if name == call) for call, _ in counts}
    return [(call, number) for call, count in most.items() for number in range(1, count + 1)]


def broken(root: Path, examiner: Examiner, fault: str, call: str, number: int) -> list[str]:
    """Let one call fail; return what the next life finds broken."""
    data_dir = root / f"{call}-{number}"
    _, acked = lived(data_dir, Path("/dev/null"), "-e", f"inject={call}:{fault}:when={number}")
    found = examiner.examine(data_dir, acked)
    shutil.rmtree(data_dir)
    return [f"{call} {number}: {one}" for one in found]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("signal=KILL", marks=pytest.mark.fault(1)),
        pytest.param("error=EIO", marks=pytest.mark.fault(7, 9)),
        pytest.param("error=ENOSPC", marks=pytest.mark.fault(11)),
    ],
)
@pytest.mark.parametrize("share", [8, pytest.param(None, marks=pytest.mark.long)])
def test_whichever_call_it_hits_nothing_that_was_acked_is_lost(
    tmp_path: Path, fault: str, share: int | None
) -> None:
    """The next life starts by itself, has each acked request at its LSN, and records more."""
    chosen = calls(tmp_path)
    if share is not None:
        chosen = random.Random(SEED).sample(chosen, share)
    with examining() as examiner:
        found = [
            one
            for call, number in chosen
            for one in broken(tmp_path, examiner, fault, call, number)
        ]
    assert found == []
    counted(f"each call once with {fault}", calls=len(chosen), violations=len(found))
