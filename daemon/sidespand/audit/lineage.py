"""One lineage as its stored values come by: places, stamps, generations, tree, keys, checkpoints.

The tree is built anew from the leaves, so that every checkpoint's root is compared with what the
stored records make. Once a leaf is missing no later root can be; everything else is still checked.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sidespand import hlc, merkle, redaction
from sidespand.audit.report import Fault, Finding
from sidespand.audit.values import Checked
from sidespand.errors import SidespanError
from sidespand.evidence.authority import Authority, Signed, unpack
from sidespand.evidence.checkpoint import Checkpoint
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.note import Verifier
from sidespand.hlc import ZERO, Hlc
from sidespand.limits import TREE_HEADS_MAX
from sidespand.model import ControlBody, Header, Kind, Record
from sidespand.redaction import Target

Emit = Callable[[Finding], None]


@dataclass(slots=True)
class Figures:
    """What was counted in one lineage."""

    records: int = 0
    items: int = 0
    checkpoints: int = 0
    rooted: int = 0
    generations: list[int] = field(default_factory=list)
    certified: set[int] = field(default_factory=set)
    covered: int = 0
    trimmed_to: int = 0
    unrooted_to: int = 0
    signed: Signed | None = None


class _Tail(NamedTuple):
    # One of the newest records: the tree as it left it.
    size: int
    hashes: tuple[bytes, ...] | None
    first_lsn: int
    kind: Kind


class Hole(NamedTuple):
    """LSNs of which no record can be read, the last one inclusive, and why."""

    first: int
    last: int
    why: str


class LineageAudit:
    """Takes the values of one lineage in the order of their keys.

    Args:
        lineage: 8 bytes.
        pinned: The node's verifier key; None for the log's own word.
        emit: Told of each finding.
        kept: Roots that somebody kept elsewhere, by number of records.
    """

    def __init__(
        self,
        lineage: bytes,
        pinned: Verifier | None,
        emit: Emit,
        kept: Mapping[int, bytes] | None = None,
    ) -> None:
        self.lineage = lineage
        self.figures = Figures()
        self.next_lsn = 1
        self.record_count = 0
        self.origin: ControlBody = {}
        self.newest_generation: ControlBody = {}
        self.generation_rows: dict[int, bytes] = {}
        self.uncovered_lsn: int | None = None
        self.roots_known = True
        self.hashes: list[bytes] = []
        self.redactions: list[Target] = []
        self.redacted: list[tuple[int, int]] = []
        self.removed: dict[bytes, int] = {}
        # Holes of this log, and those of any log that its DROP records tell of, inclusive.
        self.holes: list[Hole] = []
        self.damages: list[tuple[bytes, int, int]] = []
        self.stamp: Hlc = ZERO
        self._pinned = pinned
        self._emit = emit
        self._kept = dict(kept or {})
        self.kept_met: dict[int, bool] = {}
        self._own = Authority(None)
        self._trusted = Authority(pinned)
        self._generation = 0
        self._incarnations: set[bytes] = set()
        self._tail: deque[_Tail] = deque(maxlen=TREE_HEADS_MAX)
        self._largest = 0
        self._covered_to = 0
        self._length_unknown = False

    @property
    def authority(self) -> Authority:
        """The keys that count for this log."""
        return self._own if self._pinned is None else self._trusted

    @property
    def kept_unknown(self) -> list[int]:
        """Sizes of kept checkpoints whose root the records that are left do not make."""
        return [one for one in self._kept if one not in self.kept_met and one <= self.record_count]

    def trimmed(self, first_lsn: int) -> None:
        """Begin in the middle: what comes before ``first_lsn`` was trimmed."""
        self.next_lsn = self.figures.trimmed_to = first_lsn
        self.record_count = -1
        self._tail.clear()
        self._lose_tree()

    def adopt(self, record_count: int, hashes: Sequence[bytes]) -> None:
        """Go on with the compact range that a segment kept, where the tree was lost before.

        It is not believed: a signed root that it helps to make vouches for it.
        """
        self.record_count = record_count
        self.hashes = list(hashes)
        self.roots_known = True
        self._tail.clear()
        self._tail.append(_Tail(record_count, tuple(hashes), self.next_lsn - 1, Kind.CHECKPOINT))
        self.figures.unrooted_to = self.next_lsn - 1

    def lost(self, next_lsn: int, why: str) -> None:
        """Note that nothing before ``next_lsn`` can be read from here on."""
        if next_lsn > self.next_lsn:
            self.holes.append(Hole(self.next_lsn, next_lsn - 1, why))
        self.next_lsn = max(self.next_lsn, next_lsn)
        self.record_count = -1
        self._tail.clear()
        self._lose_tree()

    def take(self, key_lsn: int, checked: Checked) -> None:
        """Check the value at a key against all that came before it."""
        for code, message in checked.faults:
            self._emit(Finding(code, self._at(key_lsn), message))
        header, leaf = checked.header, checked.leaf
        if header is None or leaf is None:
            self.lost(key_lsn + 1, "the record cannot be read")
            return
        self._place(key_lsn, header)
        codes = {code for code, _ in checked.faults}
        if codes & {Fault.HEADER_CHECKSUM, Fault.RECORD_DAMAGED}:
            # What it says of its own length and stamp is not believed.
            self._grow(leaf, key_lsn, header.kind)
            self.next_lsn = max(self.next_lsn, key_lsn + 1)
            self._length_unknown = True
            return
        self._order(header)
        if checked.record is not None:
            self._explain(checked.record)
        self._grow(leaf, header.first_lsn, header.kind)
        self.next_lsn = header.last_lsn + 1
        self.figures.records += 1
        self.figures.items += header.item_count

    def finish(self) -> None:
        """Check what only the whole log shows."""
        for size in sorted(self._kept):
            if size > self.record_count >= 0:
                message = (
                    f"a checkpoint that was kept elsewhere counts {size} records, the log has"
                    f" {self.record_count}: its end was cut off or replaced"
                )
                self._fault(Fault.CHECKPOINT_AHEAD, message)
        self.uncovered_lsn = self._first_uncovered()
        if self._pinned is not None and self.figures.generations and not self.figures.certified:
            message = f"{self._pinned.name} certified no generation of this log"
            self._fault(Fault.KEY_UNCERTIFIED, message)

    def _first_uncovered(self) -> int | None:
        # The newest checkpoint's own record is covered by none, and needs none.
        covered = self.figures.covered
        for one in self._tail:
            if one.size > covered and one.kind is not Kind.CHECKPOINT:
                forgotten = self._tail[0].size > covered + 1
                return self._covered_to + 1 if forgotten else one.first_lsn
        return None

    def _place(self, key_lsn: int, header: Header) -> None:
        where = self._at(key_lsn)
        if header.first_lsn != key_lsn:
            message = f"the record says that it begins at LSN {header.first_lsn}"
            self._emit(Finding(Fault.WRONG_PLACE, where, message))
        if header.lineage != self.lineage:
            message = f"the record is of lineage {header.lineage.hex()}"
            self._emit(Finding(Fault.WRONG_PLACE, where, message))
        if key_lsn > self.next_lsn and not self._length_unknown:
            self.lost(key_lsn, "no record is there")
        elif key_lsn < self.next_lsn:
            message = f"the record before it ends at LSN {self.next_lsn - 1}"
            self._emit(Finding(Fault.WRONG_PLACE, where, message))
        self._length_unknown = False
        if self.record_count < 0:
            self.record_count = header.record_index
        elif header.record_index != self.record_count:
            message = (
                f"it says that it is leaf {header.record_index} instead of {self.record_count}"
            )
            self._emit(Finding(Fault.WRONG_PLACE, where, message))

    def _order(self, header: Header) -> None:
        where = self._at(header.first_lsn)
        if header.stamp <= self.stamp:
            message = f"its HLC {hlc.text(header.stamp)} is not above the one before"
            self._emit(Finding(Fault.HLC_REGRESS, where, message))
        self.stamp = hlc.nth(header.stamp, header.item_count - 1)
        if header.kind is Kind.LINEAGE:
            return
        expected = self._generation + (header.kind is Kind.GEN)
        if self.holes and header.boot_generation > self._generation:
            # What a hole took may have been a GEN record.
            pass
        elif self._generation and header.boot_generation != expected:
            message = f"it is of generation {header.boot_generation} instead of {expected}"
            self._emit(Finding(Fault.GENERATION_BROKEN, where, message))
        elif not self._generation and header.kind is not Kind.GEN and not self.figures.trimmed_to:
            self._emit(Finding(Fault.GENERATION_BROKEN, where, "no GEN record came before it"))
        self._generation = header.boot_generation

    def _explain(self, entry: Record) -> None:
        header = entry.header
        where = self._at(header.first_lsn)
        if header.first_lsn == 1 and header.kind is not Kind.LINEAGE:
            message = "the log does not begin with a LINEAGE record"
            self._emit(Finding(Fault.LINEAGE_BROKEN, where, message))
        if entry.payload is None:
            self.redacted.append((header.first_lsn, header.last_lsn))
            return
        if not header.kind.is_control:
            return
        try:
            body = unpack(entry.payload)
        except Malformed as error:
            self._emit(Finding(Fault.RECORD_DAMAGED, where, str(error)))
            return
        explain = {
            Kind.LINEAGE: self._begin,
            Kind.GEN: self._open,
            Kind.KEY: self._learn,
            Kind.CHECKPOINT: self._compare,
            Kind.REDACT: self._redact,
            Kind.TRIM: self._remove,
            Kind.DROP: self._remove,
        }.get(header.kind)
        if explain is not None:
            explain(header, body)
        if header.kind is Kind.GEN:
            self.generation_rows[header.boot_generation] = entry.payload

    def _begin(self, header: Header, body: ControlBody) -> None:
        if header.first_lsn != 1:
            where = self._at(header.first_lsn)
            self._emit(Finding(Fault.LINEAGE_BROKEN, where, "a LINEAGE record inside a log"))
        self.origin = body

    def _open(self, header: Header, body: ControlBody) -> None:
        where = self._at(header.first_lsn)
        if not self._generation or header.boot_generation not in self.figures.generations:
            self.figures.generations.append(header.boot_generation)
        if body.get("boot_generation") != header.boot_generation:
            message = "the GEN record's body names another generation"
            self._emit(Finding(Fault.GENERATION_BROKEN, where, message))
        previous = body.get("previous_last_lsn")
        if header.first_lsn > 2 and previous != header.first_lsn - 1:  # noqa: PLR2004 - behind LINEAGE and GEN.
            message = f"the GEN record follows LSN {previous}, by its own word"
            self._emit(Finding(Fault.GENERATION_BROKEN, where, message))
        incarnation = body.get("incarnation")
        if isinstance(incarnation, bytes):
            if incarnation in self._incarnations:
                message = "the incarnation is one that was there before: a copy went on writing"
                self._emit(Finding(Fault.GENERATION_BROKEN, where, message))
            self._incarnations.add(incarnation)
        self.newest_generation = body

    def _remove(self, _: Header, body: ControlBody) -> None:
        gone, first, last = (body.get(key) for key in ("lineage", "first_lsn", "last_lsn"))
        if not (isinstance(gone, bytes) and isinstance(last, int)):
            return
        if "quarantine" in body and isinstance(first, int):
            self.damages.append((gone, first, last))
        else:
            self.removed[gone] = max(last, self.removed.get(gone, 0))

    def _redact(self, header: Header, body: ControlBody) -> None:
        try:
            _, _, targets = redaction.parse_body(body)
        except ValueError as error:
            where = self._at(header.first_lsn)
            self._emit(Finding(Fault.RECORD_DAMAGED, where, f"REDACT: {error}"))
            return
        self.redactions += targets

    def _learn(self, header: Header, body: ControlBody) -> None:
        where = self._at(header.first_lsn)
        try:
            self._own.learn(header, body)
        except SidespanError as error:
            self._emit(Finding(Fault.KEY_INVALID, where, str(error)))
            return
        if self._is_certified(header, body):
            self.figures.certified.add(header.boot_generation)
        elif self.figures.certified:
            # A node that has a key certifies every generation from there on.
            message = f"the node's key did not certify the key of generation {self._generation}"
            self._emit(Finding(Fault.KEY_UNCERTIFIED, where, message))

    def _is_certified(self, header: Header, body: ControlBody) -> bool:
        try:
            return self.authority.learn(header, body).by is not None
        except SidespanError:
            return False

    def _compare(self, header: Header, body: ControlBody) -> None:
        where = self._at(header.first_lsn)
        try:
            known = self._own.knows(header.boot_generation)
            if not (known or self.holes or self.figures.trimmed_to):
                raise NotVerified("no KEY record of its generation came before it")
            signed = self._own.read(header, body)
        except SidespanError as error:
            self._emit(Finding(Fault.CHECKPOINT_INVALID, where, str(error)))
            return
        if self._is_certified(header, body["key"]):
            self.figures.certified.add(header.boot_generation)
        found = signed.checkpoint
        if found.size < self._largest:
            message = f"it counts {found.size} records, an earlier one {self._largest}"
            self._emit(Finding(Fault.CHECKPOINT_REGRESS, where, message))
        self._largest = max(self._largest, found.size)
        if not self._makes(found, where):
            return
        self.figures.checkpoints += 1
        if self.authority.knows(header.boot_generation) and found.size >= self.figures.covered:
            self.figures.signed = signed
            self.figures.covered = found.size
            following = self._tail_at(found.size + 1)
            self._covered_to = (following.first_lsn if following else header.first_lsn) - 1

    def _makes(self, found: Checkpoint, where: str) -> bool:
        # Whether the records make a checkpoint's root, as far as that can be told.
        tail = self._tail_at(found.size)
        if tail is None and self.roots_known and not self.figures.unrooted_to:
            message = f"the checkpoint is of {found.size} records, over {TREE_HEADS_MAX} ago"
        elif tail is None or tail.hashes is None:
            return True
        elif merkle.root(tail.hashes) == found.root:
            self.figures.rooted += 1
            return True
        else:
            message = f"the first {found.size} records do not make the root that it signs"
        self._emit(Finding(Fault.ROOT_MISMATCH, where, message))
        self._lose_tree()
        return False

    def _tail_at(self, size: int) -> _Tail | None:
        # Sizes in there follow one another.
        at = size - self._tail[0].size if self._tail else -1
        return self._tail[at] if 0 <= at < len(self._tail) else None

    def _grow(self, leaf: bytes, first_lsn: int, kind: Kind) -> None:
        if self.roots_known:
            merkle.append(self.hashes, self.record_count, leaf)
        self.record_count += 1
        hashes = tuple(self.hashes) if self.roots_known else None
        self._tail.append(_Tail(self.record_count, hashes, first_lsn, kind))
        kept = self._kept.get(self.record_count)
        if kept is not None and self.roots_known:
            met = merkle.root(self.hashes) == kept
            self.kept_met[self.record_count] = met
            if not met:
                self._emit(
                    Finding(
                        Fault.ROOT_MISMATCH,
                        self._at(first_lsn),
                        f"the first {self.record_count} records are not those of the checkpoint"
                        " that was kept elsewhere",
                    )
                )

    def _lose_tree(self) -> None:
        self.roots_known = False
        self.hashes = []

    def _at(self, lsn: int) -> str:
        return f"{self.lineage.hex()}:{lsn}"

    def _fault(self, code: Fault, message: str) -> None:
        self._emit(Finding(code, self.lineage.hex(), message))
