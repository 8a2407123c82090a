"""Checkpoints: the size and root of one lineage's tree, signed by the key of its generation.

    <origin>        the log's name: [deployment/]node/lineage, also the name of the key
    <size>          decimal
    <root>          base64 of 32 bytes

Whoever keeps one can show later that the log still begins with what it then held. No extension
lines are written: nobody could audit them.
Source: C2SP tlog-checkpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sidespand.evidence import note
from sidespand.evidence.failures import Malformed
from sidespand.evidence.note import Signer, Verifier
from sidespand.evidence.proofs import SIZE_MAX
from sidespand.merkle import HASH_BYTES
from sidespand.model import NodeIdentity

_DECIMAL_DIGITS_MAX = len(str(SIZE_MAX))
_BODY_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a tree.

    Args:
        origin: The log's name.
        size: Leaves; that is records, not items.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes


def node_name(identity: NodeIdentity) -> str:
    """Return the name of a node's key: its deployment and node reference as a schema-less URL."""
    references = (identity.deployment_ref, identity.source_node_ref)
    return "/".join(
        quote(reference.rpartition("://")[2].strip("/") or reference, safe="/:@~")
        for reference in references
        if reference
    )


def origin(identity: NodeIdentity, lineage: bytes) -> str:
    """Return the name of one of a node's logs."""
    return f"{node_name(identity)}/{lineage.hex()}"


def body(checkpoint: Checkpoint) -> str:
    """Return the text that is signed."""
    root = note.encode_base64(checkpoint.root)
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"


def parse_body(text: str) -> Checkpoint:
    """Return the checkpoint in a note's text; extension lines are passed over.

    Raises:
        Malformed: It is not one.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < _BODY_LINES or not all(lines):
        raise Malformed("a checkpoint has at least three lines, none empty")
    size = parse_decimal(lines[1])
    root = note.decode_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise Malformed(f"the checkpoint's root has {len(root)} bytes instead of {HASH_BYTES}")
    return Checkpoint(lines[0], size, root)


def sign(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the signed checkpoint."""
    return note.sign(body(checkpoint), [signer])


def checkpoint_body(signed: str, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a CHECKPOINT record.

    Args:
        signed: The checkpoint.
        key: Body of the generation's KEY record: its checkpoints outlive the trim of that.
    """
    return {"checkpoint": signed, "key": dict(key)}


def parse_checkpoint_body(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the signed checkpoint and the key body in a CHECKPOINT record, neither checked.

    Raises:
        Malformed: One of them is missing.
    """
    signed, key = body.get("checkpoint"), body.get("key")
    if not isinstance(signed, str) or not isinstance(key, Mapping):
        raise Malformed("the CHECKPOINT record holds no checkpoint with its key")
    return signed, key


def verify(signed: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Return the checkpoint of a note that at least one of ``verifiers`` signed.

    Raises:
        Malformed: It is no signed checkpoint.
        NotVerified: No given key signed it, or a signature does not hold.
    """
    parsed = note.parse(signed)
    found = parse_body(parsed.text)
    note.verify(parsed, verifiers)
    return found


def parse_decimal(text: str) -> int:
    """Return a count in decimal without leading zeros, at most 2**63 - 1.

    Raises:
        Malformed: It is anything else.
    """
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise Malformed("a count is not plain decimal")
    if len(text) > _DECIMAL_DIGITS_MAX or int(text) > SIZE_MAX:
        raise Malformed("a count is out of range")
    return int(text)
