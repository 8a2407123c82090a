"""Stores that are not where their last generation was: nobody goes on in them unasked."""

import shutil
from pathlib import Path

import pytest

from sidespand import platform
from sidespand.errors import StoreMoved
from sidespand.evidence.collection import Evidence
from sidespand.evidence.violations import Code, violations
from tests.unit.journal.copies import backup, live, origins, places, reasons
from tests.unit.journal.lives import Life, image, payloads, records, segment_files


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return where a store is to be."""
    return tmp_path / "store"


@pytest.fixture
def anchors(tmp_path: Path) -> tuple[Path, ...]:
    """Return where it is remembered how far it has come."""
    return (tmp_path / "anchors",)


def test_a_copy_is_refused_and_left_as_it_was(store: Path, anchors: tuple[Path, ...]) -> None:
    """Nobody can say which of the two should go on; the hint names the way to say it."""
    live(store, anchors, b"one")
    copy = backup(store)
    before = image(copy)

    with pytest.raises(StoreMoved, match="a copy, or was moved") as caught:
        Life(copy)

    assert "--accept-move" in caught.value.hint
    assert image(copy) == before


def test_a_renamed_directory_is_where_it_was(store: Path) -> None:
    """A checkout, or a mount point, may get another name."""
    first = live(store, (), b"one")
    elsewhere = store.with_name("elsewhere")
    store.rename(elsewhere)

    assert live(elsewhere, (), b"two").lineage == first.lineage


def test_a_copy_goes_on_in_a_new_lineage_when_told_to(store: Path) -> None:
    """It says who told it, and is at home from then on."""
    first = live(store, (), b"one")
    copy = backup(store)

    begun = live(copy, (), b"two", accept_move=True)

    assert begun.ordinal == 2
    _, origin = origins(copy)
    assert origin["reason"] == "moved"
    assert origin["actor"].startswith("uid:")
    assert (origin["parent_lineage"], origin["parent_lsn"]) == (first.lineage, first.lsn)
    assert live(copy, (), b"three").lineage == begun.lineage
    assert payloads(copy) == [b"one", b"two", b"three"]


def test_leave_to_move_is_for_moved_stores(store: Path) -> None:
    """A flag that was left in a unit's command line changes nothing."""
    first = live(store, (), b"one")

    assert live(store, (), accept_move=True).lineage == first.lineage


def test_a_copy_beside_its_original_is_a_fork(store: Path) -> None:
    """One reader of both sees two futures of one log, and no position names two things."""
    live(store, (), b"one")
    copy = backup(store)
    live(copy, (), b"here", accept_move=True)
    alone = violations(Evidence(records(copy)))
    live(store, (), b"there")

    found = [*records(store), *records(copy)]
    forked = [one for one in violations(Evidence(found)) if one.code is Code.FORK]

    assert not [one for one in alone if one.code is Code.FORK]
    assert [one.lineage for one in forked] == [found[0].header.lineage]
    assert "(moved)" in forked[0].message
    places(found)


@pytest.mark.fault(22)
def test_a_copy_that_nothing_tells_apart_is_a_fork_for_a_reader_of_both(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of the disk has its original's place, and goes on in its original's lineage."""
    live(store, (), b"one")
    copy = backup(store)
    place = platform.birth(store / "seg")
    monkeypatch.setattr(platform, "birth", lambda _: place)
    live(copy, (), b"here")
    live(store, (), b"there")

    found = violations(Evidence([*records(store), *records(copy)]))

    assert "two records claim LSN" in next(one.message for one in found if one.code is Code.FORK)


def test_another_machine_is_another_place(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was started on a second machine; its id is not disclosed."""
    monkeypatch.setattr(platform, "machine_id", lambda: b"machine-number-1")
    live(store, (), b"one")
    monkeypatch.setattr(platform, "machine_id", lambda: b"machine-number-2")

    with pytest.raises(StoreMoved, match="on another machine"):
        Life(store)

    assert b"machine-number" not in b"".join(one.read_bytes() for one in segment_files(store))
    # In most containers the machine is unknown, which is no contradiction.
    monkeypatch.setattr(platform, "machine_id", lambda: None)
    live(store, (), b"two")


def test_a_backup_that_was_copied_back_needs_no_leave(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """The anchor knows the store there and further on: no other can go on in its place."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")
    shutil.rmtree(store)
    shutil.copytree(copy, store)

    assert live(store, anchors, b"three").ordinal == 2
    assert reasons(store)[-1] == "rolled_back"


def test_a_copy_that_its_original_s_anchor_knows_is_refused_elsewhere(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """Two stores may share an anchor's directory: the copy is behind, and not at home."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")

    with pytest.raises(StoreMoved):
        Life(copy, anchor_dirs=anchors)
