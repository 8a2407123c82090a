"""The process is killed inside one exact system call of a redaction or a trim (strace(1), inject).

Wherever that is, the next life finds a whole store and finishes what was begun.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.journal.layout import Layout
from sidespand.model import Gap, Kind, Record
from tests.fault.redacting import GONE, REQUESTS, main
from tests.toolchain import require
from tests.unit.journal.lives import payloads, read_all, records, segment_files
from tests.unit.journal.upkeeping import WEEK_S, controls, holding, kept

OLDEST = "the oldest segment"


def killed(what: str, data_dir: Path, call: str, name: str, nth: int) -> None:
    """Fill a store, then redact or trim it until the N-th call on one file kills the process.

    Without a file, the N-th call of any thread: of a rename, the first one of upkeep.
    """
    require(shutil.which("strace"), "strace", "apt install strace")
    main("fill", data_dir)
    path = segment_files(data_dir)[0] if name == OLDEST else data_dir / name
    on_file = ["-P", str(path)] if name else []
    finished = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *on_file, "-e", f"trace={call}",
         "-e", f"inject={call}:signal=KILL:when={nth}",
         sys.executable, "-m", "tests.fault.redacting", what, str(data_dir)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == -9, f"{call} {name} {nth} did not kill: {finished.stderr}"
    assert "done" not in finished.stdout


@pytest.mark.fault(1)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "name", "nth"),
    [
        ("rename", "", 1),
        ("fdatasync", "seg/rewrite.mdb", 1),
        ("fdatasync", "seg/rewrite.mdb", 3),
        ("rename", "seg/rewrite.mdb-lock", 1),
        ("rename", "seg/rewrite.mdb", 1),
        ("unlink", "REDACTION", 1),
    ],
)
def test_a_redaction_that_was_begun_is_completed(
    tmp_path: Path, call: str, name: str, nth: int
) -> None:
    """Once it is noted, the content is gone after the next start; every record keeps its leaf."""
    data_dir = tmp_path / "store"
    killed("redact", data_dir, call, name, nth)
    due = (data_dir / "REDACTION").exists()
    before = {one.header.first_lsn: one.leaf for one in records(data_dir)}

    with kept(data_dir):
        pass

    if due:
        assert holding(data_dir, GONE) == []
        assert payloads(data_dir)[1] is None
        assert controls(data_dir, Kind.REDACT)
    assert len(payloads(data_dir)) == REQUESTS
    assert not (data_dir / "REDACTION").exists()
    after = {one.header.first_lsn: one.leaf for one in records(data_dir)}
    assert before.items() <= after.items()


@pytest.mark.fault(1, 6)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "name", "nth"),
    [("rename", "", 1), ("unlink", OLDEST, 1)],
)
def test_a_trim_that_was_begun_is_completed(tmp_path: Path, call: str, name: str, nth: int) -> None:
    """The register and the files agree afterwards, and a reader finds trimmed records alone.

    The log tells of it before the register does, and the register before the file is gone.
    """
    data_dir = tmp_path / "store"
    killed("trim", data_dir, call, name, nth)
    layout = Layout(data_dir)
    manifest = layout.read_manifest()
    assert controls(data_dir, Kind.TRIM)
    assert manifest is not None
    assert (layout.segments()[0] in manifest.segments) == (call == "rename")

    with kept(data_dir) as store:
        store.clock.pass_time(WEEK_S + 1)
        store.trim()
        start = store.target(1).gap.position._replace(lsn=0)
        assert store.life.store.layout.segments() == list(store.life.store.segments)

    found = read_all(data_dir, start)
    assert isinstance(found[0], Gap)
    assert (found[0].first, found[0].reason) == (1, "trimmed")
    assert all(isinstance(one, Record) for one in found[1:])
    assert controls(data_dir, Kind.TRIM)
