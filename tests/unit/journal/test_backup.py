"""A backup of a store that changes meanwhile: the store at one moment, whatever happens to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sidespand.errors import Unavailable
from sidespand.journal import backup
from sidespand.journal.layout import Layout
from sidespand.journal.retention import Retention
from sidespand.limits import GIB
from sidespand.model import Gap
from tests.unit.journal.lives import payloads, read_all
from tests.unit.journal.making import content
from tests.unit.journal.upkeeping import WEEK_S, Kept, holding, kept, payload

REQUESTS = 7
NOTHING_OLD = Retention(1.0, GIB, 0.0)
REDACTED_LSN = 5
GONE = b"secret-0001."


def filled(tmp_path: Path) -> Path:
    """Return a store of three segments."""
    with kept(tmp_path / "store") as store:
        store.fill(REQUESTS)
    return tmp_path / "store"


def meanwhile(source: Path, copy: Path, nth: int, change: Callable[[Kept], object]) -> None:
    """Back a store up, and have it changed right before its n-th segment is copied."""
    told = []

    def progress(name: str, _size_bytes: int) -> None:
        told.append(name)
        if len(told) == nth:
            with kept(source, retention=NOTHING_OLD) as store:
                change(store)

    backup.back_up(Layout(source), Layout(copy), progress)
    backup.finish(Layout(copy))
    assert len(told) > nth


def trim(store: Kept) -> None:
    """Remove all that is closed."""
    store.clock.pass_time(WEEK_S)
    assert store.trim() > 0


def redact(store: Kept) -> None:
    """Take the content of the second request out."""
    store.life.run(store.upkeep.redact("ann", "asked to", [store.target(REDACTED_LSN)]))


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 3])
def test_what_is_trimmed_meanwhile_is_left_out(tmp_path: Path, nth: int) -> None:
    """Segments that go, copied already or not, are in no register, and the log says why."""
    source, copy = filled(tmp_path), tmp_path / "copy"
    meanwhile(source, copy, nth, trim)
    assert payloads(copy) == payloads(source)
    manifest = Layout(copy).read_manifest()
    assert manifest is not None
    assert list(manifest.segments) == Layout(copy).segments()
    assert manifest.segments[0].first_lsn > 1
    assert not [one for one in read_all(copy) if isinstance(one, Gap)]


@pytest.mark.slow
def test_what_is_redacted_meanwhile_is_not_in_it(tmp_path: Path) -> None:
    """A segment that was copied before its content was taken out is copied again."""
    source, copy = filled(tmp_path), tmp_path / "copy"
    assert len(holding(source, GONE)) == 1
    meanwhile(source, copy, 2, redact)
    assert holding(copy, GONE) == []
    assert payloads(copy) == payloads(source)
    assert payloads(copy)[1] is None


@pytest.mark.slow
def test_what_is_recorded_meanwhile_leaves_no_hole(tmp_path: Path) -> None:
    """Segments that are begun and ended while others are copied are in it, one behind the other."""
    source, copy = filled(tmp_path), tmp_path / "copy"
    meanwhile(source, copy, 1, lambda store: store.fill(REQUESTS, REQUESTS))
    assert payloads(copy) == [payload(number) for number in range(2 * REQUESTS)]
    assert not [one for one in read_all(copy) if isinstance(one, Gap)]


@pytest.mark.slow
def test_a_store_that_is_never_calm_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken for a backup; later the same command makes one."""
    source, copy = filled(tmp_path), tmp_path / "copy"
    monkeypatch.setattr(backup, "BACKUP_ROUNDS_MAX", 3)

    def progress(name: str, _size_bytes: int) -> None:
        if name == Layout(source).segments()[-1].name:
            with kept(source) as store:
                store.life.store.roll_next()
                store.life.append(content(b"more"))

    with pytest.raises(Unavailable, match="changes faster"):
        backup.back_up(Layout(source), Layout(copy), progress)
    assert not (copy / "STORE.json").exists()
    assert (copy / "UNFINISHED").exists()
    backup.back_up(Layout(source), Layout(copy), lambda *_: None)
    assert payloads(copy) == payloads(source)
