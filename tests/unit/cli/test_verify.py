"""``sidespan verify`` and ``prove``: offline, in a child, with an exit status that scripts read."""

import json
import random
import shutil
import struct
from pathlib import Path

import pytest

from sidespand.journal.layout import Layout
from sidespand.journal.segment_file import inspect
from sidespand.sinks.line_formats import encode_lines
from tests.attested import Node
from tests.journals import records_of
from tests.unit.audit.rewriting import Rewriting
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

SPAN = samples.span_id(2).hex()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node with a small certified store, the end of which nothing covers."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    big = samples.span(9, name="x" * 20_000)
    made.live(
        [samples.spans_content(samples.request(samples.span(n), big)) for n in range(1, 5)], every=2
    )
    made.live([samples.spans_content(samples.request(samples.span(11)))], covered=False)
    return made


@pytest.mark.slow
def test_a_sound_store_is_established(run: Run, node: Node, tmp_path: Path) -> None:
    """With the node's key, as text or as a file, and a checkpoint that was kept elsewhere."""
    key, kept = tmp_path / "node.vkey", tmp_path / "kept"
    key.write_text(node.pinned + "\n")
    kept.write_text(node.checkpoints[0])

    outcome = run("verify", node.data_dir, "--key", key, "--checkpoint", kept)
    report = run("verify", node.data_dir, f"--key={node.pinned}", "--json").document

    assert (outcome.status, outcome.err) == (0, "")
    assert "nothing is wrong" in outcome.out
    assert "kept elsewhere is of this log" in outcome.out
    assert report["ok"] is True
    uncovered = report["facts"]["lineages"][0]["uncovered"]
    assert uncovered["last_lsn"] == str(records_of(node.data_dir)[-1].header.last_lsn)


