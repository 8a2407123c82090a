"""Reading: by position, across segments and lives, with every hole named and none made up."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import google_crc32c
import lmdb
import pytest

from sidespand.errors import StoreTooNew, StoreUnreadable
from sidespand.journal import segment
from sidespand.journal.keys import record_key
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.journal.record import EDGE, HEADER
from sidespand.limits import MIB, READ_BATCH_BYTES, READ_BATCH_RECORDS
from sidespand.model import Gap, Position, Record
from tests.clocks import ManualClock
from tests.unit.journal.lives import living, read_all, records, segment_files
from tests.unit.journal.making import content

ITEM_COUNT_OFFSET = 32
ROLL = bytes(MIB)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of three segments in two lives; tests that change it take a copy."""
    data_dir = tmp_path_factory.mktemp("written")
    clock = ManualClock()
    for life_name in (b"first", b"second"):
        with living(data_dir, clock) as life:
            life.append(content(life_name + b" a", 3))
            life.append(content(life_name + b" b", 1))
            if life_name == b"first":
                life.append(content(ROLL, 2))
                life.append(content(b"after the roll", 4))
            else:
                life.append(content(ROLL, 2))
                life.append(content(b"c", 1))
                life.append(content(b"d", 5))
    assert len(segment_files(data_dir)) == 3
    return data_dir


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may break."""
    return Path(shutil.copytree(written, tmp_path / "store"))


@pytest.fixture(scope="module")
def whole(written: Path) -> list[Record]:
    """Return all records of the unbroken store."""
    return records(written)


@pytest.fixture
def reader(written: Path, whole: list[Record]) -> Iterator[JournalReader]:
    """Return a reader of the unbroken store; LMDB allows one in a process."""
    opened = JournalReader(written)
    yield opened
    opened.close()


def spans(entries: Sequence[Record | Gap]) -> list[tuple[int, int, str]]:
    """Return what each entry covers, first and last LSN inclusive, and its kind or gap."""
    return [
        (one.first, one.last, one.reason)
        if isinstance(one, Gap)
        else (one.header.first_lsn, one.header.last_lsn, one.header.kind.name)
        for one in entries
    ]


def assert_dense(entries: Sequence[Record | Gap], first: int, last: int) -> None:
    """Check that records and gaps cover a range once, in order."""
    covered = [lsn for start, stop, _ in spans(entries) for lsn in range(start, stop + 1)]
    assert covered == list(range(first, last + 1))


def rewrite(path: Path, lsn: int, change: Callable[[bytes], bytes | None]) -> None:
    """Put another value for a record, as damage or redaction would; None deletes it."""
    with lmdb.open(str(path), subdir=False, max_dbs=4, lib_version=0, map_size=8 * MIB) as env:
        database = env.open_db(b"rec")
        with env.begin(write=True, db=database) as txn:
            value = txn.get(record_key(lsn))
            assert value is not None
            changed = change(bytes(value))
            if changed is None:
                txn.delete(record_key(lsn))
            else:
                txn.put(record_key(lsn), changed)


def flip_payload(value: bytes) -> bytes:
    """Return a record with a broken last byte."""
    return value[:-1] + bytes([value[-1] ^ 1])


def claim_many_items(value: bytes) -> bytes:
    """Return a record whose header says that it holds billions of items."""
    end = ITEM_COUNT_OFFSET + 4
    return value[:ITEM_COUNT_OFFSET] + b"\xff\xff\xff\xff" + value[end:]


def position(store: Path, lsn: int) -> Position:
    """Return a position in the store's only lineage."""
    manifest = Layout(store).read_manifest()
    assert manifest is not None
    return Position(1, manifest.segments[0].lineage, lsn)


