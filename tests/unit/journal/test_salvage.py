"""What is left of a damaged store: every whole record, declared gaps, and never an error."""

import random
import shutil
from pathlib import Path

import pytest

from sidespand.audit.store import StoreAudit
from sidespand.errors import StoreUnreadable
from sidespand.journal import record
from sidespand.journal.keys import record_key
from sidespand.journal.layout import Layout
from sidespand.journal.pages import PageFile
from sidespand.journal.salvage import due, salvage, survey
from sidespand.limits import KIB
from sidespand.model import Gap, Kind, Record, SessionStep
from tests.clocks import ManualClock
from tests.unit.journal import damaging
from tests.unit.journal.copies import put_back
from tests.unit.journal.damaging import PAGE_BYTES, pages_by_kind
from tests.unit.journal.lives import Life, living, read_all, segment_files
from tests.unit.journal.making import INSTANCE, content
from tests.unit.journal.upkeeping import controls, kept

REQUESTS = 60
PAGE_KINDS = ("meta", "main", "branch", "leaf", "state", "overflow", "data")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of several segments, with small and large records and a session."""
    data_dir = tmp_path_factory.mktemp("sound") / "store"
    with living(data_dir, ManualClock()) as life:
        for number in range(REQUESTS):
            size = 60 * KIB if number % 3 == 0 else 700
            body = number.to_bytes(4) + bytes([number]) * size
            for _ in range(4):
                life.append(content(body), step=next_step(life))
    assert len(segment_files(data_dir)) >= 3
    return data_dir


def next_step(life: Life) -> SessionStep:
    """Return the next step of the test's client."""
    return SessionStep(INSTANCE, life.store.last_seq(INSTANCE, 1000) + 1, 0, 1000)


def copy_of(store: Path, place: Path) -> Path:
    """Return a store that may be damaged, in the place of the one that it is a copy of."""
    return Path(shutil.copytree(store, place / "store"))


def repaired(data_dir: Path) -> None:
    """Salvage a store, and let its log tell of it."""
    layout = Layout(data_dir)
    found = survey(layout)
    assert found.damaged or found.manifest_is_lost
    salvage(layout, found)
    with living(data_dir, accept_move=True):
        pass
    with kept(data_dir):
        assert due(layout) == []
    assert not survey(layout).damaged


def assert_whole_but_declared(data_dir: Path, before: dict[int, bytes]) -> set[int]:
    """Fail unless each record of the first lineage is there as it was, or in a declared gap.

    Returns:
        The LSNs of the old lineage that are lost.
    """
    found = read_all(data_dir)
    first = found[0] if isinstance(found[0], Gap) else found[0].header
    old = [one for one in found if lineage_of(one) == first.lineage]
    kept_ones = {one.header.first_lsn: one.leaf for one in old if isinstance(one, Record)}
    assert kept_ones.items() <= before.items()
    gaps = {lsn for one in old if isinstance(one, Gap) for lsn in range(one.first, one.last + 1)}
    told = {
        lsn
        for body in controls(data_dir, Kind.DROP)
        for lsn in range(body["first_lsn"], body["last_lsn"] + 1)
    }
    assert gaps <= told
    assert set(before) - set(kept_ones) <= told | set(range(max(kept_ones, default=0) + 1, 10**6))
    report = StoreAudit(data_dir, None).run()
    assert report.findings == []
    return gaps


def lineage_of(one: Record | Gap) -> bytes:
    """Return the lineage of what was read."""
    return one.lineage if isinstance(one, Gap) else one.header.lineage


def leaves_of(data_dir: Path) -> set[bytes]:
    """Return the leaves of all records of a store."""
    return {one.leaf for one in read_all(data_dir) if isinstance(one, Record)}


def leaves(data_dir: Path) -> dict[int, bytes]:
    """Return the leaf of every record of a store of one lineage."""
    return {one.header.first_lsn: one.leaf for one in read_all(data_dir) if isinstance(one, Record)}


@pytest.mark.slow
@pytest.mark.fault(17, 20)
@pytest.mark.parametrize("kind", PAGE_KINDS)
@pytest.mark.parametrize("which", [1, -1], ids=["a closed segment", "the newest segment"])
@pytest.mark.parametrize("how", ["one bit", "zeros", "noise"])
def test_damage_of_any_page_costs_no_more_than_it_holds(
    sound: Path, tmp_path: Path, kind: str, which: int, how: str
) -> None:
    """Whatever page is hit, all other records stay what and where they were; readers see gaps."""
    before = leaves(sound)
    store = copy_of(sound, tmp_path)
    path = segment_files(store)[which]
    generator = random.Random(f"{kind} {which} {how}")
    pages = pages_by_kind(path)[kind]
    page = generator.choice(pages)
    held = damaging.lsns_on(path, page)
    if how == "one bit":
        damaging.flip(path, page * PAGE_BYTES + generator.randrange(16, 64), generator.randrange(8))
    else:
        noise = generator.randbytes(PAGE_BYTES)
        damaging.overwrite(path, page, bytes(PAGE_BYTES) if how == "zeros" else noise)
    if not survey(Layout(store)).damaged:
        # The bit was in what no reader looks at.
        assert leaves(store) == before
        return

    repaired(store)

    lost = assert_whole_but_declared(store, before)
    assert lost <= held


