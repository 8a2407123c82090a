"""Where a store lies: what tells a copy from a directory that was renamed."""

from dataclasses import replace
from pathlib import Path

import pytest

from sidespand import platform
from sidespand.journal.place import Place, difference, read

HERE = Place(inode=7, born_ns=1000, machine=b"m" * 16)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (HERE, None),
        (replace(HERE, inode=8), None),
        (replace(HERE, born_ns=1001), "made anew"),
        (replace(HERE, born_ns=None), None),
        (replace(HERE, born_ns=None, inode=8), "another one"),
        (replace(HERE, machine=b"n" * 16), "another machine"),
        (replace(HERE, machine=None), None),
    ],
)
def test_what_differs(recorded: Place, expected: str | None) -> None:
    """The birth decides; the inode only without one; what is unknown contradicts nothing."""
    found = difference(recorded.body(), HERE)
    assert (found is None) is (expected is None)
    assert expected is None or expected in (found or "")


def test_a_store_of_an_earlier_version_has_no_place() -> None:
    """Nothing was written down, so nothing differs."""
    assert difference(None, HERE) is None


def test_a_rename_keeps_the_place_and_a_copy_has_its_own(tmp_path: Path) -> None:
    """As the file system of the tests has it."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    place = read(first)
    first.rename(second)
    first.mkdir()

    assert difference(place.body(), read(second)) is None
    assert difference(place.body(), read(first)) is not None


def test_a_file_system_that_knows_no_births(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system call is missing or refused, the inode is still known."""
    monkeypatch.setattr(platform, "_libc", object())
    assert platform.birth(tmp_path) == platform.Birth(tmp_path.stat().st_ino, None)
