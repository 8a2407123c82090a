"""The text of one record's proof: its index, its path in the tree and the covering checkpoint.

    c2sp.org/tlog-proof@v1
    extra <base64>            only when there is some; nothing vouches for it
    index <decimal>
    <base64>                  the path, the leaf's sibling first
    <empty line>
    <signed checkpoint>

Whoever holds the log's verifier key and the record's header and edges can check it offline.
Source: C2SP tlog-proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sidespand.evidence import checkpoint, note
from sidespand.evidence.checkpoint import Checkpoint
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.note import Verifier
from sidespand.evidence.proofs import SIZE_MAX, included
from sidespand.limits import PROOF_BYTES_MAX
from sidespand.merkle import HASH_BYTES

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_HASHES_MAX = SIZE_MAX.bit_length()


@dataclass(frozen=True, slots=True)
class TlogProof:
    """What a proof says, not checked.

    Args:
        index: Of the leaf, from 0.
        path: Hashes of 32 bytes, at most 63.
        checkpoint: The signed note, verbatim.
        extra: What came with it, on nobody's word; empty for none.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""


def text(proof: TlogProof) -> str:
    """Return the proof as it is stored, ``.tlog-proof`` by convention."""
    lines = [_FIRST_LINE]
    if proof.extra:
        lines.append(f"extra {note.encode_base64(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines.extend(note.encode_base64(one) for one in proof.path)
    return "\n".join(lines) + "\n\n" + proof.checkpoint


def parse(data: bytes) -> TlogProof:
    """Return what a proof's text says.

    Raises:
        Malformed: It is not one, or over a bound.
    """
    if len(data) > PROOF_BYTES_MAX:
        raise Malformed(f"the proof has {len(data)} bytes, at most {PROOF_BYTES_MAX} are read")
    try:
        head, blank, signed = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Malformed("the proof is not UTF-8") from None
    lines = head.split("\n")
    if not blank or lines.pop(0) != _FIRST_LINE:
        raise Malformed(f"the proof does not begin with {_FIRST_LINE}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = note.decode_base64(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise Malformed("the proof has no index")
    index = checkpoint.parse_decimal(lines.pop(0).removeprefix("index "))
    path = tuple(note.decode_base64(line) for line in lines)
    if len(path) > _HASHES_MAX or any(len(one) != HASH_BYTES for one in path):
        raise Malformed("the path of the proof is not a list of hashes")
    return TlogProof(index, path, signed, extra)


def verify(proof: TlogProof, leaf: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Return the checkpoint, signed by one of ``verifiers``, that covers ``leaf``.

    Args:
        proof: As parsed.
        leaf: 32 bytes, the leaf hash of the record's header and edges.
        verifiers: Keys that are trusted for this log.

    Raises:
        Malformed: What stands for the checkpoint is not one.
        NotVerified: No given key signed it, a signature does not hold, or the leaf is not there.
    """
    covering = checkpoint.verify(proof.checkpoint.encode(), verifiers)
    if not included(leaf, proof.index, covering.size, proof.path, covering.root):
        raise NotVerified(
            f"the record is not leaf {proof.index} of the tree of {covering.size} records",
            hint="the record, the path or the index was changed",
        )
    return covering
