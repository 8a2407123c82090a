"""A salvage, a backup or a restore is killed inside one exact system call (strace(1), inject).

Wherever that is, nothing is taken for whole that is not, and the same command completes it.
"""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.errors import StoreUnreadable
from sidespand.journal.layout import Layout
from sidespand.journal.salvage import survey
from sidespand.model import Gap, Kind, Record
from tests.fault.custody import REQUESTS, main
from tests.toolchain import require
from tests.unit.journal.copies import origins
from tests.unit.journal.lives import image, living, payloads, read_all
from tests.unit.journal.upkeeping import controls, kept

CALLS = ("rename", "link", "unlink", "fsync", "fdatasync", "mkdir")
SALVAGE = ((call, nth) for call in ("rename", "link", "unlink", "fdatasync") for nth in (1, 2))
# Of a copy, no call is like another: the mark, the segments, the register, the mark again.
COPY = [("fsync", 1), ("fsync", 4), ("rename", 1), ("rename", 2), ("unlink", 1)]


def killed(call: str, nth: int, what: str, *places: Path, on: Path | None = None) -> bool:
    """Run it until the N-th call of a kind, or of those on one file, kills it.

    Returns:
        Whether there were so many.
    """
    require(shutil.which("strace"), "strace", "apt install strace")
    on_file = ["-P", str(on)] if on is not None else []
    finished = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *on_file, "-e", f"trace={call}",
         "-e", f"inject={call}:signal=KILL:when={nth}",
         sys.executable, "-m", "tests.fault.custody", what, *map(str, places)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode in (0, -9), finished.stderr
    assert (finished.returncode == 0) == ("done" in finished.stdout)
    return finished.returncode == -9


def killed_copying(call: str, nth: int, what: str, source: Path, copy: Path) -> None:
    """Kill a backup or a restore; an ``unlink`` is that of the mark, the very last call."""
    mark = copy / "UNFINISHED" if call == "unlink" else None
    assert killed(call, nth, what, source, copy, on=mark)
    assert (copy / "STORE.json").exists() == (mark is not None)
    if mark is not None:
        with pytest.raises(StoreUnreadable, match="not finished"), living(copy):
            pass


def every_call(what: str) -> Iterator[tuple[str, int]]:
    """Yield calls of each kind, for as long as the caller says that there are more."""
    for call in CALLS:
        for nth in itertools.count(1):
            more = yield call, nth
            if not more:
                break


def assert_salvaged(store: Path, sound: Path) -> None:
    """Fail unless what was whole is there, and the rest is declared."""
    if survey(Layout(store)).damaged:
        main("salvage", str(store))
    with kept(store):
        pass
    found = read_all(store)
    gaps = [one for one in found if isinstance(one, Gap)]
    told = [(body["first_lsn"], body["last_lsn"]) for body in controls(store, Kind.DROP)]
    assert {(gap.first, gap.last) for gap in gaps} == set(told)
    assert gaps
    kept_ones = [one.payload for one in found if isinstance(one, Record)]
    stored = [one for one in payloads(sound) if one in kept_ones]
    assert len(stored) == REQUESTS - len(gaps)
    assert [origin["reason"] for origin in origins_of(store)] == ["created", "salvaged"]


def origins_of(store: Path) -> list[dict[str, object]]:
    """Return why its lineages began, whatever gaps there are."""
    return controls(store, Kind.LINEAGE)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a sound store, and a copy of it that is damaged in place."""
    root = tmp_path_factory.mktemp("stores")
    main("fill", str(root / "sound"))
    main("damage", str(root / "damaged"))
    return root / "sound", root / "damaged"


@pytest.mark.slow
@pytest.mark.fault(17, 18)
@pytest.mark.parametrize(("call", "nth"), list(SALVAGE))
def test_a_salvage_that_was_killed_is_completed(tmp_path: Path, call: str, nth: int) -> None:
    """The same command goes on; every damaged file is in quarantine, as it was found."""
    store, sound = tmp_path / "store", tmp_path / "sound"
    main("damage", str(store))
    main("fill", str(sound))
    damaged = {path.name: path.read_bytes() for path in store.glob("seg/0*/*.mdb")}

    assert killed(call, nth, "salvage", store)

    assert_salvaged(store, sound)
    quarantined = [path.read_bytes() for path in (store / "quarantine").iterdir()]
    assert len(quarantined) == 2
    assert all(raw in damaged.values() for raw in quarantined)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "nth"), COPY)
def test_a_backup_that_was_killed_is_none(tmp_path: Path, call: str, nth: int) -> None:
    """Nothing opens what is not whole, the store is what it was, and once more makes it whole."""
    store, copy = tmp_path / "store", tmp_path / "copy"
    main("fill", str(store))
    before = image(store)

    killed_copying(call, nth, "backup", store, copy)

    # A reader that was killed leaves its entry in the lock file.
    after = image(store).items()
    changed = [name for name, raw in after if raw != before[name]]
    assert all(name.endswith(".mdb-lock") for name in changed)
    main("backup", str(store), str(copy))
    assert payloads(copy) == payloads(store)


@pytest.mark.slow
@pytest.mark.fault(23)
@pytest.mark.parametrize(("call", "nth"), COPY)
def test_a_restore_that_was_killed_is_begun_again(tmp_path: Path, call: str, nth: int) -> None:
    """No store is half a backup; the whole one goes on in a lineage that names it."""
    store, copy, new = tmp_path / "store", tmp_path / "copy", tmp_path / "new"
    main("fill", str(store))
    main("backup", str(store), str(copy))

    killed_copying(call, nth, "restore", copy, new)

    main("restore", str(copy), str(new))
    with living(new):
        pass
    assert payloads(new) == payloads(store)
    assert [origin["reason"] for origin in origins(new)] == ["created", "restored"]


@pytest.mark.long
def test_wherever_they_are_killed_they_can_be_completed(tmp_path: Path) -> None:
    """The same at every call of each kind that they make."""
    numbers = itertools.count()
    sound = tmp_path / "sound"
    main("fill", str(sound))
    main("backup", str(sound), str(tmp_path / "backup"))
    for what in ("salvage", "backup", "restore"):
        calls = every_call(what)
        call, nth = next(calls)
        while True:
            place = tmp_path / str(next(numbers))
            if what == "salvage":
                main("damage", str(place))
                more = killed(call, nth, what, place)
                assert_salvaged(place, sound)
            else:
                source = sound if what == "backup" else tmp_path / "backup"
                more = killed(call, nth, what, source, place)
                # Killed in its very last call, it is whole.
                whole = (place / "STORE.json").exists() and not (place / "UNFINISHED").exists()
                if not whole:
                    main(what, str(source), str(place))
                assert payloads(place) == payloads(sound)
            shutil.rmtree(place)
            try:
                call, nth = calls.send(more)
            except StopIteration:
                break
