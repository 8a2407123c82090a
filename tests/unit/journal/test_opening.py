"""Opening a store: a generation more each time, and what cannot be read is left untouched."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from sidespand import platform
from sidespand.errors import ConfigError, InUse, SidespanError, StoreTooNew, StoreUnreadable
from sidespand.journal import opening, segment
from sidespand.journal.keys import record_key
from sidespand.journal.layout import Layout, Manifest
from sidespand.journal.reader import JournalReader
from sidespand.limits import KIB, MIB
from sidespand.model import Kind
from tests.clocks import ManualClock
from tests.unit.journal import damaging, lives
from tests.unit.journal.copies import put_back
from tests.unit.journal.faults import file_size_limit
from tests.unit.journal.lives import (
    Life,
    image,
    living,
    payloads,
    records,
    segment_files,
)
from tests.unit.journal.making import INSTANCE, content, step


def fail(life: Life) -> None:
    """Let the disk refuse a commit for real."""
    with file_size_limit(16 * KIB), pytest.raises(SidespanError):
        life.append(content(bytes(MIB)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of one life that ended in order."""
    with living(tmp_path / "store") as life:
        life.append(content(b"kept"))
    return tmp_path / "store"


def test_a_new_store_begins_with_its_lineage_and_generation(tmp_path: Path) -> None:
    """LSN 1 says where the log comes from, LSN 2 who writes it; both precede every client."""
    with living(tmp_path) as life:
        assert life.store.head.last_lsn == 2
        assert life.store.position.lsn == 2
        assert life.store.head.boot_generation == 1
    lineage, generation = records(tmp_path)
    assert lineage.header.kind == Kind.LINEAGE
    assert msgpack.unpackb(lineage.payload or b"")["reason"] == "created"
    assert generation.header.kind == Kind.GEN
    body = msgpack.unpackb(generation.payload or b"")
    assert body["boot_generation"] == 1
    assert body["source_node_ref"] == "node://test@host"
    assert body["durability"] == "fsync"
    assert len(body["incarnation"]) == 16
    assert body["boot_id"] == platform.boot_id()


def test_each_open_continues_the_log(tmp_path: Path) -> None:
    """LSN, HLC and tree run on, the generation is one more, the incarnation never repeats (N8)."""
    clock = ManualClock()
    heads = []
    for life_number in range(1, 5):
        with living(tmp_path, clock) as life:
            assert life.store.head.boot_generation == life_number
            life.append(content(b"%d" % life_number, 3))
            heads.append(life.store.head)
        clock.step_wall(-100)
    found = records(tmp_path)
    assert [one.header.record_index for one in found] == list(range(len(found)))
    assert [one.header.first_lsn for one in found][1:] == [
        one.header.last_lsn + 1 for one in found
    ][:-1]
    stamps = [one.header.stamp for one in found]
    assert stamps == sorted(set(stamps))
    assert payloads(tmp_path) == [b"1", b"2", b"3", b"4"]
    incarnations = {
        msgpack.unpackb(one.payload or b"")["incarnation"]
        for one in found
        if one.header.kind == Kind.GEN
    }
    assert len(incarnations) == 4
    assert len({head.lineage for head in heads}) == 1


def test_the_generation_record_says_how_the_last_life_ended(store: Path) -> None:
    """A clean end is noted, and the note is gone as soon as the store is written again."""
    life = Life(store)
    last_lsn = life.append(content()).last_lsn
    crashed = store.with_name("crashed")
    shutil.copytree(store, crashed, ignore=shutil.ignore_patterns("spare.mdb*"))
    life.close()
    put_back(crashed, store)
    with living(store):
        pass
    *_, generation = [one for one in records(store) if one.header.kind == Kind.GEN]
    body = msgpack.unpackb(generation.payload or b"")
    assert body["clean_shutdown"] is False
    assert body["previous_last_lsn"] == last_lsn
    with living(store):
        pass
    *_, generation = [one for one in records(store) if one.header.kind == Kind.GEN]
    assert msgpack.unpackb(generation.payload or b"")["clean_shutdown"] is True


