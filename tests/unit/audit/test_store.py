"""A store is checked as a whole; what was done to it is named."""

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest

from sidespand import merkle
from sidespand.audit.report import Fault, Report
from sidespand.audit.store import StoreAudit
from sidespand.evidence import note
from sidespand.evidence.checkpoint import Checkpoint, checkpoint_body, origin, sign
from sidespand.evidence.keys import key_body
from sidespand.evidence.note import Signer
from sidespand.journal import keys, record
from sidespand.journal.layout import Layout
from sidespand.journal.segment import SegmentReader, remove
from sidespand.journal.state import decode_head, encode_head
from sidespand.model import Kind
from sidespand.redaction import Target, bodies
from tests.attested import Node, Writing
from tests.unit.audit.rewriting import Rewriting, stored_values
from tests.unit.query import samples


def contents(count: int, first: int = 1) -> list[samples.Content]:
    """Return requests of one span each."""
    return [
        samples.spans_content(samples.request(samples.span(number)))
        for number in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node of two generations with a certified key; its store must not be changed."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    made.live(contents(4), every=2)
    made.live(contents(3, 11))
    return made


@pytest.fixture
def copy(node: Node, tmp_path: Path) -> Path:
    """Return a copy of that store, to be damaged."""
    return Path(shutil.copytree(node.data_dir, tmp_path / "copy"))


def audit(data_dir: Path, node: Node, *, pinned: bool = True, kept: tuple[str, ...] = ()) -> Report:
    """Return what a check of a store says."""
    verifier = note.parse_verifier(node.pinned) if pinned else None
    return StoreAudit(data_dir, verifier, kept).run()


def codes(report: Report) -> set[Fault]:
    """Return what was found."""
    return {one.code for one in report.findings}


def test_an_untouched_store_is_sound(node: Node) -> None:
    """Roots, keys and generations are established; what nobody can tell is said."""
    report = audit(node.data_dir, node)

    assert report.findings == []
    (figures,) = report.facts["lineages"]
    assert figures["certified_generations"] == [1, 2]
    assert figures["checkpoints"] == len(node.checkpoints)
    assert figures["uncovered"] is None
    assert figures["newest_checkpoint"] == node.checkpoints[-1]
    assert any("cut off" in sentence for sentence in report.not_established)


def test_without_a_key_the_log_vouches_for_itself(node: Node) -> None:
    """That is said, and nothing is claimed of who wrote it."""
    report = audit(node.data_dir, node, pinned=False)

    assert report.findings == []
    assert any("vouches for itself" in sentence for sentence in report.not_established)
    assert any("which the log itself names" in sentence for sentence in report.established)


def test_records_behind_the_last_checkpoint_are_named(tmp_path: Path) -> None:
    """They rest on the node's word: first and last LSN are given."""
    node = Node(tmp_path / "data")
    node.live(contents(2))
    node.live(contents(3, 11), covered=False)

    report = audit(node.data_dir, node)

    # LINEAGE, GEN, KEY, SESSION, two spans, CHECKPOINT; then GEN, KEY, SESSION, three spans.
    assert report.findings == []
    assert report.facts["lineages"][0]["uncovered"] == {"first_lsn": "8", "last_lsn": "13"}
    assert any("no checkpoint covers LSN 8 to 13" in one for one in report.not_established)


def test_a_long_log_is_checked_over_its_segments(tmp_path: Path) -> None:
    """The tree goes on from one segment to the next."""
    node = Node(tmp_path / "data")
    big = samples.spans_content(samples.request(samples.span(1, name="x" * 400_000)))
    node.live([big] * 8, every=3)

    assert len(Layout(node.data_dir).segments()) > 2
    report = audit(node.data_dir, node)
    assert report.findings == []
    assert report.facts["lineages"][0]["checkpoints"] == 3


def test_a_changed_record_with_new_checksums_breaks_the_next_root(node: Node, copy: Path) -> None:
    """Whoever rewrites a header cannot make the signed root."""

    def change(lsn: int, value: bytes) -> bytes:
        changed = bytearray(value)
        changed[64] ^= 1
        return with_header_checksum(bytes(changed)) if lsn == 5 else value

    Rewriting(copy).values(change)

    report = audit(copy, node)
    assert Fault.ROOT_MISMATCH in codes(report)
    assert report.facts["lineages"][0]["checkpoints"] < len(node.checkpoints)


def with_header_checksum(value: bytes) -> bytes:
    """Return a value of a record without edges with its first checksum made anew."""
    proved = value[: record.HEADER_BYTES]
    return record.assemble(proved, value[148:164], int.from_bytes(value[164:168]), value[168:])


def test_a_dropped_and_relinked_record_is_noticed(node: Node, copy: Path) -> None:
    """Renumbering the later records to close the hole does not help against what was signed."""
    relinked = {}
    for lsn, value in stored_values(copy).items():
        changed = bytearray(value)
        if lsn > 6:
            changed[16:24] = (int.from_bytes(value[16:24]) - 1).to_bytes(8)
            changed[24:32] = (int.from_bytes(value[24:32]) - 1).to_bytes(8)
        if lsn != 6:
            relinked[lsn - (lsn > 6)] = with_header_checksum(bytes(changed))
    Rewriting(copy).replace(relinked)

    # The checkpoints behind the hole count one record more than there is before them.
    assert Fault.CHECKPOINT_INVALID in codes(audit(copy, node))


def test_a_dropped_record_leaves_a_gap(node: Node, copy: Path) -> None:
    """LSNs are dense, so a hole is a finding of its own."""
    Rewriting(copy).values(lambda lsn, value: None if lsn == 6 else value)

    report = audit(copy, node)

    assert Fault.GAP in codes(report)
    assert any("LSN 6 to 6" in one.message for one in report.findings)


def test_swapped_records_are_noticed(node: Node, copy: Path) -> None:
    """Each says where it belongs."""
    five, six = (stored_values(copy)[lsn] for lsn in (5, 6))
    Rewriting(copy).values(lambda lsn, value: six if lsn == 5 else five if lsn == 6 else value)

    assert Fault.WRONG_PLACE in codes(audit(copy, node))


def test_a_cut_end_takes_a_kept_checkpoint_to_notice(node: Node, copy: Path) -> None:
    """From inside, an earlier state of the store is as good as any; from outside it is not."""
    cut = Rewriting(copy).cut(record_count=7)

    assert cut
    report = audit(copy, node)
    assert report.findings == []
    assert any("cut off" in sentence for sentence in report.not_established)
    behind = audit(copy, node, kept=(node.checkpoints[-1],))
    assert codes(behind) >= {Fault.CHECKPOINT_AHEAD}


def test_a_kept_checkpoint_of_an_untouched_store_is_met(node: Node) -> None:
    """All of them are of this log."""
    report = audit(node.data_dir, node, kept=tuple(node.checkpoints))

    assert report.findings == []
    met = [one for one in report.established if "kept elsewhere is of this log" in one]
    assert len(met) == len(node.checkpoints)


def test_a_kept_checkpoint_that_was_changed_is_not_believed(node: Node) -> None:
    """Its signature does not hold, and its root is not that of the log."""
    lines = node.checkpoints[0].split("\n")
    lines[2] = note.encode_base64(bytes(32))

    report = audit(node.data_dir, node, kept=("\n".join(lines), "not a note"))

    assert codes(report) == {Fault.ROOT_MISMATCH, Fault.CHECKPOINT_INVALID, Fault.MALFORMED}


def test_a_log_written_anew_with_other_keys_needs_the_pinned_one(tmp_path: Path) -> None:
    """It fits together, so only who pinned the node's key can tell."""
    real, forged = Node(tmp_path / "real"), Node(tmp_path / "forged")
    real.live(contents(2))
    forged.live(contents(2))

    assert audit(forged.data_dir, real, pinned=False).findings == []
    assert codes(audit(forged.data_dir, real)) == {Fault.KEY_UNCERTIFIED}


@pytest.mark.parametrize("certified_first", [True, False])
def test_a_stripped_certificate_is_noticed(tmp_path: Path, certified_first: bool) -> None:  # noqa: FBT001 -- a case.
    """Once a node certifies, each later generation must be; before it had a key, none could."""
    node = Node(tmp_path / "data")
    key = node.key
    node.key = key if certified_first else None
    node.live(contents(2))
    node.key = None if certified_first else key
    node.live(contents(2, 11))
    node.key = key

    report = audit(node.data_dir, node)

    expected = {Fault.KEY_UNCERTIFIED} if certified_first else set()
    assert codes(report) == expected
    if not certified_first:
        assert any("before the node had its key" in one for one in report.not_established)


def test_a_checkpoint_of_a_stranger_is_noticed(tmp_path: Path) -> None:
    """Another key than the generation's signed it, whatever it calls itself."""
    node = Node(tmp_path / "data")
    stranger = Signer.generate("somebody")

    async def sign_as_stranger(writing: Writing) -> None:
        store = writing.store
        head = store.head
        name = origin(node.identity, head.lineage)
        found = Checkpoint(name, head.record_count, merkle.root(head.hashes))
        body = checkpoint_body(sign(found, stranger), writing.key_body)
        await store.append_control(Kind.CHECKPOINT, body)

    node.open(sign_as_stranger)

    assert codes(audit(node.data_dir, node)) == {Fault.CHECKPOINT_INVALID}


def test_a_second_key_in_a_generation_is_noticed(tmp_path: Path) -> None:
    """A generation has one key."""
    node = Node(tmp_path / "data")

    async def state_another(writing: Writing) -> None:
        store = writing.store
        head = store.head
        other = Signer.generate(origin(node.identity, head.lineage))
        body = key_body(head.lineage, head.boot_generation, bytes(16), other, node.key)
        await store.append_control(Kind.KEY, body)

    node.open(state_another)

    assert codes(audit(node.data_dir, node)) == {Fault.KEY_INVALID}


def test_a_generation_s_row_must_be_its_record(node: Node, copy: Path) -> None:
    """Who wrote a record is read from there, and it has no checksum of its own."""
    row = msgpack.packb({"source_node_ref": "node://mallory@host"})
    Rewriting(copy).state({keys.generation_key(1): row})

    report = audit(copy, node)

    assert codes(report) == {Fault.STATE_DAMAGED}
    assert "generation 1" in report.findings[0].message


def redact(node: Node, lsn: int, *, declared: bool) -> None:
    """Take the payload of a record of a closed store, and say so or not."""
    (segment,) = Layout(node.data_dir).segments()
    if declared:
        target = Target(1, segment.lineage, lsn, lsn, ())
        (body,) = bodies("alice", "a secret", [target])

        async def declare(writing: Writing) -> None:
            await writing.store.append_control(Kind.REDACT, body)
            await writing.checkpoint()

        node.open(declare)
    Rewriting(node.data_dir).values(
        lambda at, value: value[: record.HEADER_BYTES + 4] if at == lsn else value
    )


@pytest.mark.parametrize("declared", [True, False])
def test_a_payload_that_is_gone_must_be_declared(tmp_path: Path, declared: bool) -> None:  # noqa: FBT001 -- a case.
    """Redaction leaves every root as it was; a REDACT record says why, or it is a finding."""
    node = Node(tmp_path / "data")
    node.live(contents(3))
    redact(node, 5, declared=declared)

    report = audit(node.data_dir, node, kept=tuple(node.checkpoints))

    assert codes(report) == (set() if declared else {Fault.REDACTION_UNDECLARED})
    assert report.facts["lineages"][0]["redacted_records"] == 1
    assert any("what the 1 redacted record held" in one for one in report.not_established)


def test_lineages_point_to_their_parents(tmp_path: Path) -> None:
    """A copy that goes on names the end and the root of what it left, and both must be there."""
    node = Node(tmp_path / "data")
    node.live(contents(2))
    clone = Node(Path(shutil.copytree(node.data_dir, tmp_path / "clone")))
    clone.key = node.key
    clone.live(contents(2, 11), accept_move=True)

    report = audit(clone.data_dir, node)
    assert report.findings == []
    assert len(report.facts["lineages"]) == 2

    parent, child = Layout(clone.data_dir).segments()
    remove(Layout(clone.data_dir).path(parent))
    assert codes(audit(clone.data_dir, node)) == {Fault.SEGMENT_MISSING}
    shutil.copytree(node.data_dir / "seg", clone.data_dir / "seg", dirs_exist_ok=True)
    assert audit(clone.data_dir, node).findings == []
    assert child.lineage != parent.lineage


def test_segments_that_go_without_a_word_leave_a_gap(tmp_path: Path) -> None:
    """What TRIM declares is no finding; up to where no root can be made is said."""
    node = Node(tmp_path / "data")
    big = samples.spans_content(samples.request(samples.span(1, name="x" * 400_000)))
    node.live([big] * 9, every=2)
    layout = Layout(node.data_dir)
    oldest, following, *_ = layout.segments()
    manifest = layout.read_manifest()
    assert manifest is not None
    layout.write_manifest(replace(manifest, segments=manifest.segments[1:]))
    remove(layout.path(oldest))
    silent = audit(node.data_dir, node)

    async def declare(writing: Writing) -> None:
        body = {
            "ordinal": 1,
            "lineage": oldest.lineage,
            "first_lsn": 1,
            "last_lsn": following.first_lsn - 1,
            "reason": "age",
        }
        await writing.store.append_control(Kind.TRIM, body)
        await writing.checkpoint()

    node.open(declare)
    declared = audit(node.data_dir, node)

    assert codes(silent) == {Fault.GAP}
    assert declared.findings == []
    (figures,) = declared.facts["lineages"]
    assert figures["trimmed_to_lsn"] == str(following.first_lsn)
    assert any("it was trimmed" in one for one in declared.not_established)
    # The tree goes on from what the oldest segment kept of it.
    assert any("the records make every root" in one for one in declared.established)


def test_a_manifest_that_was_changed_is_named(node: Node, copy: Path) -> None:
    """Another store's, or none: the segments are read all the same."""
    path = Layout(copy).manifest_path
    manifest = Layout(copy).read_manifest()
    assert manifest is not None
    Layout(copy).write_manifest(replace(manifest, store_id="0" * 32))
    assert codes(audit(copy, node)) == {Fault.STORE_DAMAGED}
    path.write_text("{")
    report = audit(copy, node)
    assert codes(report) == {Fault.STORE_DAMAGED}
    assert report.facts["lineages"][0]["checkpoints"] == len(node.checkpoints)


@pytest.mark.slow
def test_a_running_store_is_checked_up_to_its_head(tmp_path: Path) -> None:
    """Nothing of it is disturbed, and nothing is wrong with what is still to come."""
    node = Node(tmp_path / "data")

    async def check(writing: Writing) -> None:
        for content in contents(3):
            await writing.record(content)
            report = await asyncio.to_thread(audit_of_running, node)
            assert report["ok"] is True
            assert report["facts"]["lineages"][0]["last_lsn"] == str(writing.store.head.last_lsn)

    node.open(check)


def audit_of_running(node: Node) -> dict[str, Any]:
    """Return the report of another process: LMDB opens a file once in each."""
    command = [sys.executable, "-m", "sidespand", "verify", str(node.data_dir), "--json"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


@pytest.mark.slow
def test_any_one_bit_of_the_kept_tree_is_noticed(node: Node, copy: Path) -> None:
    """The head's row has a checksum; with a new one, the records make another tree."""
    (segment,) = Layout(copy).segments()
    path = Layout(copy).path(segment)
    reader = SegmentReader(path, locked=False)
    row = reader.row(keys.HEAD)
    reader.close()
    assert row is not None
    head = decode_head(row)
    for place in range(len(row)):
        changed = bytearray(row)
        changed[place] ^= 1 << (place % 8)
        Rewriting(copy).state({keys.HEAD: bytes(changed)})
        assert Fault.STATE_DAMAGED in codes(audit(copy, node)), place
        if place % 16 == 0:
            hashes = [bytearray(one) for one in head.hashes]
            hashes[place % len(hashes)][place % 32] ^= 1
            forged = replace(head, hashes=tuple(map(bytes, hashes)))
            Rewriting(copy).state({keys.HEAD: encode_head(forged)})
            assert codes(audit(copy, node)) == {Fault.STATE_DAMAGED}, place
