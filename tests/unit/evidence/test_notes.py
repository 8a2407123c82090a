"""Signed notes, checkpoints and proofs: the published vectors, and every kind of damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.evidence import checkpoint, note, proofs, tlog_proof
from sidespand.evidence.checkpoint import Checkpoint
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.note import Signer
from sidespand.evidence.tlog_proof import TlogProof
from sidespand.merkle import leaf_hash
from sidespand.model import NodeIdentity

# The vectors of golang.org/x/mod/sumdb/note, which C2SP's signed-note describes.
PETER = note.parse_verifier("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = note.parse_verifier("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox3"
    "3WWd1RvMc+QQ=\n"
)
# Checkpoints that a public log signed, by their sizes.
GO_SUM = note.parse_verifier("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
GO_CHECKPOINTS = {
    31700353: (
        "go.sum database tree\n31700353\nqINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=\n\n"
        "— sum.golang.org Az3grnmrIUEDFqHzAElIQCPNoRFRAAdFo47fooyWKMHb89k11GJh5zHIfNCOBmwn/C3YI8o"
        "W9/C8DJ87F61QqspBYwM=\n"
    ),
    49189689: (
        "go.sum database tree\n49189689\nftjbAOzaupaIvaPo/G+Dk63nxOZ2s1OPOKIaPtXs7S4=\n\n"
        "— sum.golang.org Az3grlKZssqRoMNPpZfKt0TphbbcF+pzXqElURJKRNFKfaUAgqeI5k2AORH0QAhg/ebRwyI"
        "qD/OqP4oLtLnNumvOBAM=\n"
    ),
    65209736: (
        "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n"
        "— sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cV"
        "tYspg3dxXABkGZZKdsQ8=\n"
    ),
}
SIGNER = Signer.generate("example.com/node/00112233445566aa")
TREE = [leaf_hash(bytes([number])) for number in range(13)]


def signed_proof(index: int, extra: bytes = b"") -> str:
    """Return the proof text of a leaf of TREE."""
    subtree = proofs.subtrees(TREE.__getitem__)
    head = Checkpoint(SIGNER.verifier.name, len(TREE), proofs.tree_root(subtree, len(TREE)))
    path = tuple(proofs.inclusion(subtree, index, len(TREE)))
    return tlog_proof.text(TlogProof(index, path, checkpoint.sign(head, SIGNER), extra))


def test_the_published_note_is_signed_byte_for_byte() -> None:
    """Ed25519 is deterministic: the published key makes the published note."""
    assert note.sign(TEXT, [note.parse_signer(PETER_KEY)]) == f"{TEXT}\n{PETER_LINE}"


def test_keys_are_written_as_they_are_read() -> None:
    """Both texts of a key round trip."""
    assert str(PETER) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert note.parse_signer(PETER_KEY).text() == PETER_KEY
    assert note.parse_verifier(str(SIGNER.verifier)) == SIGNER.verifier


def test_known_keys_are_verified_and_others_passed_over() -> None:
    """A note of two signers verifies for either key, and for both in the order of the lines."""
    parsed = note.parse(f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode())

    assert parsed.text == TEXT
    assert note.verify(parsed, [PETER]) == (PETER,)
    assert note.verify(parsed, [ENOCH, PETER]) == (PETER, ENOCH)
    with pytest.raises(NotVerified):
        note.verify(parsed, [SIGNER.verifier])
    with pytest.raises(NotVerified):
        note.verify(parsed, [])


def test_a_bad_signature_of_a_known_key_is_not_passed_over() -> None:
    """One line of a known key that does not hold refuses the note, whatever others say."""
    broken = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    parsed = note.parse(f"{TEXT}\n{ENOCH_LINE}{broken}".encode())

    assert note.verify(parsed, [ENOCH]) == (ENOCH,)
    with pytest.raises(NotVerified, match="PeterNeumann"):
        note.verify(parsed, [ENOCH, PETER])


def test_a_key_with_the_same_id_under_another_name_is_another_key() -> None:
    """Name and id together name a key."""
    renamed = PETER_LINE.replace("PeterNeumann", "PeterNeuman")

    with pytest.raises(NotVerified, match="none of the 1"):
        note.verify(note.parse(f"{TEXT}\n{renamed}".encode()), [PETER])


@pytest.mark.parametrize(
    "malformed",
    [
        TEXT,
        TEXT + "\n",
        f"{TEXT}\n{PETER_LINE[:-1]}",
        f"\x01{TEXT}\n{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad Name')}",
        f"{TEXT}\n{PETER_LINE}Unexpected line.\n",
        f"{TEXT}\n{PETER_LINE * 101}",
        f"{TEXT}\n{PETER_LINE.replace('nAM=', 'nAN=')}",
        f"{TEXT}\n— PeterNeumann x08gow==\n",
        "x" * 200_000 + f"\n\n{PETER_LINE}",
        "",
    ],
)
def test_malformed_notes(malformed: str) -> None:
    """What is not a note is Malformed, the published bad ones among them."""
    with pytest.raises(Malformed):
        note.parse(malformed.encode())


def test_a_note_is_utf_8() -> None:
    """Other bytes are Malformed."""
    with pytest.raises(Malformed):
        note.parse(b"\xff" + f"{TEXT}\n{PETER_LINE}".encode())


def test_mangled_keys_are_refused() -> None:
    """No part of a key's text is a key, and no changed character goes unnoticed."""
    for text, parse in ((str(PETER), note.parse_verifier), (PETER_KEY, note.parse_signer)):
        cuts = [text[:end] for end in range(len(text))] + [text[at:] for at in range(1, len(text))]
        changed = [text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))]
        for mangled in [*cuts, *changed]:
            with pytest.raises(Malformed):
                parse(mangled)


