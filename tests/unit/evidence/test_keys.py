"""Key statements: what a pinned node key vouches for, and what a log says on its own word."""

import pytest

from sidespand.evidence import keys, note
from sidespand.evidence.checkpoint import Checkpoint
from sidespand.evidence.checkpoint import sign as sign_checkpoint
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.keys import Statement
from sidespand.evidence.note import Signer

LINEAGE = bytes.fromhex("00112233445566aa")
INCARNATION = bytes(range(16))
NODE = Signer.generate("prod/node-1")
KEY = Signer.generate("prod/node-1/00112233445566aa")
STATEMENT = Statement(LINEAGE, 7, INCARNATION, KEY.verifier)


def test_a_pinned_node_key_certifies_a_generation() -> None:
    """The statement says whose key it is, and that the pinned key vouches for it."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)

    certified = keys.verify_key_body(body, NODE.verifier)

    assert certified.statement == STATEMENT
    assert certified.by == NODE.verifier


def test_without_a_node_key_it_is_the_log_s_own_word() -> None:
    """An uncertified key is read as such, and refused where a key was pinned."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, None)

    assert keys.verify_key_body(body, None) == keys.Certified(STATEMENT, None)
    with pytest.raises(NotVerified, match="did not certify"):
        keys.verify_key_body(body, NODE.verifier)


def test_another_node_s_certificate_is_refused() -> None:
    """A key that some other node certified is not this node's."""
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, Signer.generate("prod/node-1"))

    with pytest.raises(NotVerified, match="did not certify"):
        keys.verify_key_body(body, NODE.verifier)


def test_a_swapped_key_does_not_hold() -> None:
    """The certificate of one key cannot be put beside another."""
    other = Signer.generate(KEY.verifier.name)
    body = keys.key_body(LINEAGE, 7, INCARNATION, KEY, NODE)
    swapped = {"statement": body["statement"].replace(str(KEY.verifier), str(other.verifier))}

    with pytest.raises(NotVerified):
        keys.verify_key_body(swapped, NODE.verifier)
    with pytest.raises(NotVerified):
        keys.verify_key_body(swapped, None)


def test_the_node_cannot_speak_for_a_key_that_did_not_sign() -> None:
    """A statement needs the generation's own signature: its writer had the key."""
    text = keys.key_body(LINEAGE, 7, INCARNATION, KEY, None)["statement"].rpartition("\n\n")[0]
    body = {"statement": note.sign(text + "\n", [NODE])}

    with pytest.raises(NotVerified, match="did not sign for itself"):
        keys.verify_key_body(body, NODE.verifier)


def test_a_checkpoint_is_not_a_key_statement() -> None:
    """What a key signed for another purpose certifies nothing."""
    body = {"statement": sign_checkpoint(Checkpoint("log", 1, bytes(32)), NODE)}

    with pytest.raises(Malformed):
        keys.verify_key_body(body, NODE.verifier)


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
        keys.verify_key_body({"statement": signed.replace(old, new, 1)}, NODE.verifier)


@pytest.mark.parametrize("body", [{}, {"statement": 7}, {"statement": "\ud800"}])
def test_hostile_bodies(body: dict[str, object]) -> None:
    """A body of another shape is Malformed."""
    with pytest.raises(Malformed):
        keys.verify_key_body(body, None)