def test_directories_are_private(store: Path) -> None:
    """Nobody else on the machine may read what the agents did."""
    for path in (store, store / "seg", segment_files(store)[0].parent):
        assert path.stat().st_mode & 0o077 == 0
    for path in segment_files(store):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("moment", ["manifest", "half a segment", "first commit"])
def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path, moment: str) -> None:
    """Wherever it was cut, it leaves a directory that the next start can use."""
    layout = Layout(tmp_path)
    layout.write_manifest(Manifest("0" * 32, ()))
    layout.segments_dir.mkdir()
    if moment == "half a segment":
        layout.next_path.write_bytes(b"half a segment")
    if moment == "first commit":
        committed(layout, 1)
    with living(tmp_path) as life:
        life.append(content(b"first"))
    assert payloads(tmp_path) == [b"first"]
    reader = JournalReader(tmp_path)
    assert reader.store_id == "0" * 32
    reader.close()


def committed(layout: Layout, lsn: int) -> None:
    """Leave what a crash between a segment's first commit and its placing leaves."""
    segment.create(layout.next_path, 2 * MIB)
    writer = segment.SegmentWriter(layout.next_path, 2 * MIB, sync=True)
    writer.commit([(record_key(lsn), b"nobody was told of this")], {b"head": b"nor of this"})
    writer.close()


def test_a_first_segment_that_was_not_registered_is_taken_up(store: Path) -> None:
    """A crash between the first commit and the registration loses nothing and repeats nothing."""
    layout = Layout(store)
    manifest = layout.read_manifest()
    assert manifest is not None
    layout.write_manifest(Manifest(manifest.store_id, ()))
    with living(store) as life:
        assert life.store.head.boot_generation == 2
    assert payloads(store) == [b"kept"]
    assert layout.read_manifest() == manifest


def test_a_segment_that_was_not_placed_is_no_part_of_the_log(store: Path) -> None:
    """A crash between its first commit and its placing leaves nothing that anybody was told of."""
    layout = Layout(store)
    last_lsn = records(store)[-1].header.last_lsn
    committed(layout, last_lsn + 1)
    assert payloads(store) == [b"kept"]
    with living(store) as life:
        life.append(content(b"after"))
    assert payloads(store) == [b"kept", b"after"]
    assert not layout.next_path.exists()


def test_a_born_segment_that_was_not_registered_is_the_end(tmp_path: Path) -> None:
    """After a crash between first commit and registration the log goes on there, registered."""
    clock = ManualClock()
    layout = Layout(tmp_path)
    with living(tmp_path, clock) as life:
        life.append(content(b"one"))
        before = layout.read_manifest()
        clock.pass_time(3601)
        life.append(content(b"two"))
    after = layout.read_manifest()
    assert before is not None
    assert after is not None
    assert len(after.segments) == len(before.segments) + 1
    layout.write_manifest(before)
    with living(tmp_path, clock) as life:
        life.append(content(b"three"))
    assert layout.read_manifest() == after
    assert payloads(tmp_path) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("failures", [1, 2])
def test_a_segment_that_begins_with_a_mere_step_can_be_opened(
    tmp_path: Path, failures: int
) -> None:
    """After a failed commit that is so; what it knows of sessions survives whatever comes next."""
    with living(tmp_path) as life:
        life.append(content(b"one"), step=step(1))
        fail(life)
        life.append(step=step(2))
        assert len(segment_files(tmp_path)) == 2
        if failures == 2:
            fail(life)
            # The next segment is asked for, and does not get as far as its first commit.
            fail(life)
    with living(tmp_path) as life:
        assert life.store.last_seq(INSTANCE, 1000) == 2
        life.append(content(b"two"))
    assert payloads(tmp_path) == [b"one", b"two"]