@pytest.mark.parametrize(
    "key",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_keys_of_other_kinds_are_refused(key: str) -> None:
    """A key of another length or algorithm is refused even when its id fits."""
    with pytest.raises(Malformed):
        note.parse_verifier(key)


@pytest.mark.parametrize(("size", "signed"), GO_CHECKPOINTS.items())
def test_checkpoints_of_a_public_log(size: int, signed: str) -> None:
    """What a real log signed verifies with its published key."""
    found = checkpoint.verify(signed.encode(), [GO_SUM])

    assert (found.origin, found.size) == ("go.sum database tree", size)
    with pytest.raises(NotVerified):
        checkpoint.verify(signed.replace(str(size), str(size + 1)).encode(), [GO_SUM])


def test_the_published_form_of_a_checkpoint() -> None:
    """The example of C2SP's tlog-checkpoint is read and written alike."""
    example = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )

    found = checkpoint.parse_body(example)

    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.body(found) == example
    assert checkpoint.parse_body(example + "an extension\n") == found


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "\n",
        "log\n1\n",
        "\n1\n" + "A" * 43 + "=\n",
        "log\n01\n" + "A" * 43 + "=\n",
        "log\n-1\n" + "A" * 43 + "=\n",
        "log\n\N{ARABIC-INDIC DIGIT ONE}\n" + "A" * 43 + "=\n",
        "log\n" + "9" * 5000 + "\n" + "A" * 43 + "=\n",
        "log\n9223372036854775808\n" + "A" * 43 + "=\n",
        "log\n1\nAAAA\n",
        "log\n1\n" + "A" * 43 + "=\n\n",
    ],
)
def test_malformed_checkpoints(malformed: str) -> None:
    """What is not a checkpoint is Malformed."""
    with pytest.raises(Malformed):
        checkpoint.parse_body(malformed)


def test_a_log_is_named_as_a_url_without_scheme() -> None:
    """The origin holds neither spaces nor plus signs, whatever the operator called the node."""
    identity = NodeIdentity(
        "node://a b+c@host/1", "instance", deployment_ref="deployment://prod/eu"
    )

    name = checkpoint.origin(identity, bytes.fromhex("00112233445566aa"))

    assert name == "prod/eu/a%20b%2Bc@host/1/00112233445566aa"
    assert note.is_key_name(name)


def test_a_proof_verifies_with_the_key_alone() -> None:
    """From its text, the leaf and the verifier key, a proof leads to the covering checkpoint."""
    for index, leaf in enumerate(TREE):
        parsed = tlog_proof.parse(signed_proof(index, b"header").encode())
        assert parsed.extra == b"header"
        assert tlog_proof.verify(parsed, leaf, [SIGNER.verifier]).size == len(TREE)
        with pytest.raises(NotVerified, match="is not leaf"):
            tlog_proof.verify(parsed, TREE[index - 1], [SIGNER.verifier])
        with pytest.raises(NotVerified, match="none of the 1"):
            tlog_proof.verify(parsed, leaf, [PETER])


def test_a_tree_of_one_record_has_an_empty_path() -> None:
    """The only leaf is the root."""
    head = Checkpoint("log", 1, TREE[0])
    text = tlog_proof.text(TlogProof(0, (), checkpoint.sign(head, SIGNER)))

    assert tlog_proof.verify(tlog_proof.parse(text.encode()), TREE[0], [SIGNER.verifier]) == head


@given(st.data())
def test_every_changed_bit_of_a_proof_is_noticed(data: st.DataObject) -> None:
    """One flipped bit anywhere in the text is Malformed or NotVerified, never a proof."""
    text = signed_proof(6).encode()
    at = data.draw(st.integers(0, len(text) * 8 - 1))
    changed = bytearray(text)
    changed[at // 8] ^= 1 << at % 8

    with pytest.raises((Malformed, NotVerified)):
        tlog_proof.verify(tlog_proof.parse(bytes(changed)), TREE[6], [SIGNER.verifier])


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_parsers_raise_nothing_else(junk: bytes) -> None:
    """Whatever the bytes, the answer is a value or Malformed."""
    for parse in (note.parse, tlog_proof.parse):
        for hostile in (junk, b"c2sp.org/tlog-proof@v1\nindex 1\n" + junk, junk + b"\n\n" + junk):
            try:
                parse(hostile)
            except Malformed:
                continue
