"""Backup, fsck and trim beside a daemon that is being written to all the while."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.cli import main
from sidespand.limits import MIB
from tests.daemon import running, wait_until
from tests.fault.load import Load
from tests.journals import records_of
from tests.unit.journal.lives import living

CONFIG = f"[journal]\nsegment_bytes = {MIB}\nsegment_age = '1s'\n"


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[Load]:
    """Yield a client that sends all the while."""
    load = Load(path)
    load.start()
    try:
        yield load
    finally:
        load.stopping.set()
        load.join(10)


@pytest.mark.slow
@pytest.mark.fault(23)
def test_a_backup_under_load_holds_what_was_acked_before(tmp_path: Path) -> None:
    """It is sound, dense, and a prefix of the log; the daemon does not notice; it restores."""
    copy, new = tmp_path / "copy", tmp_path / "new"
    with running(tmp_path / "node", config=CONFIG) as daemon, loaded(daemon.ingest) as load:
        wait_until(lambda: load.progress > 200, 20, "some records")
        acked = dict(load.acked)

        assert main(["fsck", "--data", str(daemon.data)]) == 0
        assert main(["backup", str(copy), "--data", str(daemon.data)]) == 0

        reached = load.progress
        wait_until(lambda: load.progress > reached + 50, 20, "further records")
    held = records_of(copy)
    everything = records_of(daemon.data)
    assert held == everything[: len(held)]
    assert max(acked.values()) <= held[-1].header.last_lsn < everything[-1].header.last_lsn
    assert main(["restore", str(copy), str(new)]) == 0
    with living(new) as life:
        assert life.store.begun is not None
        assert life.store.begun["reason"] == "restored"


@pytest.mark.slow
def test_a_daemon_trims_when_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command reaches it over its socket; it goes on, and tells who asked."""
    with running(tmp_path / "node", config=CONFIG) as daemon, loaded(daemon.ingest) as load:
        seg = daemon.data / "seg"
        wait_until(lambda: len(list(seg.glob("0*/*.mdb"))) >= 3, 30, "three segments")
        before = min(seg.glob("0*/*.mdb"))
        command = ["trim", "--data", str(daemon.data), "--run", str(daemon.run), "--before", "0s"]

        assert main([*command, "--yes", "--actor", "ann"]) == 0

        assert "removed" in capsys.readouterr().out
        assert not before.exists()
        reached = load.progress
        wait_until(lambda: load.progress > reached + 20, 20, "further records")
    assert main(["verify", str(daemon.data)]) == 0


@pytest.mark.slow
def test_a_salvage_refuses_while_the_daemon_runs(tmp_path: Path) -> None:
    """Nothing is read or changed: the store has an owner."""
    with running(tmp_path / "node") as daemon:
        assert main(["salvage", "--data", str(daemon.data), "--yes"]) == 2
        assert not (daemon.data / "quarantine").exists()