class TestRanges:
    """What a read returns, for every pair of positions."""

    def test_the_whole_log_is_dense(self, written: Path) -> None:
        """Every LSN of the log is in one record, in order, over all segments."""
        found = read_all(written)
        assert all(isinstance(one, Record) for one in found)
        assert_dense(found, 1, found[-1].position.lsn)

    @pytest.mark.slow
    def test_every_range(self, written: Path, whole: list[Record], reader: JournalReader) -> None:
        """After is exclusive, upto inclusive; the records between are those that hold its items."""
        last = whole[-1].header.last_lsn
        for after in range(last + 1):
            for upto in range(after, last + 1):
                found: list[Record | Gap] = []
                place = position(written, after)
                while batch := reader.read(place, position(written, upto)):
                    found += batch
                    place = batch[-1].position
                expected = [
                    one
                    for one in whole
                    if one.header.last_lsn > after
                    and one.header.first_lsn <= upto
                    and (after < upto)
                ]
                assert found == expected, (after, upto)

    def test_positions_of_other_lineages(self, whole: list[Record], reader: JournalReader) -> None:
        """What lies before the store's lineages ends at once, what lies behind them is empty."""
        before = Position(0, b"earlier-", 99)
        behind = Position(2, b"later---", 0)
        assert reader.read(before)[0] == whole[0]
        assert reader.read(None, before) == []
        assert reader.read(behind) == []
        assert len(reader.read(None, behind)) > 0

    def test_the_tail_is_empty(
        self, written: Path, whole: list[Record], reader: JournalReader
    ) -> None:
        """Behind the last item there is nothing, however far behind."""
        tail = reader.tail()
        assert tail == whole[-1].position
        assert reader.read(tail) == []
        assert reader.read(position(written, 10**6)) == []

    def test_a_batch_is_bounded(self, tmp_path: Path) -> None:
        """One read returns so many records, or the one that passes so many bytes, and no more."""
        with living(tmp_path, segment_bytes=64 * MIB) as life:
            life.append_all([([content()], None) for _ in range(READ_BATCH_RECORDS + 10)])
            life.append(content(bytes(READ_BATCH_BYTES)))
            life.append(content(b"behind"))
        reader = JournalReader(tmp_path)
        first = reader.read(None)
        assert len(first) == READ_BATCH_RECORDS
        second = reader.read(first[-1].position)
        assert isinstance(second[-1], Record)
        assert len(second[-1].payload or b"") == READ_BATCH_BYTES
        (third,) = reader.read(second[-1].position)
        assert isinstance(third, Record)
        assert third.payload == b"behind"
        reader.close()

    def test_newest_first_is_the_log_reversed(
        self, whole: list[Record], reader: JournalReader
    ) -> None:
        """Every record once, from the newest to the oldest, also with reads in between."""
        backwards = []
        for one in reader.newest_first():
            backwards.append(one)
            reader.read(None)
        assert backwards == whole[::-1]

    def test_the_head_is_the_last_commit_s(
        self, whole: list[Record], reader: JournalReader
    ) -> None:
        """It names the generation and the newest item's token."""
        head = reader.head()
        last = whole[-1]
        assert head is not None
        assert head.boot_generation == 2
        assert (head.last_lsn, head.tag) == (last.header.last_lsn, last.leaf[:16])


class TestGenerations:
    """Who wrote a record."""

    def test_each_generation_has_its_body(self, written: Path, reader: JournalReader) -> None:
        """A record's lineage and generation lead to the body of its GEN record."""
        lineage = position(written, 0).lineage
        for number in (2, 1):
            body = reader.generation(lineage, number)
            assert body["boot_generation"] == number
            assert body["source_node_ref"] == "node://test@host"

    def test_an_unknown_generation_is_empty(self, written: Path, reader: JournalReader) -> None:
        """What was trimmed away, or never was, is no error."""
        assert reader.generation(position(written, 0).lineage, 9) == {}
        assert reader.generation(b"elsewher", 1) == {}

    def test_every_segment_knows_its_generations(self, store: Path) -> None:
        """After a trim the records that are left still lead to their generation."""
        for path in segment_files(store)[:-1]:
            path.unlink()
        reader = JournalReader(store)
        lineage = position(store, 0).lineage
        assert reader.generation(lineage, 2)["boot_generation"] == 2
        assert reader.generation(lineage, 1) == {}
        reader.close()


