"""Redaction of a store that is being written: the bytes go, the proofs stay."""

import subprocess
import sys
from pathlib import Path

import pytest

from sidespand import merkle
from sidespand.errors import InvalidRequest
from sidespand.journal.reader import JournalReader
from sidespand.journal.segment import CommitFailed
from sidespand.journal.state import Head
from sidespand.limits import REDACTION_RECORDS_MAX
from sidespand.model import Kind
from sidespand.redaction import Target
from tests.unit.journal.lives import payloads, read_all, records, segment_files
from tests.unit.journal.making import content, step
from tests.unit.journal.upkeeping import controls, holding, kept, payload

# Reads one record; then again in the segment that it kept open, then through the log.
READER = """
import sys
from pathlib import Path
from sidespand.journal.reader import JournalReader

reader = JournalReader(Path(sys.argv[1]))
at = reader.tail()._replace(lsn=int(sys.argv[2]))

def read():
    (found,) = reader.read(at._replace(lsn=at.lsn - 1), at)
    return found.payload and len(found.payload)

print(read(), flush=True)
*_, held = (one.reader for one in reader._segments._held.values())
sys.stdin.readline()
((_, value),) = held.values(at.lsn, None, 1, 1)
print(len(value) - 168)
print(read())
"""
TRACE = bytes(range(16))


def head_of(data_dir: Path) -> Head:
    """Return the log's head."""
    reader = JournalReader(data_dir)
    try:
        head = reader.head()
    finally:
        reader.close()
    assert head is not None
    return head


@pytest.mark.slow
def test_no_file_of_the_store_holds_the_payload(tmp_path: Path) -> None:
    """A grep over every file finds the value before, and nothing afterwards."""
    with kept(tmp_path) as store:
        lsns = store.fill(7)
        assert holding(tmp_path, b"secret-0001.")

        store.life.run(store.upkeep.redact("ann", "asked to", [store.target(lsns[1], TRACE)]))

        assert holding(tmp_path, b"secret-0001.") == []
        assert holding(tmp_path, b"secret-0000.")
        store.fill(4, first=7)
        assert holding(tmp_path, b"secret-0001.") == []
    assert holding(tmp_path, b"secret-0001.") == []
    found = payloads(tmp_path)
    assert found == [None if number == 1 else payload(number) for number in range(11)]


@pytest.mark.slow
def test_a_record_of_the_open_segment_goes_too(tmp_path: Path) -> None:
    """The open segment is left for a new one first, so that it can be written anew."""
    with kept(tmp_path) as store:
        (lsn,) = store.fill(1)
        store.life.run(store.upkeep.redact("ann", "asked to", [store.target(lsn)]))

        assert len(segment_files(tmp_path)) == 2
        assert holding(tmp_path, b"secret-0000.") == []


@pytest.mark.slow
def test_what_is_gone_is_told(tmp_path: Path) -> None:
    """The REDACT record names actor, reason, range and traces, and its position is returned."""
    with kept(tmp_path) as store:
        lsns = store.fill(4)
        targets = [store.target(lsns[3]), store.target(lsns[0], TRACE)]
        told = store.life.run(store.upkeep.redact("ann", "asked to", targets))

    (body,) = controls(tmp_path, Kind.REDACT)
    assert (body["actor"], body["reason"]) == ("ann", "asked to")
    assert [(one[2], one[3], one[4]) for one in body["records"]] == [
        (lsns[0], lsns[0], [TRACE]),
        (lsns[3], lsns[3], []),
    ]
    (record,) = (one for one in records(tmp_path) if one.header.kind is Kind.REDACT)
    assert record.position == told


@pytest.mark.slow
def test_no_leaf_and_no_root_changes(tmp_path: Path) -> None:
    """Headers, edges and leaves are what they were, and the tree over them is the log's."""
    with kept(tmp_path) as store:
        lsns = store.fill(7)
    before = records(tmp_path)
    with kept(tmp_path) as store:
        targets = [store.target(lsn) for lsn in lsns[::2]]
        store.life.run(store.upkeep.redact("ann", "asked to", targets))
    after = records(tmp_path)

    for one, other in zip(before, after, strict=False):
        assert (one.header, one.edges, one.leaf) == (other.header, other.edges, other.leaf)
    hashes: list[bytes] = []
    for count, one in enumerate(after):
        merkle.append(hashes, count, one.leaf)
    assert tuple(hashes) == head_of(tmp_path).hashes