class TestRefused:
    """What stops the start, and leaves every byte as it was."""

    @pytest.fixture(autouse=True)
    def _untouched(self, store: Path) -> Iterator[None]:
        self._store = store
        self._before: dict[str, bytes | None] | None = None
        yield
        assert image(store) == self._before

    def refused(self, kind: type[SidespanError], match: str) -> None:
        """Check that the store cannot be opened, that it says why, and what to do."""
        self._before = image(self._store)
        with pytest.raises(kind, match=match) as caught:
            Life(self._store)
        assert caught.value.hint

    @pytest.mark.fault(24)
    def test_a_later_store(self, store: Path) -> None:
        """A store of a later version is left to it."""
        body = json.loads((store / "STORE.json").read_bytes())
        (store / "STORE.json").write_text(json.dumps(body | {"format": 2}))
        self.refused(StoreTooNew, "format 2")

    @pytest.mark.fault(19)
    def test_a_missing_manifest(self, store: Path) -> None:
        """Segments without a manifest are not overwritten."""
        (store / "STORE.json").unlink()
        self.refused(StoreUnreadable, "missing")

    @pytest.mark.fault(19)
    def test_a_missing_newest_segment(self, store: Path) -> None:
        """The end of the log is gone: that is told, not papered over."""
        segment_files(store)[-1].unlink()
        self.refused(StoreUnreadable, "newest part of the log is gone")

    @pytest.mark.fault(18, 20)
    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: os.truncate(path, 0),
            lambda path: os.truncate(path, 20_000),
            lambda path: path.write_bytes(b"\xa5" * path.stat().st_size),
            lambda path: path.write_bytes(b""),
        ],
        ids=["zero length", "truncated", "garbage", "emptied"],
    )
    def test_a_damaged_newest_segment(self, store: Path, damage: Callable[[Path], None]) -> None:
        """What LMDB would take for an empty store, or die of, is refused before it is mapped."""
        damage(segment_files(store)[-1])
        self.refused(StoreUnreadable, r"\.mdb")

    @pytest.mark.fault(10)
    @pytest.mark.parametrize("kind", ["main", "state", "leaf"])
    def test_a_page_that_would_end_the_daemon(self, store: Path, kind: str) -> None:
        """What LMDB would follow out of its file is found before LMDB sees it."""
        path = segment_files(store)[-1]
        page = damaging.pages_by_kind(path)[kind][-1]
        damaging.overwrite(path, page, b"\xff" * 64)
        self.refused(StoreUnreadable, "pages at the end of the log are damaged")

    @pytest.mark.fault(19)
    def test_a_store_of_which_only_cursors_are_left(self, store: Path) -> None:
        """No store begins anew where a sink's cursor tells that there was one."""
        (store / "sinks/archive").mkdir(parents=True)
        (store / "sinks/archive/cursor.json").write_bytes(b"{}")
        (store / "STORE.json").unlink()
        shutil.rmtree(store / "seg")
        (store / "seg").mkdir()
        self.refused(StoreUnreadable, "archive/cursor.json tells of a store")

    def test_a_damaged_last_record(self, store: Path) -> None:
        """The end of the log is checked by its checksums before it is built upon."""
        path = segment_files(store)[-1]
        raw = path.read_bytes()
        assert b"kept" in raw
        path.write_bytes(raw.replace(b"kept", b"kepT"))
        self.refused(StoreUnreadable, "checksum")

    def test_a_segment_of_another_log(self, store: Path, tmp_path: Path) -> None:
        """A segment that was copied from another store does not become the end of this one."""
        with living(tmp_path / "other", ManualClock(seed=9)) as life:
            life.append(content(b"other"))
        shutil.copy(segment_files(tmp_path / "other")[0], segment_files(store)[0])
        self.refused(StoreUnreadable, "lineage")

    def test_an_unregistered_segment_that_cannot_be_read(self, store: Path) -> None:
        """It may hold more than this version knows: the log does not go on before it."""
        beyond = segment_files(store)[0].with_name(f"{50:020d}.mdb")
        shutil.copy(segment_files(store)[0], beyond)
        os.truncate(beyond, 100)
        self.refused(StoreUnreadable, r"00050\.mdb")


