"""Which signed checkpoint covers a record, and the path from its leaf to that checkpoint's root.

Computed from the stored leaves: from the compact range that the record's segment kept of the ones
before it, so a proof reads about a segment, however long the log is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidespand.errors import SidespanError
from sidespand.evidence.authority import Authority, Signed, unpack
from sidespand.evidence.note import Verifier
from sidespand.evidence.proofs import included, inclusion, peaks, subtrees
from sidespand.model import Gap, Kind, Position, Record


class Journal(Protocol):
    """What is asked of a store."""

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what follows ``after``; ``ports.Log`` has the contract."""
        ...

    def position(self, lineage: bytes, lsn: int) -> Position | None:
        """Return the place of an LSN of a lineage; None when the store has no such lineage."""
        ...

    def compact_range(
        self, lineage: bytes, record_index: int
    ) -> tuple[Position | None, int, tuple[bytes, ...]]:
        """Return a compact range that ends before a leaf: its last item, leaves and hashes."""
        ...


@dataclass(frozen=True, slots=True)
class Coverage:
    """What binds a record to a signature.

    Args:
        signed: The first checkpoint that covers it; None when there is none.
        path: Hashes from the leaf's sibling up; empty without a checkpoint, and for the one leaf of
            a tree of one.
        reason: Why nothing covers it; empty when something does.
    """

    signed: Signed | None
    path: tuple[bytes, ...] = ()
    reason: str = ""


class Checkpoints:
    """The checkpoints of one lineage, each verified with the key of its generation.

    Args:
        journal: The store.
        lineage: 8 bytes.
        pinned: The node's verifier key; None for the log's own word.
    """

    def __init__(self, journal: Journal, lineage: bytes, pinned: Verifier | None) -> None:
        self._journal = journal
        self._lineage = lineage
        self._authority = Authority(pinned)
        self.refused = ""

    def after(self, position: Position | None) -> Iterator[tuple[Record | Gap, Signed | None]]:
        """Yield what follows a position in this lineage, with what each CHECKPOINT record holds.

        One that cannot be verified counts for nothing; ``refused`` says why of the last such.
        """
        if position is None:
            position = self._journal.position(self._lineage, 0)
        while position is not None and (found := self._journal.read(position)):
            for entry in found:
                if entry.position.lineage != self._lineage:
                    return
                yield entry, self._signed(entry)
            position = found[-1].position

    def _signed(self, entry: Record | Gap) -> Signed | None:
        if isinstance(entry, Gap) or entry.payload is None:
            return None
        header = entry.header
        if header.kind is not Kind.CHECKPOINT:
            return None
        try:
            return self._authority.read(header, unpack(entry.payload))
        except SidespanError as error:
            self.refused = f"the checkpoint at {header.first_lsn} counts for nothing: {error}"
            return None


def cover(journal: Journal, record: Record, pinned: Verifier | None) -> Coverage:
    """Return what covers a record, checked.

    Args:
        journal: The store that holds it.
        record: One of its records.
        pinned: The node's verifier key; None for the log's own word.
    """
    header = record.header
    index = header.record_index
    position, known, hashes = journal.compact_range(header.lineage, index)
    checkpoints = Checkpoints(journal, header.lineage, pinned)
    leaves: list[bytes] = []
    broken = ""
    for entry, signed in checkpoints.after(position):
        if isinstance(entry, Gap):
            # Behind a hole no leaf has its place any more.
            broken = broken or f"LSN {entry.first} to {entry.last} {entry.reason}"
        elif not broken:
            leaves.append(entry.leaf)
        if signed is None or signed.checkpoint.size <= index:
            continue
        if broken:
            return Coverage(None, reason=f"the path to the checkpoint is cut: {broken}")
        if signed.checkpoint.size > known + len(leaves):
            return Coverage(None, reason="records before the checkpoint are missing")
        subtree = subtrees(lambda at: leaves[at - known], peaks(hashes, known))
        size = signed.checkpoint.size
        path = tuple(inclusion(subtree, index, size))
        if included(record.leaf, index, size, path, signed.checkpoint.root):
            return Coverage(signed, path)
        return Coverage(
            None,
            reason=f"the stored records do not make the root that the checkpoint at {signed.lsn}"
            " signs; `sidespan verify` says more",
        )
    return Coverage(None, reason=checkpoints.refused or "no checkpoint was signed since")
