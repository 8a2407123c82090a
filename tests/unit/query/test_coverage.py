"""A record's coverage is computed from the stored leaves and one kept compact range."""

from pathlib import Path

from sidespand import merkle
from sidespand.evidence import note
from sidespand.evidence.proofs import included
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.journal.segment import remove
from sidespand.model import Kind, Position, Record
from sidespand.query.coverage import cover
from tests.attested import Node, Writing
from tests.journals import records_of
from tests.unit.audit.rewriting import Rewriting
from tests.unit.query import samples

BIG = samples.spans_content(samples.request(samples.span(1, name="x" * 300_000)))


class Counting(JournalReader):
    """A reader that counts what is read of it."""

    record_count = 0

    def read(self, after: Position | None, upto: Position | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201 -- as the base.
        """Read, and count."""
        found = super().read(after, upto)
        self.record_count += len(found)
        return found


def test_every_record_of_several_segments_is_proved(tmp_path: Path) -> None:
    """The first checkpoint that counts a record covers it, in whatever segment they lie."""
    node = Node(tmp_path / "data")
    node.live([BIG] * 12, every=2)
    node.live([BIG] * 3)
    assert len(Layout(node.data_dir).segments()) > 3
    records = records_of(node.data_dir)
    sizes = [(r.header.record_index, r) for r in records if r.header.kind is Kind.CHECKPOINT]
    reader = JournalReader(node.data_dir)
    pinned = note.parse_verifier(node.pinned)
    for record in records[:-1]:
        index = record.header.record_index
        coverage = cover(reader, record, pinned)
        assert coverage.signed is not None
        assert coverage.signed.checkpoint.size == next(at for at, _ in sizes if at > index)
        assert coverage.signed.key.by == pinned
        root, size = coverage.signed.checkpoint.root, coverage.signed.checkpoint.size
        assert included(record.leaf, index, size, coverage.path, root)
    reader.close()


def test_a_proof_reads_no_more_than_it_needs(tmp_path: Path) -> None:
    """A long log before the record is not read: its segment's predecessor kept the tree's peaks."""
    node = Node(tmp_path / "data")
    node.live([BIG] * 20, every=5)
    last = next(r for r in reversed(records_of(node.data_dir)) if r.header.kind is Kind.SPANS)
    reader = Counting(node.data_dir)

    assert cover(reader, last, None).signed is not None

    reader.close()
    assert reader.record_count < 10


def test_what_another_key_signed_covers_nothing(tmp_path: Path) -> None:
    """Who pinned another node's key is told that the checkpoint counts for nothing."""
    node, other = Node(tmp_path / "a"), Node(tmp_path / "b", "b")
    node.live([BIG])
    reader = JournalReader(node.data_dir)

    coverage = cover(reader, records_of(node.data_dir)[0], note.parse_verifier(other.pinned))

    reader.close()
    assert coverage.signed is None
    assert "counts for nothing" in coverage.reason


def test_the_key_outlives_its_record(tmp_path: Path) -> None:
    """A checkpoint repeats its generation's statement, so trimming the KEY record costs nothing."""
    node = Node(tmp_path / "data")
    node.live([BIG] * 9, every=2)
    layout = Layout(node.data_dir)
    oldest, *_, newest = layout.segments()
    last = records_of(node.data_dir)[-2]
    assert newest.first_lsn <= last.header.first_lsn
    remove(layout.path(oldest))
    reader = JournalReader(node.data_dir)

    coverage = cover(reader, last, note.parse_verifier(node.pinned))

    reader.close()
    assert coverage.signed is not None


def test_the_oldest_segment_that_is_left_is_still_proved(tmp_path: Path) -> None:
    """It kept the peaks of the tree before it; what is gone itself cannot be asked for."""
    node = Node(tmp_path / "data")
    node.live([BIG] * 9, every=2)
    layout = Layout(node.data_dir)
    oldest, following, *_ = layout.segments()
    remove(layout.path(oldest))
    reader = JournalReader(node.data_dir)
    found = reader.read(Position(1, following.lineage, following.first_lsn - 1))

    covered = [cover(reader, one, None).signed for one in found if isinstance(one, Record)]

    reader.close()
    assert covered
    assert None not in covered[:-1]


def test_a_hole_cuts_the_path(tmp_path: Path) -> None:
    """Where a record before the checkpoint is lost, its leaf is, and with it the root."""
    node = Node(tmp_path / "data")
    node.live([BIG] * 2)
    Rewriting(node.data_dir).values(lambda lsn, value: None if lsn == 6 else value)
    reader = JournalReader(node.data_dir)
    first = reader.read(None)[0]
    assert isinstance(first, Record)

    coverage = cover(reader, first, None)

    reader.close()
    assert coverage.signed is None
    assert "LSN 6 to 6 missing" in coverage.reason


def test_a_root_that_the_records_do_not_make_covers_nothing(tmp_path: Path) -> None:
    """A checkpoint of the node's own that is of another tree is said to be."""
    node = Node(tmp_path / "data")

    async def lie(writing: Writing) -> None:
        await writing.record(BIG)
        honest = merkle.root
        try:
            merkle.root = lambda _: bytes(32)  # type: ignore[assignment]
            await writing.checkpoint()
        finally:
            merkle.root = honest  # type: ignore[assignment]

    node.open(lie)
    reader = JournalReader(node.data_dir)

    coverage = cover(reader, records_of(node.data_dir)[1], None)

    reader.close()
    assert coverage.signed is None
    assert "do not make the root" in coverage.reason
