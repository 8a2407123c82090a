"""Key statements: what a pinned node key vouches for, and what a log says on its own word."""

from collections.abc import Mapping

import pytest

from sidespand.evidence import keys, note
from sidespand.evidence.checkpoint import Checkpoint, node_name
from sidespand.evidence.checkpoint import sign as sign_checkpoint
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.keys import Certified, Statement
from sidespand.evidence.note import Signer, Verifier
from sidespand.model import NodeIdentity

LINEAGE = bytes.fromhex("00112233445566aa")
INCARNATION = bytes(range(16))
NODE = Signer.generate("prod/node-1")
KEY = Signer.generate("prod/node-1/00112233445566aa")
STATEMENT = Statement(LINEAGE, 7, INCARNATION, KEY.verifier)


def verified(body: Mapping[str, object], pinned: Verifier | None) -> Certified:
    """Return what the KEY record of generation 7 states."""
    return keys.verify_key_body(body, LINEAGE, 7, pinned)


def test_a_pinned_node_key_certifies_a_generation() -> None:
    """The statement says whose key it is, and that the pinned key vouches for it."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)

    certified = verified(body, NODE.verifier)

    assert certified.statement == STATEMENT
    assert certified.by == NODE.verifier


def test_without_a_node_key_it_is_the_log_s_own_word() -> None:
    """An uncertified key is read as such, and refused where a key was pinned."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, None)

    assert verified(body, None) == Certified(STATEMENT, None)
    with pytest.raises(NotVerified, match="did not certify"):
        verified(body, NODE.verifier)


def test_another_node_s_certificate_is_refused() -> None:
    """A key that some other node certified is not this node's."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, Signer.generate("prod/node-1"))

    with pytest.raises(NotVerified, match="did not certify"):
        verified(body, NODE.verifier)


def test_a_swapped_key_does_not_hold() -> None:
    """The certificate of one key cannot be put beside another."""
    other = Signer.generate(KEY.verifier.name)
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)
    swapped = {"statement": body["statement"].replace(str(KEY.verifier), str(other.verifier))}

    with pytest.raises(NotVerified):
        verified(swapped, NODE.verifier)
    with pytest.raises(NotVerified):
        verified(swapped, None)


def test_the_node_cannot_speak_for_a_key_that_did_not_sign() -> None:
    """A statement needs the generation's own signature: its writer had the key."""
    text = keys.key_body(LINEAGE, 7, INCARNATION, KEY, None)["statement"].rpartition("\n\n")[0]
    body = {"statement": note.sign(text + "\n", [NODE])}

    with pytest.raises(NotVerified, match="did not sign for itself"):
        verified(body, NODE.verifier)


def test_a_checkpoint_is_not_a_key_statement() -> None:
    """What a key signed for another purpose certifies nothing."""
    body = {"statement": sign_checkpoint(Checkpoint("log", 1, bytes(32)), NODE)}

    with pytest.raises(Malformed):
        verified(body, NODE.verifier)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sidespan/key/1", "sidespan/key/2"),
        ("00112233445566aa", "00112233445566AA"),
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n0\n"),
        ("\n7\n", "\n4294967296\n"),
        ("\n7\n", "\n7\n8\n"),
    ],
)
def test_malformed_statements(old: str, new: str) -> None:
    """A statement of another form is Malformed before any signature is looked at."""
    signed = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)["statement"]

    with pytest.raises(Malformed):
        verified({"statement": signed.replace(old, new, 1)}, NODE.verifier)


@pytest.mark.parametrize("body", [{}, {"statement": 7}, {"statement": "\ud800"}])
def test_hostile_bodies(body: dict[str, object]) -> None:
    """A body of another shape is Malformed."""
    with pytest.raises(Malformed):
        verified(body, None)


@pytest.mark.parametrize(("lineage", "generation"), [(bytes(8), 7), (LINEAGE, 8)])
def test_a_statement_counts_only_in_its_own_place(lineage: bytes, generation: int) -> None:
    """A KEY record that was copied from another log or generation is refused."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)

    with pytest.raises(NotVerified, match="speaks for generation 7 of 00112233445566aa"):
        keys.verify_key_body(body, lineage, generation, NODE.verifier)


def test_a_checkpoint_is_of_the_log_that_its_key_is_named_for() -> None:
    """The trusted generation that signed it is named; another log's checkpoint is refused."""
    head = Checkpoint(KEY.verifier.name, 1, bytes(32))
    other = Statement(LINEAGE, 8, INCARNATION, Signer.generate(KEY.verifier.name).verifier)

    found = keys.verify_checkpoint(sign_checkpoint(head, KEY).encode(), [other, STATEMENT])

    assert found == (head, STATEMENT)
    with pytest.raises(NotVerified, match="none of the 1"):
        keys.verify_checkpoint(sign_checkpoint(head, KEY).encode(), [other])
    foreign = Checkpoint("prod/node-2/00112233445566aa", 1, bytes(32))
    with pytest.raises(NotVerified, match="another log"):
        keys.verify_checkpoint(sign_checkpoint(foreign, KEY).encode(), [STATEMENT])


@pytest.mark.parametrize("reference", ["node://", "/", "x", "node://a+b@c/1", "!~"])
def test_every_node_reference_names_a_key(reference: str) -> None:
    """Whatever the configuration takes for a node makes the name of a key."""
    assert note.is_key_name(node_name(NodeIdentity(reference, "instance")))
