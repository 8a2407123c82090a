"""Stores that went backwards: a position never gets to name something else."""

import shutil
from pathlib import Path

import msgpack
import pytest

from sidespand import platform
from sidespand.errors import OutOfOrder
from sidespand.journal.layout import Layout
from sidespand.model import Content, Kind, Mark, Record, SessionStep, SpanKey
from tests.unit.journal.copies import backup, live, origins, places, put_back, reasons
from tests.unit.journal.lives import Life, living, payloads, read_all, records
from tests.unit.journal.making import INSTANCE, content, step


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return where a store is to be."""
    return tmp_path / "store"


@pytest.fixture
def anchors(tmp_path: Path) -> tuple[Path, ...]:
    """Return where it is remembered how far it has come."""
    return (tmp_path / "anchors",)


def test_a_store_that_was_put_back_begins_a_new_lineage(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """It says where it left the old one and how far that had come; no LSN is given out twice."""
    live(store, anchors, b"one")
    copy = backup(store)
    lost = live(store, anchors, b"two", b"three")
    before = records(store)
    put_back(copy, store)

    begun = live(store, anchors, b"four")

    assert (begun.ordinal, begun.lsn) == (2, 4)
    assert begun.lineage != lost.lineage
    _, origin = origins(store)
    kept = [one for one in records(store) if one.header.lineage == lost.lineage]
    assert origin["reason"] == "rolled_back"
    assert origin["actor"] == "sidespand"
    assert (origin["parent_lineage"], origin["parent_lsn"]) == (lost.lineage, kept[-1].position.lsn)
    assert origin["parent_record_count"] == len(kept)
    assert (origin["anchored_lineage"], origin["anchored_lsn"]) == (lost.lineage, lost.lsn)
    assert payloads(store) == [b"one", b"four"]
    places([*before, *records(store)])
    # Generations and the clock run on above what was lost.
    assert records(store)[-1].header.boot_generation == 3
    stamps = [one.header.stamp for one in [*before, *records(store)[len(kept) :]]]
    assert stamps == sorted(set(stamps))


def test_it_goes_on_in_the_new_lineage(store: Path, anchors: tuple[Path, ...]) -> None:
    """The next start sees nothing amiss: one rollback is one lineage."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")
    put_back(copy, store)
    begun = live(store, anchors, b"three")

    assert live(store, anchors, b"four").lineage == begun.lineage
    assert reasons(store) == ["created", "rolled_back"]
    assert payloads(store) == [b"one", b"three", b"four"]


def test_a_store_put_back_twice_never_reuses_an_ordinal(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """A cursor into a lineage that was lost as a whole points to nothing of the one after it."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")
    put_back(copy, store)
    lost = live(store, anchors, b"three", b"four", b"five")
    put_back(copy, store)

    begun = live(store, anchors, b"six")

    assert begun.ordinal == 3
    assert begun.lineage != lost.lineage
    assert payloads(store) == [b"one", b"six"]
    stored = [one.payload for one in read_all(store, lost) if isinstance(one, Record)]
    assert stored[-1] == b"six"
    assert len(stored) == 4


@pytest.mark.parametrize("also_forgotten", [False, True])
def test_without_an_anchor_a_store_put_back_in_place_goes_on(
    store: Path, anchors: tuple[Path, ...], *, also_forgotten: bool
) -> None:
    """After a reboot nothing tells, unless a second anchor outlived it."""
    kept = store.with_name("durable")
    both = (*anchors, kept)
    first = live(store, both, b"one")
    copy = backup(store)
    live(store, both, b"two")
    put_back(copy, store)
    shutil.rmtree(anchors[0])
    if also_forgotten:
        shutil.rmtree(kept)

    begun = live(store, both, b"three")

    assert (begun.lineage == first.lineage) is also_forgotten


def test_an_anchor_that_lags_is_no_rollback(store: Path, anchors: tuple[Path, ...]) -> None:
    """It is written after the commits that it speaks of."""
    first = live(store, anchors, b"one")
    saved = {path: path.read_bytes() for path in anchors[0].iterdir()}
    live(store, anchors, b"two")
    for path, content_then in saved.items():
        path.write_bytes(content_then)

    assert live(store, anchors).lineage == first.lineage


def test_a_store_that_has_another_record_at_its_anchor_has_diverged(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """Put back, and then written further than before while nobody looked."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")
    put_back(copy, store)
    live(store, (), b"2", b"3", b"4")

    begun = live(store, anchors)

    assert begun.ordinal == 2
    assert reasons(store)[-1] == "diverged"


