"""Whose checkpoints a log's own records entitle a reader to believe.

A KEY record says which key signs the checkpoints of its generation; a CHECKPOINT record holds one,
and that statement again. Where the operator pinned the node's key, only generations that it
certified count; without it a log speaks for itself, which shows that it fits together, and not who
wrote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from sidespand.evidence.checkpoint import Checkpoint, parse_checkpoint_body
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.keys import (
    Certified,
    Statement,
    verify_checkpoint,
    verify_key_body,
    verify_on_its_word,
)
from sidespand.evidence.note import Verifier
from sidespand.model import ControlBody, Header


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signature holds.

    Args:
        checkpoint: The tree's head.
        text: The signed note.
        key: Of the generation that signed it.
        statement: The signed note of its KEY record.
        lsn: Of its CHECKPOINT record.
    """

    checkpoint: Checkpoint
    text: str
    key: Certified
    statement: str
    lsn: int


class Authority:
    """The keys of one lineage's generations, as its KEY records state them.

    Args:
        pinned: The node's verifier key; None for the log's own word.
    """

    def __init__(self, pinned: Verifier | None) -> None:
        self._pinned = pinned
        self._keys: dict[int, tuple[str, Certified]] = {}

    def knows(self, boot_generation: int) -> bool:
        """Tell whether that generation's key is trusted."""
        return boot_generation in self._keys

    def statements(self) -> list[Statement]:
        """Return the statements that are trusted."""
        return [certified.statement for _, certified in self._keys.values()]

    def certifiers(self) -> list[Verifier]:
        """Return the node keys that certified them."""
        return [one.by for _, one in self._keys.values() if one.by is not None]

    def learn(self, header: Header, body: Mapping[str, Any]) -> Certified:
        """Take the key that a body of a KEY record states.

        Args:
            header: Of the record that holds the body.
            body: Anything.

        Raises:
            Malformed: It is not a key statement.
            NotVerified: A signature does not hold or is missing, it is out of its place, or that
                generation already has another key.
        """
        generation = header.boot_generation
        known = self._keys.get(generation)
        if known is not None and known[0] == body.get("statement"):
            return known[1]
        if self._pinned is None:
            certified = verify_on_its_word(body, header.lineage, generation)
        else:
            certified = verify_key_body(body, header.lineage, generation, self._pinned)
        if known is not None:
            raise NotVerified(f"generation {generation} states two keys")
        self._keys[generation] = (str(body["statement"]), certified)
        return certified

    def read(self, header: Header, body: Mapping[str, Any]) -> Signed:
        """Return what the body of a CHECKPOINT record holds, signed by its own generation's key.

        Raises:
            Malformed: It holds no signed checkpoint.
            NotVerified: The generation's key is not trusted, a signature does not hold, or the
                checkpoint is of another log or of more records than came before it.
        """
        text, key_body = parse_checkpoint_body(body)
        key = self.learn(header, key_body)
        found, _ = verify_checkpoint(text.encode(errors="surrogatepass"), [key.statement])
        if found.size > header.record_index:
            raise NotVerified(
                f"the checkpoint at {header.first_lsn} covers {found.size} records, there are"
                f" {header.record_index} before it"
            )
        return Signed(found, text, key, str(key_body["statement"]), header.first_lsn)


def is_of_lineage(found: Checkpoint, lineage: bytes) -> bool:
    """Tell whether a checkpoint's origin names a lineage, whoever wrote it."""
    return found.origin.rpartition("/")[2] == lineage.hex()


def unpack(payload: bytes) -> ControlBody:
    """Return the map that a control record holds.

    Raises:
        Malformed: It holds none.
    """
    try:
        body = msgpack.unpackb(payload)
    except ValueError:
        raise Malformed("the control record does not parse") from None
    if not isinstance(body, dict):
        raise Malformed("the control record holds no map")
    return body