@pytest.mark.slow
def test_who_watches_is_told_at_once(run: Run, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal stderr names the store before it is read; a program that asks JSON is not."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    assert run("verify", node.data_dir).err.splitlines()[0] == f"reading {node.data_dir}"
    assert run("verify", node.data_dir, "--json").err == ""


@pytest.mark.slow
def test_a_damaged_store_is_named(run: Run, node: Node, tmp_path: Path) -> None:
    """Exit status 1, the place, and what it is."""
    copy = Path(shutil.copytree(node.data_dir, tmp_path / "copy"))
    Rewriting(copy).values(lambda lsn, value: value[:-1] + b"\xff" if lsn == 5 else value)

    outcome = run("verify", copy)
    status, report = outcome.status, run("verify", copy, "--json").document

    assert status == 1
    assert "payload-checksum" in outcome.out
    assert {one["code"] for one in report["findings"]} == {"payload-checksum", "payload-commitment"}
    assert {one["where"].rpartition(":")[2] for one in report["findings"]} == {"5"}


@pytest.mark.fault(10)
@pytest.mark.slow
def test_a_page_that_ends_its_reader_is_a_finding(run: Run, node: Node, tmp_path: Path) -> None:
    """The child dies of it, the answer says so."""
    copy = Path(shutil.copytree(node.data_dir, tmp_path / "copy"))
    layout = Layout(copy)
    path = layout.path(layout.segments()[0])
    data = bytearray(path.read_bytes())
    # The head of an LMDB node: size in two halves, flags (1: on pages of its own), key length, key.
    at = data.rindex(struct.pack("=HH", 1, 8) + struct.pack(">Q", 5)) - 4
    data[at : at + 4] = struct.pack("=HH", 0xFFFF, 0x7FFF)
    path.write_bytes(data)

    report = run("verify", copy, "--json")

    assert report.status == 1
    assert [one["code"] for one in report.document["findings"]] == ["reader-died"]
    assert report.document["established"] == []


@pytest.mark.fault(17)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_bit_of_the_file_is_named_or_changes_nothing(
    run: Run, node: Node, tmp_path: Path, seed: int
) -> None:
    """What is not found is not part of any record, nor of the log's head."""
    copy = Path(shutil.copytree(node.data_dir, tmp_path / "copy"))
    layout = Layout(copy)
    path = layout.path(layout.segments()[0])
    generator = random.Random(seed)
    place = generator.randrange(inspect(path).used_bytes)
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << generator.randrange(8)
    path.write_bytes(data)

    outcome = run("verify", copy, "--json")

    assert outcome.status in (0, 1)
    assert (outcome.status == 1) == bool(outcome.document["findings"])
    if outcome.status == 0:
        assert records_of(copy) == records_of(node.data_dir), place


@pytest.mark.fault(18)
@pytest.mark.slow
def test_a_file_that_was_cut_short_is_named(run: Run, node: Node, tmp_path: Path) -> None:
    """Half of the file is a finding, never a death."""
    copy = Path(shutil.copytree(node.data_dir, tmp_path / "copy"))
    layout = Layout(copy)
    path = layout.path(layout.segments()[0])
    data = path.read_bytes()
    path.write_bytes(data[: inspect(path).used_bytes // 2])

    report = run("verify", copy, "--json").document

    assert {one["code"] for one in report["findings"]} >= {"segment-damaged"}
    path.unlink()
    report = run("verify", copy, "--json").document
    assert "segment-missing" in {one["code"] for one in report["findings"]}


def test_a_proof_verifies_with_the_node_s_key_alone(run: Run, node: Node, tmp_path: Path) -> None:
    """``prove`` writes it, ``verify`` needs neither store nor daemon."""
    proof = tmp_path / "span.proof"

    made = run("prove", SPAN, "-o", proof, "--with-payload", "--data", node.data_dir)
    outcome = run("verify", proof, "--key", node.pinned)
    printed = run("prove", SPAN, "--data", node.data_dir)

    assert (made.status, made.out) == (0, "")
    assert outcome.status == 0
    assert "the payload of" in outcome.out
    assert "certified the key of generation 1" in outcome.out
    assert "payload" not in printed.document
    damaged = json.loads(proof.read_text())
    damaged["payload"] = damaged["payload"][:-8] + "AAAAAAA="
    proof.write_text(json.dumps(damaged))
    assert run("verify", proof, "--key", node.pinned).status == 1


def test_what_nothing_covers_cannot_be_proved_yet(run: Run, node: Node) -> None:
    """Exit status 1 with the reason, and nothing on stdout; the receipt says the same."""
    outcome = run("prove", "last", "--data", node.data_dir)
    receipt = run("receipt", "last", "--json", "--data", node.data_dir).document

    assert (outcome.status, outcome.out) == (1, "")
    assert "no checkpoint was signed since" in outcome.err
    assert (receipt["covered"], receipt["inclusion"]) == (False, None)
    assert receipt["uncovered_reason"] == "no checkpoint was signed since"


def test_a_receipt_names_the_checkpoint_that_covers_it(run: Run, node: Node) -> None:
    """With its note, its key, who certified it, and the path."""
    receipt = run("receipt", SPAN, "--json", "--data", node.data_dir, "--key", node.pinned).document
    text = run("receipt", SPAN, "--data", node.data_dir).out

    assert receipt["covered"] is True
    assert receipt["checkpoint"]["note"] == node.checkpoints[0]
    assert receipt["checkpoint"]["certified_by"] == node.pinned
    assert receipt["key_pinned"] is True
    assert receipt["inclusion"]["leaf_index"] == receipt["record"]["record_index"]
    assert "certified by a node key that the log itself names" in text


def test_a_receipt_of_any_position(run: Run, node: Node) -> None:
    """A control record has one, too; a record lists its items."""
    lineage = records_of(node.data_dir)[0].header.lineage.hex()

    key = run("receipt", f"{lineage}:3", "--json", "--data", node.data_dir).document
    whole = run("receipt", f"{lineage}:5", "--record", "--json", "--data", node.data_dir).document

    assert (key["kind"], key["span_id"], key["node_order_evidence"]) == ("key", None, {})
    assert [item["lsn"] for item in whole["items"]] == ["5", "6"]
    assert whole["items"][0]["span_id"] == samples.span_id(1).hex()
    for missing in (f"{lineage}:999", f"{'0' * 16}:1"):
        outcome = run("receipt", missing, "--data", node.data_dir)
        assert (outcome.status, outcome.out) == (1, "")
        assert "hint: " in outcome.err


def test_an_exported_file_is_checked(run: Run, node: Node, tmp_path: Path) -> None:
    """The lines of a jsonl sink: what fits together, and that they carry no leaf."""
    file = tmp_path / "spans.jsonl"
    lines = [
        line
        for record in records_of(node.data_dir)
        if record.header.kind == 1
        for _, line in encode_lines(record, "node://a@host")
    ]
    file.write_bytes(b"".join(lines))
    outcome = run("verify", file)
    file.write_bytes(b"".join(reversed(lines)))

    assert outcome.status == 0
    assert "it carries no leaf" in outcome.out
    assert run("verify", file).status == 1


@pytest.mark.parametrize("what", ["nothing", "empty directory", "bad key"])
def test_what_cannot_be_checked_is_an_error(
    run: Run, node: Node, tmp_path: Path, what: str
) -> None:
    """It is told apart from something that is wrong, by what it prints."""
    if what == "nothing":
        outcome = run("verify", tmp_path / "nix")
        assert outcome.status == 1
    elif what == "empty directory":
        assert run("verify", tmp_path).status == 1
        outcome = run("verify", tmp_path, "--child")
        assert outcome.status == 1
    else:
        outcome = run("verify", node.data_dir, "--key", "nonsense")
        assert outcome.status == 2
    assert outcome.out == ""
    assert "hint: " in outcome.err