@pytest.mark.slow
@pytest.mark.fault(18, 19)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_cut_segment_keeps_what_is_left(
    sound: Path, tmp_path: Path, part: float, which: int
) -> None:
    """What lies before the cut stays; the rest becomes a declared gap, or the lineage's end."""
    before = leaves(sound)
    store = copy_of(sound, tmp_path)
    path = segment_files(store)[which]
    used = (max(max(one) for one in pages_by_kind(path).values()) + 1) * PAGE_BYTES
    damaging.truncate(path, int(used * part))

    repaired(store)

    assert_whole_but_declared(store, before)
    (quarantined,) = (store / "quarantine").iterdir()
    assert quarantined.stat().st_size == int(used * part)


@pytest.mark.slow
def test_a_damaged_end_begins_a_new_lineage(sound: Path, tmp_path: Path) -> None:
    """No LSN that may have been told to somebody is given out again; steps go on after theirs."""
    store = copy_of(sound, tmp_path)
    path = segment_files(store)[-1]
    damaging.overwrite(path, pages_by_kind(path)["leaf"][-1], bytes(PAGE_BYTES))

    with pytest.raises(StoreUnreadable) as refusal, living(store, accept_move=True):
        pass
    salvage(Layout(store), survey(Layout(store)))

    assert "sidespan salvage" in refusal.value.hint
    with living(store, accept_move=True) as life:
        assert life.store.begun is not None
        assert life.store.begun["reason"] in ("salvaged", "moved")
        assert life.store.head.ordinal == 2
        assert life.store.last_seq(INSTANCE, 1000) == 4 * REQUESTS
        life.append(content(b"later"), step=next_step(life))


@pytest.mark.slow
@pytest.mark.fault(19)
def test_a_lost_file_of_the_middle_is_declared(sound: Path, tmp_path: Path) -> None:
    """The range between its neighbours is a gap, and the log goes on in its lineage."""
    before = leaves(sound)
    store = copy_of(sound, tmp_path)
    gone = segment_files(store)[1]
    gone.unlink()

    repaired(store)

    lost = assert_whole_but_declared(store, before)
    after = int(segment_files(store)[2].stem)
    assert lost == set(range(int(gone.stem), after))
    assert {body["reason"] for body in controls(store, Kind.DROP)} == {"missing"}


@pytest.mark.fault(19)
def test_a_lost_register_is_made_anew(sound: Path, tmp_path: Path) -> None:
    """STORE.json comes back from the segments, with the id that the log names."""
    store = copy_of(sound, tmp_path)
    layout = Layout(store)
    manifest = layout.read_manifest()
    layout.manifest_path.write_bytes(b"{")

    with pytest.raises(StoreUnreadable, match="not a store manifest"):
        layout.read_manifest()
    salvage(layout, survey(layout))

    assert layout.read_manifest() == manifest
    assert (layout.quarantine_dir / "STORE.json").read_bytes() == b"{"


def test_a_sound_store_is_left_as_it_is(sound: Path) -> None:
    """A survey finds nothing and changes nothing."""
    modified = {path: path.stat().st_mtime_ns for path in sound.rglob("*")}

    found = survey(Layout(sound))

    assert (found.damaged, found.manifest_is_lost) == ([], False)
    assert {path: path.stat().st_mtime_ns for path in sound.rglob("*")} == modified


@pytest.mark.slow
def test_a_leftover_of_a_commit_that_never_was_fills_no_hole(tmp_path: Path) -> None:
    """Pages that a crash left behind are not taken for what came in their place and is damaged."""
    store, crashed = tmp_path / "store", tmp_path / "crashed"
    with living(store) as life:
        life.append(content(b"kept"))
        shutil.copytree(store, crashed, ignore=shutil.ignore_patterns("spare*"))
        life.append_all([([content(bytes([n]) * 700)], None) for n in range(60)])
        # All pages of that commit were written, and its meta page was not.
        written = segment_files(store)[0].read_bytes()[2 * PAGE_BYTES :]
    put_back(crashed, store)
    (path,) = segment_files(store)
    path.write_bytes(path.read_bytes()[: 2 * PAGE_BYTES] + written)
    with living(store) as life:
        life.append(content(b"later", 50))
    true = leaves_of(store)
    assert b"\x3b" * 700 in path.read_bytes()
    for page in damaging.pages_with(path, record_key(1)):
        damaging.overwrite(path, page, bytes(PAGE_BYTES))

    (found,) = survey(Layout(store)).damaged

    file = PageFile(path)
    read = {record.decode(file.value(one.node) or b"")[2] for one in found.recovered.records}
    file.close()
    assert read <= true
    assert found.recovered.lost
