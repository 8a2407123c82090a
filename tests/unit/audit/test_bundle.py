"""A proof bundle shows one record offline, and nothing of it can be changed unnoticed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidespand.audit import bundle
from sidespand.audit.bundle import Bundle
from sidespand.audit.report import Fault
from sidespand.evidence import note
from sidespand.evidence.failures import Malformed
from sidespand.evidence.note import Signer
from sidespand.journal.reader import JournalReader
from sidespand.limits import BUNDLE_BYTES_MAX
from sidespand.model import Record
from sidespand.query.coverage import cover
from tests.attested import Node
from tests.journals import records_of
from tests.unit.query import samples


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node with some covered records."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    made.live(
        [
            samples.spans_content(samples.request(samples.span(n), samples.span(n + 100)))
            for n in range(1, 6)
        ]
    )
    return made


def made(node: Node, index: int = -3, *, with_payload: bool = True) -> Bundle:
    """Return the bundle of one of a node's records."""
    reader = JournalReader(node.data_dir)
    record = records_of(node.data_dir)[index]
    position = record.position
    value = reader.value(position.lineage, position.lsn)
    assert value is not None
    coverage = cover(reader, record, None)
    reader.close()
    return bundle.bundle(value, str(position), coverage, with_payload=with_payload)


def document(node: Node) -> dict[str, Any]:
    """Return a bundle with its payload as JSON has it."""
    parsed: dict[str, Any] = json.loads(bundle.text(made(node)))
    return parsed


def faults(found: dict[str, Any] | str, node: Node) -> set[Fault]:
    """Return what a check of a bundle finds, with the node's key pinned."""
    text = found if isinstance(found, str) else json.dumps(found)
    report = bundle.verify(text.encode(errors="surrogatepass"), note.parse_verifier(node.pinned))
    return {one.code for one in report.findings}


def test_every_covered_record_has_a_proof(node: Node) -> None:
    """Each verifies with the node's key alone, and gives the record back."""
    records = records_of(node.data_dir)
    for index, record in enumerate(records[:-1]):
        found = made(node, index)
        assert bundle.parse(bundle.text(found).encode()) == found
        report = bundle.verify(bundle.text(found).encode(), note.parse_verifier(node.pinned))
        assert report.findings == []
        assert (found.record().leaf, found.record().payload) == (record.leaf, record.payload)


def test_the_newest_checkpoint_itself_has_none(node: Node) -> None:
    """Nothing covers it, and the reason is given."""
    reader = JournalReader(node.data_dir)
    coverage = cover(reader, records_of(node.data_dir)[-1], None)
    reader.close()

    assert coverage.signed is None
    assert coverage.reason == "no checkpoint was signed since"


def test_a_bundle_says_what_it_does_not_show(node: Node) -> None:
    """Without a key, who signed; without the payload, what was recorded."""
    bare = bundle.text(made(node, with_payload=False))
    report = bundle.verify(bare.encode(), None)

    assert report.findings == []
    assert "payload" not in json.loads(bare)
    assert any("vouches for itself" in one for one in report.not_established)
    assert any("what the record's payload was" in one for one in report.not_established)


def altered(value: bytes) -> Iterator[bytes]:
    """Yield a value with each of its bits turned, one at a time."""
    for place in range(len(value)):
        for bit in range(8):
            changed = bytearray(value)
            changed[place] ^= 1 << bit
            yield bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["record", "salt", "payload"])
def test_any_one_bit_of_record_salt_or_payload_is_noticed(node: Node, name: str) -> None:
    """The leaf is in no tree, or the payload is not the one that was bound."""
    whole = document(node)
    for changed in altered(note.decode_base64(whole[name])):
        assert faults({**whole, name: note.encode_base64(changed)}, node)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proof", "key"])
