"""What an operator is told of a damaged store, a copy, a backup: the file, and the next command."""

import shlex
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sidespand.audit import fsck
from sidespand.journal.layout import Layout
from sidespand.journal.retention import Retention
from sidespand.limits import GIB
from sidespand.model import Kind, Record
from tests.unit.cli.conftest import Run
from tests.unit.journal import damaging
from tests.unit.journal.damaging import PAGE_BYTES, pages_by_kind
from tests.unit.journal.lives import image, living, payloads, read_all, segment_files
from tests.unit.journal.upkeeping import controls, kept, stored_here

pytestmark = pytest.mark.slow

REQUESTS = 8
FIRST_LSN = 4


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of several segments, in the working directory."""
    return stored_here(tmp_path, monkeypatch, REQUESTS)


def flip_record(store: Path) -> None:
    """Turn a bit of a record of the first segment."""
    path = segment_files(store)[0]
    damaging.flip(path, pages_by_kind(path)["data"][0] * PAGE_BYTES + 100)


def remove_middle(store: Path) -> None:
    """Take a segment's file away that is not the newest."""
    segment_files(store)[1].unlink()


def cut_middle(store: Path) -> None:
    """Cut a segment's file short that is not the newest."""
    damaging.truncate(segment_files(store)[1], 5 * PAGE_BYTES)


def remove_newest(store: Path) -> None:
    """Take the newest segment's file away."""
    segment_files(store)[-1].unlink()


def remove_register(store: Path) -> None:
    """Take the register away."""
    (store / "STORE.json").unlink()


def break_cursor(store: Path) -> None:
    """Leave a sink with a cursor that says nothing."""
    place = store / "sinks/archive"
    place.mkdir(parents=True)
    (place / "cursor.json").write_text("{")


def leave_mark(store: Path) -> None:
    """Make it look like a copy that was cut short."""
    (store / "UNFINISHED").touch()


def put_elsewhere(store: Path) -> None:
    """Copy it, and put the copy in its place."""
    shutil.copytree(store, store.with_name("other"))
    shutil.rmtree(store)
    shutil.copytree(store.with_name("other"), store)


@pytest.mark.fault(18, 19, 22)
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove_middle, ("files", ".mdb: the file is gone", "sidespan salvage --data ")),
        (cut_middle, ("files", ".mdb is cut short", "sidespan fsck --data ")),
        (remove_newest, ("files", "nobody knows how far", "sidespan salvage --data ")),
        (remove_register, ("store", "STORE.json is missing", "sidespan fsck --data ")),
        (break_cursor, ("files", "archive/cursor.json: it is damaged", "sidespan serve --data ")),
        (leave_mark, ("files", "was not finished", "sidespan restore BACKUP ")),
        (put_elsewhere, ("place", "is a copy, or was moved", "--accept-move")),
    ],
)
def test_the_doctor_says_what_is_wrong_with_the_files(
    run: Run, store: Path, harm: Callable[[Path], None], said: tuple[str, str, str]
) -> None:
    """It names the file, or the place, and the command that mends it or says more."""
    name, text, command = said
    harm(store)
    sockets = store.with_name("run")
    checks = run("doctor", "--json", "--data", store, "--run", sockets).document["checks"]
    wrong = [one for one in checks if one["state"] == "wrong" and one["name"] == name]
    assert [text in one["text"] for one in wrong] == [True]
    assert command in wrong[0]["next"]
    assert str(store) in wrong[0]["next"]


@pytest.mark.fault(18, 22)
def test_a_copy_is_salvaged_and_tells_of_it_when_it_goes_on(run: Run, store: Path) -> None:
    """The log of a copy is written to with leave alone; until then the loss is on disk."""
    copy = Path(shutil.copytree(store, store.with_name("copy")))
    cut_middle(copy)

    first, again = (run("salvage", "--data", copy, "--yes") for _ in range(2))

    assert (first.status, again.status) == (0, 0)
    assert f"sidespan serve --accept-move --data {copy}" in first.out
    assert "the log does not tell yet" in again.out
    with living(copy, accept_move=True):
        pass
    with kept(copy):
        pass
    assert [body["reason"] for body in controls(copy, Kind.DROP)] == ["damaged"]
    assert "nothing is damaged" in run("salvage", "--data", copy).out
    assert run("fsck", "--data", copy).status == 0


@pytest.mark.fault(23)
@pytest.mark.parametrize("harm", [flip_record, remove_middle, remove_newest, remove_register])
def test_what_is_left_of_a_damaged_backup_is_had_as_the_hint_says(
    run: Run, store: Path, harm: Callable[[Path], None]
) -> None:
    """It is not restored; the commands of the hint make a store of what can be read of it."""
    assert run("backup", "--data", store, "bak").status == 0
    harm(Path("bak"))
    before = image(Path("bak"))

    refused = run("restore", "bak", "new")

    assert refused.status == 2
    hint = refused.err.partition("hint: ")[2]
    copied, removed, salvaged = (shlex.split(one) for one in hint.split("`")[1::2])
    for command in (copied, removed):
        subprocess.run(command, check=True)
    assert run(*salvaged[1:], "--yes").status == 0
    with living(Path("COPY"), accept_move=True):
        pass
    found = [one for one in read_all(Path("COPY")) if isinstance(one, Record)]
    kept_ones = {one.payload for one in found if one.header.kind is Kind.SPANS}
    assert len(kept_ones) >= REQUESTS - 3
    assert kept_ones <= set(payloads(store))
    assert image(Path("bak")) == before


