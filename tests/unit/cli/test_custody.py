"""``fsck``, ``salvage``, ``backup``, ``restore`` and ``trim``, as docs/operations.md has them."""

import re
from pathlib import Path

import pytest

from sidespand.audit.report import Fault
from sidespand.lock import FileLock
from sidespand.model import Gap, Kind, Record
from tests.unit.cli.conftest import Run
from tests.unit.journal import damaging
from tests.unit.journal.damaging import PAGE_BYTES, pages_by_kind
from tests.unit.journal.lives import payloads, read_all, segment_files
from tests.unit.journal.upkeeping import controls, kept, stored_here

DOCS = Path(__file__).parents[3] / "docs"
REQUESTS = 8


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of several segments, in the working directory."""
    return stored_here(tmp_path, monkeypatch, REQUESTS)


def section(title: str) -> list[list[str]]:
    """Return the commands of a section of the operator's page."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    body = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [line.split()[2:] for line in re.findall(r"^\s*(\$ sidespan .*)$", body, re.MULTILINE)]


def damage(store: Path) -> None:
    """Hit a record of the first segment, and the end of the log."""
    first, *_, last = segment_files(store)
    damaging.flip(first, pages_by_kind(first)["data"][0] * PAGE_BYTES + 100)
    damaging.overwrite(last, 0, bytes(2 * PAGE_BYTES))


@pytest.mark.slow
@pytest.mark.fault(17, 18, 19, 20)
def test_a_damaged_store_is_mended_as_the_page_says(run: Run, store: Path) -> None:
    """The commands of the page, in their order, lead from findings to a store without any."""
    damage(store)
    commands = section("Damage")

    outcomes = [run(*command) for command in commands]

    assert [(command[0], one.status) for command, one in zip(commands, outcomes, strict=True)] == [
        ("fsck", 1), ("salvage", 0), ("salvage", 0), ("fsck", 0), ("verify", 0)
    ]  # fmt: skip
    assert "sidespan salvage --data" in outcomes[0].out
    assert re.search(r"gap .*:\d+-\d+", outcomes[0].out)
    assert "new lineage" in outcomes[1].out
    assert len(list((store / "quarantine").iterdir())) == 2
    assert [body["reason"] for body in controls(store, Kind.DROP)] == ["damaged"]
    found = read_all(store)
    assert sum(isinstance(one, Gap) for one in found) == 1
    spans = [one for one in found if isinstance(one, Record) and one.header.kind is Kind.SPANS]
    assert len(spans) == REQUESTS - 1


@pytest.mark.slow
@pytest.mark.fault(23)
def test_a_backup_is_restored_as_the_page_says(run: Run, store: Path) -> None:
    """The copy holds what the store held; the restored one goes on in a lineage of its own."""
    backup, restore = [run(*command) for command in section("Backup and restore")]

    assert (backup.status, restore.status) == (0, 0)
    assert "nothing is wrong" in backup.out
    assert payloads(Path("copy")) == payloads(store)
    assert payloads(Path("new-store")) == payloads(store)
    assert run("status", "--data", "copy").status == 0
    with kept(Path("new-store")):
        pass
    origins = controls(Path("new-store"), Kind.LINEAGE)
    assert [origin["reason"] for origin in origins] == ["created", "restored"]
    assert origins[1]["parent_lsn"] == read_all(store)[-1].position.lsn
    assert not Path("new-store/RESTORED").exists()


@pytest.mark.slow
def test_a_backup_that_changed_is_not_restored(run: Run, store: Path) -> None:
    """A bit of a backup's file is found by its hash, and nothing is made of it."""
    run("backup", "--data", "store", "copy")
    path = segment_files(Path("copy"))[0]
    damaging.flip(path, pages_by_kind(path)["data"][0] * PAGE_BYTES)

    outcome = run("restore", "copy", "new")

    assert outcome.status == 2
    assert "not what the backup wrote" in outcome.err
    assert not Path("new/STORE.json").exists()


@pytest.mark.slow
def test_a_trim_by_hand_is_declared(run: Run, store: Path) -> None:
    """Whole segments go, a TRIM record says who asked for it, and the rest is as it was."""
    (command,) = section("Trimming by hand")
    planned = run(*command[:-1], "--dry-run", "--json").document

    outcome = run(*command)

    assert outcome.status == 0
    assert planned["removed"][0]["first_lsn"] == "1"
    bodies = controls(store, Kind.TRIM)
    assert {body["reason"] for body in bodies} == {"asked"}
    assert str(bodies[-1]["last_lsn"]) >= planned["removed"][0]["last_lsn"]
    assert run("verify", "store").status == 0


@pytest.mark.slow
def test_a_store_in_use_is_not_salvaged(run: Run, store: Path) -> None:
    """The daemon is named; nothing is changed."""
    damage(store)
    owner = FileLock(store / "LOCK", "the store", "data_dir")
    try:
        outcome = run("salvage", "--data", "store", "--yes")
    finally:
        owner.release()

    assert outcome.status == 2
    assert "in use by process" in outcome.err
    assert not (store / "quarantine").exists()


def test_a_directory_that_holds_something_takes_no_copy(run: Run, store: Path) -> None:
    """Nothing in it is touched, and neither is a place inside the store."""
    Path("full").mkdir()
    Path("full/mine").write_text("mine")

    for target in ("full", "store/copy", "."):
        outcome = run("backup", "--data", "store", target)
        assert outcome.status == 2
        assert "hint: " in outcome.err
    assert Path("full/mine").read_text() == "mine"
    assert not Path("store/copy").exists()


def test_a_segment_is_called_one(run: Run, store: Path) -> None:
    """``verify`` of one file of a store says what it is, and which command takes it."""
    outcome = run("verify", segment_files(store)[0])

    assert outcome.status == 2
    assert "is a segment, one file of a store" in outcome.err
    assert f"sidespan fsck --data {store}" in outcome.err


def test_every_finding_is_in_the_documentation() -> None:
    """Each code of a finding has its line in docs/evidence.md."""
    text = (DOCS / "evidence.md").read_text(encoding="utf-8")
    table = text.split("| finding | |")[1].split("\n\n")[0]

    assert set(re.findall(r"`([a-z-]+)`", table)) >= {fault.value for fault in Fault}