def test_a_store_of_another_lineage_at_the_same_number_has_diverged(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """A copy that went on, was made anew and went on again: the anchor is of the first time."""
    live(store, (), b"one")
    copy = backup(store)
    live(copy, anchors, b"here", accept_move=True)
    put_back(store, copy)
    live(copy, (), b"there", accept_move=True)

    assert live(copy, anchors).ordinal == 3
    assert reasons(copy) == ["created", "moved", "diverged"]


def test_an_anchor_that_went_past_the_lineage_s_number(
    store: Path, anchors: tuple[Path, ...]
) -> None:
    """A store put back to before its last lineage began is behind, whatever its LSNs."""
    live(store, anchors, b"one")
    copy = backup(store)
    live(store, anchors, b"two")
    put_back(copy, store)
    live(store, anchors)
    put_back(copy, store)
    live(store, (), *(b"%d" % number for number in range(20)))

    assert live(store, anchors).ordinal == 3
    assert reasons(store)[-1] == "rolled_back"


class TestUnsynced:
    """Without a flush, what was acknowledged may be gone after a reboot."""

    @pytest.mark.parametrize(
        ("sync", "rebooted", "crashed", "expected"),
        [
            (False, True, True, 2),
            (False, True, False, 1),
            (False, False, True, 1),
            (True, True, True, 1),
        ],
    )
    def test_a_crash_of_the_machine_begins_a_new_lineage(
        self,
        store: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        sync: bool,
        rebooted: bool,
        crashed: bool,
        expected: int,
    ) -> None:
        """LSNs that were lost would be given out again; a clean end, or a flush, rules that out."""
        life = Life(store, sync=sync)
        life.append(content(b"one"))
        copy = backup(store)
        life.close()
        if crashed:
            put_back(copy, store)
        if rebooted:
            monkeypatch.setattr(platform, "boot_id", lambda: b"another kernel's")

        assert live(store, ()).ordinal == expected
        assert reasons(store) == ["created", "unsynced"][:expected]


class TestSessions:
    """What clients resume when the store went back."""

    @pytest.fixture
    def rolled_back(self, store: Path, anchors: tuple[Path, ...]) -> Path:
        """Return a store that remembers steps 1 and 2 of the five that it acknowledged."""
        with living(store, anchor_dirs=anchors) as life:
            for seq in (1, 2):
                life.append(content(b"%d" % seq), step=step(seq))
        copy = backup(store)
        with living(store, anchor_dirs=anchors) as life:
            for seq in (3, 4, 5):
                life.append(content(b"%d" % seq), step=step(seq))
        put_back(copy, store)
        return store

    def test_a_client_goes_on_after_what_it_holds(
        self, rolled_back: Path, anchors: tuple[Path, ...]
    ) -> None:
        """It does not have the lost steps any more; what it sends next is stored, not owed."""
        with living(rolled_back, anchor_dirs=anchors) as life:
            assert life.store.last_seq(INSTANCE, 1000) == 2
            for seq in (6, 7):
                receipt = life.append(
                    content(b"%d" % seq), step=SessionStep(INSTANCE, seq, seq - 1, 1000)
                )
                assert not receipt.duplicate
            with pytest.raises(OutOfOrder, match="seq 8 is owed"):
                life.append(content(), step=SessionStep(INSTANCE, 9, 7, 1000))
        assert payloads(rolled_back) == [b"1", b"2", b"6", b"7"]

    def test_a_step_whose_answer_was_lost_is_stored_again(
        self, rolled_back: Path, anchors: tuple[Path, ...]
    ) -> None:
        """The rollback took it: to the store it is new."""
        with living(rolled_back, anchor_dirs=anchors) as life:
            receipt = life.append(content(b"5"), step=SessionStep(INSTANCE, 5, 4, 1000))
        assert not receipt.duplicate
        assert payloads(rolled_back) == [b"1", b"2", b"5"]

    def test_a_step_of_the_old_lineage_has_no_place_in_the_new_one(
        self, rolled_back: Path, anchors: tuple[Path, ...]
    ) -> None:
        """Sent twice it is stored once, and its answer names no LSN of another lineage."""
        for _ in range(2):
            with living(rolled_back, anchor_dirs=anchors) as life:
                again = life.append(content(b"2"), step=SessionStep(INSTANCE, 2, 1, 1000))
                assert again.duplicate
                assert (again.first_lsn, again.last_lsn) == (0, 0)
                assert again.token == life.store.newest_token()
        assert payloads(rolled_back) == [b"1", b"2"]


def test_open_spans_are_taken_over(store: Path, anchors: tuple[Path, ...]) -> None:
    """Over restarts: they are abandoned in the new lineage, by the mark's place in the old one."""
    mark = Mark(SpanKey(b"t" * 16, b"s" * 8), 5, "work", "agent")
    with living(store, anchor_dirs=anchors) as life:
        opened = life.append(Content(Kind.MARKS, b"mark", 1, marks=(mark,)), step=step(1))
        old = life.store.head.lineage
    copy = backup(store)
    live(store, anchors, b"two")
    put_back(copy, store)
    live(store, anchors, b"three")
    with living(store, anchor_dirs=anchors) as life:
        assert life.store.open_count(INSTANCE) == 1
        life.store.abandon(INSTANCE, "test")

    (abandoned,) = [one for one in records(store) if one.header.kind is Kind.ABANDONED]

    assert abandoned.header.lineage != old
    ((_, _, lineage, lsn, *_),) = msgpack.unpackb(abandoned.payload or b"")["spans"]
    assert (lineage, lsn) == (old, opened.last_lsn)


def test_a_damaged_anchor_is_told_and_replaced(
    store: Path, anchors: tuple[Path, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """It says nothing that could be believed: the start goes on, once, without it."""
    first = live(store, anchors, b"one")
    (path,) = anchors[0].iterdir()
    path.write_bytes(path.read_bytes().replace(b'"lsn": "', b'"lsn": "9'))

    assert live(store, anchors, b"two").lineage == first.lineage

    assert f"anchor {path} cannot be used" in caplog.text
    caplog.clear()
    live(store, anchors)
    assert not caplog.text


def test_the_store_id_names_the_anchor(store: Path, anchors: tuple[Path, ...]) -> None:
    """Stores that share a directory keep apart."""
    live(store, anchors)
    live(store.with_name("other"), anchors)
    ids = set()
    for one in (store, store.with_name("other")):
        manifest = Layout(one).read_manifest()
        assert manifest is not None
        ids.add(f"{manifest.store_id}.json")
    assert {path.name for path in anchors[0].iterdir()} == ids