@pytest.mark.slow
def test_sessions_are_remembered(tmp_path: Path) -> None:
    """A step that was durable before its record was redacted is still known as durable."""
    with kept(tmp_path) as store:
        receipt = store.life.append(content(b"once"), step=step(1))
        store.life.run(store.upkeep.redact("ann", "asked to", [store.target(receipt.last_lsn)]))
    with kept(tmp_path) as store:
        again = store.life.append(content(b"once"), step=step(1))
        assert (again.duplicate, again.last_lsn) == (True, receipt.last_lsn)


@pytest.mark.slow
def test_a_reader_reads_on_while_its_segment_is_replaced(tmp_path: Path) -> None:
    """An open reader serves the old file to its end, and the new one from its next batch on."""
    with kept(tmp_path) as store:
        lsns = store.fill(4)
        arguments = [sys.executable, "-c", READER, str(tmp_path), str(lsns[1])]
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdout is not None
            before = reader.stdout.readline()
            store.life.run(store.upkeep.redact("ann", "asked to", [store.target(lsns[1])]))
            after, _ = reader.communicate("go on\n", timeout=30)

    assert before == f"{len(payload(1))}\n"
    assert after == f"{len(payload(1))}\nNone\n"


@pytest.mark.slow
@pytest.mark.parametrize("lsn", [0, 10_000])
def test_what_is_not_in_the_store_is_refused(tmp_path: Path, lsn: int) -> None:
    """Nothing is written for a position beyond the log, or for none at all."""
    with kept(tmp_path) as store:
        store.fill(1)
        targets = [store.target(lsn)] if lsn else []
        with pytest.raises(InvalidRequest):
            store.life.run(store.upkeep.redact("ann", "asked to", targets))
    assert controls(tmp_path, Kind.REDACT) == []
    assert not (tmp_path / "REDACTION").exists()


@pytest.mark.slow
def test_too_much_at_once_is_refused(tmp_path: Path) -> None:
    """One request names a bounded number of records."""
    with kept(tmp_path) as store:
        (lsn,) = store.fill(1)
        many: list[Target] = [store.target(lsn)] * (REDACTION_RECORDS_MAX + 1)
        with pytest.raises(InvalidRequest, match="at once"):
            store.life.run(store.upkeep.redact("ann", "asked to", many))


@pytest.mark.slow
def test_many_records_take_several_redact_records(tmp_path: Path) -> None:
    """What one record cannot name, the next one does; all of them go."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(content(b"tiny-%03d" % n)).first_lsn for n in range(600)]
        targets = [store.target(lsn) for lsn in lsns]
        store.life.run(store.upkeep.redact("ann", "asked to", targets))

    assert [len(body["records"]) for body in controls(tmp_path, Kind.REDACT)] == [512, 88]
    assert payloads(tmp_path) == [None] * 600
    assert holding(tmp_path, b"tiny-") == []


@pytest.mark.slow
def test_what_a_failed_commit_left_behind_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes of a refused request may lie beyond a segment's end: a retry's redaction takes them."""
    with kept(tmp_path) as store:
        store.fill(1)
        segment = store.life.store._writer._segment
        commit = segment.commit

        def failing(*arguments: object) -> int:
            commit(*arguments)  # type: ignore[arg-type]
            raise CommitFailed("the flush failed after the pages were written")

        monkeypatch.setattr(segment, "commit", failing)
        with pytest.raises(Exception, match="commit failed"):
            store.fill(1, first=1)
        (lsn,) = store.fill(1, first=1)
        assert len(holding(tmp_path, b"secret-0001.")) == 2

        store.life.run(store.upkeep.redact("ann", "asked to", [store.target(lsn)]))

        assert holding(tmp_path, b"secret-0001.") == []
    assert [one for one in read_all(tmp_path) if not hasattr(one, "header")] == []
