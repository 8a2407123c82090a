"""Who may sign a log's checkpoints: a key a generation, certified by the node's pinned key.

The private key of a generation lives in memory alone. Its KEY record is the map ``{"statement":
note, "node_key": verifier key}``; the statement is a signed note of five lines:

    sidespan/key/1
    <lineage, 16 hex>
    <boot generation, decimal>
    <incarnation, 32 hex>
    <verifier key of the generation>

The generation's own key signs it, which shows that its writer had the key, and so does the node's
key where the operator has made one; else ``node_key`` is nil, and nobody certifies the key. A
reader who pinned the node's verifier key thus needs nothing else to check every checkpoint. The
first line keeps a statement from being taken for a checkpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidespand.evidence import note
from sidespand.evidence.checkpoint import Checkpoint, parse_body, parse_decimal
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.note import Signer, Verifier

_FIRST_LINE = "sidespan/key/1"
_LINES = 5
_GENERATION_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Statement:
    """That a key signs the checkpoints of one generation.

    Args:
        lineage: 8 bytes, the log.
        boot_generation: From 1.
        incarnation: 16 bytes, drawn when the generation began.
        verifier: The generation's public key.
    """

    lineage: bytes
    boot_generation: int
    incarnation: bytes
    verifier: Verifier


@dataclass(frozen=True, slots=True)
class Certified:
    """A statement whose signatures hold.

    Args:
        statement: What they are under.
        by: The pinned key that certified it; None when it is on the generation's own word.
    """

    statement: Statement
    by: Verifier | None


def key_body(
    lineage: bytes, boot_generation: int, incarnation: bytes, key: Signer, node_key: Signer | None
) -> dict[str, str | None]:
    """Return the body of a generation's KEY record.

    Args:
        lineage: 8 bytes.
        boot_generation: From 1.
        incarnation: 16 bytes.
        key: The generation's.
        node_key: The node's; None when the operator has made none.
    """
    text = (
        f"{_FIRST_LINE}\n{lineage.hex()}\n{boot_generation}\n{incarnation.hex()}\n{key.verifier}\n"
    )
    signers = [key] if node_key is None else [key, node_key]
    return {
        "statement": note.sign(text, signers),
        "node_key": None if node_key is None else str(node_key.verifier),
    }


def verify_key_body(
    body: Mapping[str, Any], lineage: bytes, boot_generation: int, pinned: Verifier | None
) -> Certified:
    """Return what a KEY record states, once its signatures hold and it is in its own place.

    Args:
        body: Of the record.
        lineage: Of the record's header.
        boot_generation: The same.
        pinned: The node's verifier key, from the operator; None for the log's own word.

    Raises:
        Malformed: The body is not a key statement.
        NotVerified: A signature does not hold, the pinned key did not certify it, or it is about
            another log or generation.
    """
    signed = body.get("statement")
    if not isinstance(signed, str):
        raise Malformed("the KEY record has no statement")
    parsed = note.parse(signed.encode(errors="surrogatepass"))
    statement = _parse(parsed.text)
    own = statement.verifier
    signed_by = note.verify(parsed, [own] if pinned is None else [own, pinned])
    if own not in signed_by:
        raise NotVerified(
            f"the key of generation {statement.boot_generation} did not sign for itself"
        )
    if pinned is not None and pinned not in signed_by:
        raise NotVerified(
            f"{pinned.name} did not certify the key of generation {statement.boot_generation}",
            hint="compare the pinned key with that of `sidespan keys show` on the node",
        )
    if (statement.lineage, statement.boot_generation) != (lineage, boot_generation):
        raise NotVerified(
            f"the KEY record of generation {boot_generation} of {lineage.hex()} speaks for"
            f" generation {statement.boot_generation} of {statement.lineage.hex()}",
            hint="the record was copied from another log",
        )
    return Certified(statement, pinned)


def verify_on_its_word(body: Mapping[str, Any], lineage: bytes, boot_generation: int) -> Certified:
    """Return what a KEY record states, certified by the node key that the record itself names.

    Whoever can write a log can name any key: this tells what an honest log says of itself.

    Raises:
        Malformed, NotVerified: As ``verify_key_body``.
    """
    named = body.get("node_key")
    node_key = note.parse_verifier(named) if isinstance(named, str) else None
    return verify_key_body(body, lineage, boot_generation, node_key)


def verify_checkpoint(
    signed: bytes, statements: Sequence[Statement]
) -> tuple[Checkpoint, Statement]:
    """Return a checkpoint and the statement of the generation that signed it, for its own log.

    Args:
        signed: The note.
        statements: Of the generations that are trusted.

    Raises:
        Malformed: It is no signed checkpoint.
        NotVerified: None of their keys signed it, a signature does not hold, or the checkpoint
            names another log than the key does.
    """
    parsed = note.parse(signed)
    found = parse_body(parsed.text)
    signed_by = note.verify(parsed, [statement.verifier for statement in statements])
    for statement in statements:
        if statement.verifier in signed_by and statement.verifier.name == found.origin:
            return found, statement
    raise NotVerified(
        "the checkpoint names another log than the key that signed it",
        hint="a key signs checkpoints of the log whose name it bears, and of no other",
    )


def _parse(text: str) -> Statement:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != _LINES or lines[0] != _FIRST_LINE:
        raise Malformed(f"a key statement has {_LINES} lines and begins with {_FIRST_LINE}")
    generation = parse_decimal(lines[2])
    if not 1 <= generation <= _GENERATION_MAX:
        raise Malformed("the generation of a key statement is out of range")
    return Statement(
        _hex(lines[1], 8), generation, _hex(lines[3], 16), note.parse_verifier(lines[4])
    )


def _hex(text: str, count: int) -> bytes:
    if len(text) != 2 * count or set(text) - set("0123456789abcdef"):
        raise Malformed(f"a key statement wants {2 * count} lower hex digits")
    return bytes.fromhex(text)