@pytest.mark.fault(17)
def test_a_segment_that_is_damaged_again_is_set_aside_again(run: Run, store: Path) -> None:
    """Each damaged file is kept as it was found, under a name of its own."""
    damaged = []
    for _ in range(2):
        flip_record(store)
        damaged.append(segment_files(store)[0].read_bytes())
        assert run("salvage", "--data", store, "--yes").status == 0
    found = [path.read_bytes() for path in sorted((store / "quarantine").iterdir())]
    assert found == damaged


@pytest.mark.fault(24)
def test_a_backup_of_a_later_format_is_not_restored(run: Run, store: Path) -> None:
    """The versions are named, and nothing is made of it."""
    assert run("backup", "--data", store, "bak").status == 0
    listed = Path("bak/BACKUP.json")
    listed.write_text(listed.read_text().replace('"format": 1', '"format": 2'))
    refused = run("restore", "bak", "new")
    assert refused.status == 2
    assert "has format 2, this version reads 1" in refused.err
    assert not Path("new").exists()


@pytest.mark.fault(23)
def test_a_backup_and_an_unfinished_copy_are_not_salvaged(run: Run, store: Path) -> None:
    """Nothing of them is changed, and the next command is named."""
    assert run("backup", "--data", store, "bak").status == 0
    flip_record(Path("bak"))
    flip_record(store)
    leave_mark(store)
    for place, command in ((Path("bak"), "restore"), (store, "backup")):
        before = image(place)
        outcome = run("salvage", "--data", place, "--yes")
        assert outcome.status == 2
        assert f"`sidespan {command}" in outcome.err
        assert image(place) == before
    assert f"next: sidespan restore {Path.cwd()}/bak DIR" in run("fsck", "--data", "bak").out


@pytest.mark.parametrize("left", [("UNFINISHED",), ("UNFINISHED", "seg")])
def test_a_copy_that_was_cut_short_says_so(run: Run, store: Path, left: tuple[str, ...]) -> None:
    """Whatever reads a store names the command that begins the copy anew."""
    leave_mark(store)
    for path in [one for one in store.iterdir() if one.name not in left]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    checked = run("fsck", "--data", store, "--json")
    assert checked.status == 1
    assert [one["code"] for one in checked.document["findings"]] == ["unfinished"]
    for command in (("status",), ("ls",), ("salvage", "--yes")):
        outcome = run(*command, "--data", store)
        assert outcome.status != 0
        assert "was not finished" in outcome.err
        assert "`sidespan restore`" in outcome.err
    doctor = run("doctor", "--json", "--data", store, "--run", store.with_name("run"))
    said = {one["name"]: one for one in doctor.document["checks"]}["store"]
    assert said["state"] == "wrong"
    assert "`sidespan restore`" in said["next"]


@pytest.mark.fault(10)
def test_a_page_that_ends_the_reader_of_fsck_is_a_finding(run: Run, store: Path) -> None:
    """Another child goes on behind it: what else is damaged is found as well."""
    deadly, *_, last = segment_files(store)
    data = bytearray(deadly.read_bytes())
    # The head of an LMDB node: size in two halves, flags (1: on pages of its own), key length, key.
    page = pages_by_kind(deadly)["leaf"][0] * PAGE_BYTES
    at = data.index(struct.pack("=HH", 1, 8) + struct.pack(">Q", FIRST_LSN), page) - 4
    data[at : at + 4] = struct.pack("=HH", 0xFFFF, 0x7FFF)
    deadly.write_bytes(data)
    damaging.flip(last, pages_by_kind(last)["data"][0] * PAGE_BYTES + 100)

    outcome = run("fsck", "--data", store, "--json")

    assert outcome.status == 1
    codes = {one["file"]: one["code"] for one in outcome.document["findings"][::-1]}
    assert codes[str(deadly.relative_to(store))] == "reader-died"
    assert codes[str(last.relative_to(store))] == "payload-checksum"


def test_what_is_trimmed_while_fsck_runs_is_no_finding(store: Path) -> None:
    """A file that goes behind its register's back is missing, one that goes with it is not."""
    layout = Layout(store)
    registered = layout.read_manifest()
    assert registered is not None
    with kept(store, retention=Retention(1.0, GIB, 0.0)) as later:
        later.clock.pass_time(GIB)
        assert later.trim() > 0
    assert list(fsck.check_files(layout, registered)) == []
    newest = segment_files(store)[-1]
    newest.unlink()
    found = fsck.check_files(layout, layout.read_manifest())
    assert [one.file for one in found] == [str(newest.relative_to(store))]
