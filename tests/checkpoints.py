"""What a log's own checkpoints say of it."""

from collections.abc import Sequence

import msgpack

from sidespand import merkle
from sidespand.evidence.authority import Authority, Signed
from sidespand.evidence.note import Verifier
from sidespand.model import Kind, Record


def checked(found: Sequence[Record], pinned: Verifier | None) -> list[Signed]:
    """Return the checkpoints of one whole log, oldest first.

    Each is signed by the key of its generation and true of the records before it.

    Args:
        found: All records of one lineage.
        pinned: The node's verifier key; None for the log's own word.
    """
    authority = Authority(pinned)
    hashes: list[bytes] = []
    roots = [merkle.root(hashes)]
    signed = []
    for record in found:
        if record.header.kind is Kind.KEY:
            authority.learn(record.header, msgpack.unpackb(record.payload or b""))
        if record.header.kind is Kind.CHECKPOINT:
            signed.append(authority.read(record.header, msgpack.unpackb(record.payload or b"")))
            checkpoint = signed[-1].checkpoint
            assert checkpoint.root == roots[checkpoint.size]
        merkle.append(hashes, record.header.record_index, record.leaf)
        roots.append(merkle.root(hashes))
    return signed