class TestHoles:
    """Every kind of hole, named once, with its exact bounds."""

    def bounds(self, store: Path) -> list[tuple[int, int]]:
        """Return first and last LSN of every segment, by its name and its successor's."""
        firsts = [one.first_lsn for one in Layout(store).segments()]
        last = records(store)[-1].header.last_lsn
        return list(zip(firsts, [*(first - 1 for first in firsts[1:]), last], strict=True))

    def test_a_trimmed_prefix(self, store: Path) -> None:
        """A reader that is behind learns what it missed; a new one starts at what there is."""
        (_, last), *_ = self.bounds(store)
        segment_files(store)[0].unlink()
        gap = read_all(store, position(store, 2))[0]
        assert spans([gap]) == [(3, last, "trimmed")]
        assert gap.position == position(store, last)
        assert spans(read_all(store))[0][0] == last + 1

    @pytest.mark.fault(19)
    def test_a_missing_middle_segment(self, store: Path, whole: list[Record]) -> None:
        """It is a gap of exactly its range, and reading goes on behind it."""
        first, last = self.bounds(store)[1]
        segment_files(store)[1].unlink()
        found = read_all(store)
        assert_dense(found, 1, whole[-1].header.last_lsn)
        gaps = [one for one in found if isinstance(one, Gap)]
        assert spans(gaps) == [(first, last, "missing")]

    @pytest.mark.fault(10, 18)
    def test_a_damaged_middle_segment(self, store: Path, whole: list[Record]) -> None:
        """A file that cannot be mapped costs its own range, not the reader."""
        first, last = self.bounds(store)[1]
        os.truncate(segment_files(store)[1], 5000)
        found = read_all(store)
        assert_dense(found, 1, whole[-1].header.last_lsn)
        assert spans([one for one in found if isinstance(one, Gap)]) == [(first, last, "damaged")]
        reader = JournalReader(store)
        readable = [one for one in whole if not first <= one.header.first_lsn <= last]
        assert list(reader.newest_first()) == readable[::-1]
        assert reader.generation(position(store, 0).lineage, 1)["boot_generation"] == 1
        reader.close()

    def test_a_damaged_newest_segment(self, store: Path) -> None:
        """Nobody knows how far it went, so it is an error and not a gap."""
        os.truncate(segment_files(store)[-1], 5000)
        with pytest.raises(StoreUnreadable, match="cut short"):
            read_all(store)
        reader = JournalReader(store)
        with pytest.raises(StoreUnreadable, match="cut short"):
            next(reader.newest_first())
        reader.close()

    @pytest.mark.fault(17)
    @pytest.mark.parametrize("change", [flip_payload, claim_many_items, lambda _: b""])
    def test_a_damaged_record(
        self, store: Path, whole: list[Record], change: Callable[[bytes], bytes]
    ) -> None:
        """Each record in turn: a gap of its own items, whatever it says of its length."""
        for damaged in whole:
            first, last = damaged.header.first_lsn, damaged.header.last_lsn
            path = [one for one in segment_files(store) if int(one.stem) <= first][-1]
            unbroken = path.read_bytes()
            rewrite(path, first, change)
            others = [one for one in whole if one is not damaged]
            found = read_all(store)
            assert [one for one in found if isinstance(one, Record)] == others
            if damaged is whole[-1]:
                # At the tail nothing says where it ends; what follows later will.
                last = first
            gaps = [one for one in found if isinstance(one, Gap)]
            assert spans(gaps) == [(first, last, "damaged")]
            reader = JournalReader(store)
            assert reader.read(found[-1].position) == []
            assert list(reader.newest_first()) == others[::-1]
            reader.close()
            path.write_bytes(unbroken)

    def test_records_behind_a_damaged_tail_are_read(self, store: Path, whole: list[Record]) -> None:
        """A reader that met the damage at the tail sees all that is written after it."""
        damaged = whole[-1].header
        path = segment_files(store)[-1]
        rewrite(path, damaged.first_lsn, claim_many_items)
        place = read_all(store)[-1].position
        following = _copy_of_record(path, whole[-2], damaged.last_lsn + 1)
        found = read_all(store, place)
        assert spans(found) == [
            (damaged.first_lsn + 1, damaged.last_lsn, "damaged"),
            (damaged.last_lsn + 1, damaged.last_lsn + following, "SPANS"),
        ]

    def test_a_record_that_is_not_there(self, store: Path, whole: list[Record]) -> None:
        """A hole between two records of a segment is named."""
        gone = whole[-2].header
        rewrite(segment_files(store)[-1], gone.first_lsn, lambda _: None)
        gaps = [one for one in read_all(store) if isinstance(one, Gap)]
        assert spans(gaps) == [(gone.first_lsn, gone.last_lsn, "missing")]

    def test_a_redacted_record_is_no_hole(self, store: Path, whole: list[Record]) -> None:
        """Without salt and payload a record keeps its header, its edges and its leaf."""
        redacted = whole[3]
        rewrite(
            segment_files(store)[0],
            redacted.header.first_lsn,
            lambda value: value[: HEADER.size + EDGE.size * len(redacted.edges) + 4],
        )
        again = records(store)
        assert [one.leaf for one in again] == [one.leaf for one in whole]
        assert [one.payload is None for one in again].count(True) == 1
        assert again[3].header == redacted.header