def test_any_one_bit_of_proof_checkpoint_or_key_is_noticed(node: Node, name: str) -> None:
    """Index, path, size, root, names and signatures: each is covered by a signature or the tree."""
    whole = document(node)
    for changed in altered(whole[name].encode()):
        assert faults({**whole, name: changed.decode(errors="surrogateescape")}, node)


def test_a_checkpoint_without_its_signature_is_noticed(node: Node) -> None:
    """Stripped lines leave no note, or one that nobody signed."""
    whole = document(node)
    body, _, _ = whole["proof"].rpartition("\n\n")
    stranger = Signer.generate("somebody")
    signed = body.rpartition("\n\n")[2] + "\n"

    assert faults({**whole, "proof": body + "\n"}, node) == {Fault.CHECKPOINT_INVALID}
    resigned = f"{body}\n\n{stranger.line(signed)}"
    assert faults({**whole, "proof": resigned}, node) == {Fault.CHECKPOINT_INVALID}


def test_a_key_without_the_node_s_signature_is_noticed(node: Node) -> None:
    """The generation vouches for itself then, which is not what was asked."""
    whole = document(node)
    lines = whole["key"].splitlines(keepends=True)
    assert len(lines) == 8

    assert faults({**whole, "key": "".join(lines[:-1])}, node) == {Fault.KEY_UNCERTIFIED}
    assert faults({**whole, "key": "".join(lines[:-2])}, node) == {Fault.KEY_INVALID}


def test_the_key_of_another_node_is_refused(node: Node, tmp_path: Path) -> None:
    """A bundle shows nothing to who pinned another key."""
    other = Node(tmp_path / "data", "b")

    assert faults(document(node), other) == {Fault.KEY_UNCERTIFIED}


def test_parts_of_two_bundles_make_none(node: Node) -> None:
    """Key, proof and record of other places do not fit together."""
    first, second = json.loads(bundle.text(made(node, 5))), document(node)

    assert faults({**second, "proof": first["proof"]}, node) == {Fault.NOT_INCLUDED}
    swapped = faults({**second, "record": first["record"]}, node)
    assert swapped == {Fault.NOT_INCLUDED, Fault.PAYLOAD_COMMITMENT, Fault.WRONG_PLACE}
    assert faults({**second, "position": first["position"]}, node) == {Fault.WRONG_PLACE}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"schema": "sidespan-proof/2"}', "[" * 100_000],
    ids=["nothing", "cut", "list", "empty", "later", "deep"],
)
def test_what_is_no_bundle_is_malformed(node: Node, text: str) -> None:
    """Any bytes are taken, and nothing of them is believed."""
    assert faults(text, node) == {Fault.MALFORMED}


def test_fields_of_another_kind_are_malformed(node: Node) -> None:
    """A number for a text, a field of none of ours, salt without payload."""
    whole = document(node)
    for name in ("position", "record", "proof", "key", "salt"):
        assert faults({**whole, name: 7}, node) == {Fault.MALFORMED}
    assert faults({**whole, "more": ""}, node) == {Fault.MALFORMED}
    assert faults({k: v for k, v in whole.items() if k != "payload"}, node) == {Fault.MALFORMED}
    assert faults({**whole, "salt": note.encode_base64(bytes(15))}, node) == {Fault.MALFORMED}
    with pytest.raises(Malformed, match="over"):
        bundle.parse(b" " * (BUNDLE_BYTES_MAX + 1))


def test_a_redacted_record_is_still_proved(node: Node) -> None:
    """Payload and salt are gone; header and edges are what the leaf covers."""
    reader = JournalReader(node.data_dir)
    record: Record = records_of(node.data_dir)[-3]
    value = reader.value(record.position.lineage, record.position.lsn)
    assert value is not None
    coverage = cover(reader, record, None)
    reader.close()
    header_alone = value[: 144 + 52 * len(record.edges) + 4]

    found = bundle.bundle(header_alone, str(record.position), coverage, with_payload=True)

    assert found.payload is None
    assert faults(bundle.text(found), node) == set()