def test_a_network_file_system_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB is not safe there; the key that allows it is named."""
    monkeypatch.setattr(platform, "remote_filesystem", lambda _: "nfs")
    with pytest.raises(ConfigError, match=r"data_dir: .* on a nfs file system") as caught:
        Life(tmp_path)
    assert "journal.allow_remote" in caught.value.hint
    assert not (tmp_path / "STORE.json").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A data directory that cannot be made is a fault of the configuration."""
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ConfigError, match="data_dir: cannot make"):
        Life(tmp_path / "store")


@pytest.mark.fault(30)
def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Whatever keeps the lock from being made, it is a fault of the configuration."""
    (tmp_path / "LOCK").mkdir()
    with pytest.raises(ConfigError, match="data_dir: cannot write"):
        Life(tmp_path)


@pytest.mark.fault(12)
def test_a_disk_without_room_for_the_first_segment_is_named(tmp_path: Path) -> None:
    """A new store needs room for a segment; without it nothing is half made for the next try."""
    with file_size_limit(100 * KIB), pytest.raises(ConfigError, match="no room for a segment"):
        Life(tmp_path)
    with living(tmp_path) as life:
        life.append(content(b"now"))
    assert payloads(tmp_path) == [b"now"]


@pytest.mark.slow
def test_a_second_opener_is_told_who_has_it(store: Path) -> None:
    """A real second process is refused with the owner's pid, and the owner goes on undisturbed."""
    with living(store) as life:
        second = subprocess.run(
            [sys.executable, "-c", _OPEN, str(store)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.stdout.strip() == f"the store in {store}: in use by process {os.getpid()}"
        life.append(content(b"undisturbed"))
    assert payloads(store) == [b"kept", b"undisturbed"]


_OPEN = """
import sys
from pathlib import Path
from sidespand.errors import InUse
from tests.unit.journal.lives import Life
try:
    Life(Path(sys.argv[1]))
except InUse as error:
    print(error)
"""


def test_a_refused_open_lets_go_of_the_lock(store: Path) -> None:
    """After a refusal the store can be opened by whoever repaired it, in this process too."""
    manifest = (store / "STORE.json").read_bytes()
    (store / "STORE.json").write_bytes(b"{")
    with pytest.raises(StoreUnreadable):
        Life(store)
    (store / "STORE.json").write_bytes(manifest)
    with living(store):
        pass


def test_one_process_cannot_open_a_store_twice(store: Path) -> None:
    """The lock is the store's, not the process's."""
    with living(store), pytest.raises(InUse):
        Life(store)


def test_a_smaller_segment_size_takes_effect_at_the_next_roll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that is larger than the configured size by now is still opened and read."""
    monkeypatch.setattr(opening, "SEGMENT_MAP_SLACK_BYTES", MIB)
    with living(tmp_path, segment_bytes=8 * MIB) as life:
        life.append(content(bytes(4 * MIB)))
    # More than finds room in the pages that earlier commits freed.
    wordy = replace(lives.IDENTITY, deployment_ref="x" * 40_000)
    monkeypatch.setattr(lives, "IDENTITY", wordy)
    with living(tmp_path, segment_bytes=MIB) as life:
        life.append(content(b"one"))
        life.append(content(b"two"))
    assert len(segment_files(tmp_path)) == 2
    assert payloads(tmp_path) == [bytes(4 * MIB), b"one", b"two"]


@pytest.mark.parametrize("segment_bytes", [MIB + 1, MIB + 4097, 17 * MIB + 511])
def test_a_segment_size_need_not_be_round(tmp_path: Path, segment_bytes: int) -> None:
    """Prewriting works in blocks; what is left over is only allocated."""
    with living(tmp_path, segment_bytes=segment_bytes) as life:
        life.append(content(b"one"))
    assert payloads(tmp_path) == [b"one"]