def _copy_of_record(path: Path, one: Record, lsn: int) -> int:
    """Append a record's value under a new LSN; return how many items it holds."""
    with lmdb.open(str(path), subdir=False, max_dbs=4, lib_version=0, map_size=8 * MIB) as env:
        database = env.open_db(b"rec")
        with env.begin(write=True, db=database) as txn:
            value = bytearray(txn.get(record_key(one.header.first_lsn)) or b"")
            value[24:32] = record_key(lsn)
            proved = bytes(value[: HEADER.size])
            value[HEADER.size : HEADER.size + 4] = google_crc32c.value(proved).to_bytes(4)
            txn.put(record_key(lsn), bytes(value))
    return one.header.item_count


class TestSuspects:
    """A segment ends where the next one begins, whatever it holds."""

    def test_what_a_failed_commit_left_is_not_read(self, store: Path, whole: list[Record]) -> None:
        """Records beyond the successor's first LSN were never acknowledged."""
        first_lsn = Layout(store).segments()[1].first_lsn
        _copy_of_record(segment_files(store)[0], whole[2], first_lsn)
        _copy_of_record(segment_files(store)[0], whole[2], first_lsn + 50)
        assert records(store) == whole
        reader = JournalReader(store)
        assert list(reader.newest_first()) == whole[::-1]
        reader.close()

    def test_a_segment_that_took_another_s_place_is_read(
        self, store: Path, whole: list[Record], tmp_path: Path
    ) -> None:
        """A reader with the failed one open does not keep to it."""
        newest = segment_files(store)[-1]
        kept = tmp_path / "kept.mdb"
        newest.rename(kept)
        segment.create(newest, 8 * MIB)
        reader = JournalReader(store)
        before = [one for one in whole if one.header.first_lsn < int(newest.stem)]
        place = before[-1].position
        assert reader.read(place) == []
        kept.rename(newest)
        assert list(reader.read(place)) == whole[len(before) :]
        reader.close()


def test_a_directory_without_a_store_is_refused(tmp_path: Path) -> None:
    """The message says where to look instead."""
    with pytest.raises(StoreUnreadable, match="there is no store") as caught:
        JournalReader(tmp_path)
    assert "--data" in caught.value.hint


def test_a_later_store_is_refused(store: Path) -> None:
    """A reader does not guess at a later format."""
    manifest = store / "STORE.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(StoreTooNew):
        JournalReader(store)


def test_an_empty_store_has_no_tail(store: Path) -> None:
    """Where every segment is gone there is nothing to read."""
    shutil.rmtree(store / "seg")
    reader = JournalReader(store)
    assert reader.head() is None
    assert reader.tail() is None
    assert reader.read(None) == []
    assert list(reader.newest_first()) == []
    reader.close()


WRITER = """
import sys
from pathlib import Path
from sidespand.clock import SystemClock
from tests.unit.journal.lives import living
from tests.unit.journal.making import content

with living(Path(sys.argv[1]), SystemClock()) as life:
    print(0, flush=True)
    for number in range(int(sys.argv[2])):
        receipt = life.append(content(bytes([number % 251]) * (number * 7919 % 200_000), 3))
        print(receipt.last_lsn, flush=True)
"""


@pytest.mark.slow
def test_a_log_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    """A follower sees what was acknowledged, once, in order, without a gap, over many rolls."""
    requests = 150
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(requests)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "0\n"
        reader = JournalReader(tmp_path)
        found: list[Record | Gap] = []
        place = None
        acked = 0
        for line in writer.stdout:
            acked = int(line)
            # What is acknowledged can be read at once.
            while place is None or place.lsn < acked:
                batch = reader.read(place)
                assert batch, f"LSN {acked} was acknowledged and cannot be read"
                found += batch
                place = batch[-1].position
        reader.close()
        assert writer.wait(30) == 0
    assert all(isinstance(one, Record) for one in found)
    assert_dense(found, 1, acked)
    assert len(segment_files(tmp_path)) > 5
    assert found == records(tmp_path)[: len(found)]
