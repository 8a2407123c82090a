"""A whole store, read value by value: every checksum, leaf, place and stamp, every root and key.

Nothing is changed. Damaged pages may end the process (LMDB maps its files), so a caller that wants
an answer in any case runs this in a child.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sidespand import merkle
from sidespand.audit.kept import check_kept, kept_roots
from sidespand.audit.lineage import LineageAudit
from sidespand.audit.report import Fault, Finding, Report
from sidespand.audit.summary import summarise
from sidespand.audit.values import check
from sidespand.errors import NotFound, SidespanError, StoreUnreadable
from sidespand.evidence.note import Verifier
from sidespand.journal import keys
from sidespand.journal.layout import Layout, Manifest, Segment
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader, lock_path
from sidespand.journal.state import Head, decode_head, decode_session
from sidespand.limits import FINDINGS_MAX, READ_BATCH_BYTES, READ_BATCH_RECORDS


class StoreAudit:
    """Reads a store once.

    Args:
        data_dir: Its directory.
        pinned: The node's verifier key; None for the log's own word.
        kept: Signed checkpoints of it that somebody kept elsewhere.
        progress: Told of each file before it is read.
    """

    def __init__(
        self,
        data_dir: Path,
        pinned: Verifier | None,
        kept: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._layout = Layout(data_dir)
        self._pinned = pinned
        self._kept = tuple(kept)
        self._progress = progress
        self._report = Report("store")
        self._lineages: dict[bytes, LineageAudit] = {}
        self._fault_count = 0

    def run(self) -> Report:
        """Return what the store shows.

        Raises:
            NotFound: There is no store.
            StoreTooNew: A later version wrote it.
        """
        manifest = self._manifest()
        segments = self._layout.segments()
        for registered in manifest.segments if manifest is not None else ():
            if registered not in segments:
                self._fault(Fault.SEGMENT_MISSING, registered.name, "the file is gone")
        roots = kept_roots(self._kept, self._emit)
        for number, segment in enumerate(segments):
            following = segments[number + 1] if number + 1 < len(segments) else None
            self._read(segment, following, roots)
        for audit in self._lineages.values():
            audit.finish()
        self._check_parents()
        self._check_redactions()
        self._check_trims()
        self._check_holes()
        check_kept(self._kept, self._lineages, self._emit)
        if manifest is not None:
            self._check_store_id(manifest)
        summarise(self._report, self._lineages, self._pinned, kept_count=len(self._kept))
        if self._fault_count > FINDINGS_MAX:
            self._report.facts["findings_left_out"] = self._fault_count - FINDINGS_MAX
        return self._report

    def _manifest(self) -> Manifest | None:
        try:
            manifest = self._layout.read_manifest()
        except StoreUnreadable as error:
            self._fault(Fault.STORE_DAMAGED, self._layout.manifest_path.name, str(error))
            return None
        if manifest is None:
            raise NotFound(
                f"there is no store in {self._layout.root}",
                hint="name a data directory, a proof bundle or an exported file",
            )
        return manifest

    def _check_store_id(self, manifest: Manifest) -> None:
        body = next((a.newest_generation for a in reversed(self._lineages.values())), {})
        if body.get("store_id", manifest.store_id) != manifest.store_id:
            message = "its store id is not the one that the log names"
            self._fault(Fault.STORE_DAMAGED, self._layout.manifest_path.name, message)

    def _read(
        self, segment: Segment, following: Segment | None, roots: Mapping[bytes, dict[int, bytes]]
    ) -> None:
        self._progress(segment.name)
        same = following is not None and following.lineage == segment.lineage
        before = following.first_lsn if following is not None and same else None
        audit = self._lineages.get(segment.lineage)
        if audit is None:
            audit = LineageAudit(
                segment.lineage, self._pinned, self._emit, roots.get(segment.lineage)
            )
            self._lineages[segment.lineage] = audit
            if segment.first_lsn > 1:
                audit.trimmed(segment.first_lsn)
        reader = self._opened(segment, audit, before, locked=not same)
        if reader is None:
            return
        try:
            self._read_values(reader, segment, audit, before)
        except SidespanError as error:
            self._fault(Fault.SEGMENT_DAMAGED, segment.name, str(error))
            audit.lost(before or audit.next_lsn, "its segment cannot be read")
        finally:
            reader.close()

    def _opened(
        self, segment: Segment, audit: LineageAudit, before: int | None, *, locked: bool
    ) -> SegmentReader | None:
        path = self._layout.path(segment)
        try:
            # A lock file is not made where there is none: that would change the store.
            return SegmentReader(path, locked=locked and lock_path(path).exists())
        except FileNotFoundError:
            # It was trimmed since its name was read.
            audit.trimmed(before or audit.next_lsn)
        except (SidespanError, OSError) as error:
            self._fault(Fault.SEGMENT_DAMAGED, segment.name, str(error))
            audit.lost(before or audit.next_lsn, "its segment cannot be read")
        return None

    def _read_values(
        self, reader: SegmentReader, segment: Segment, audit: LineageAudit, before: int | None
    ) -> None:
        rows = reader.rows()
        self._check_sessions(segment, rows)
        head = self._head(segment, rows, keys.HEAD)
        salvaged = keys.SALVAGED in rows
        if segment.first_lsn > 1 and not (salvaged and keys.BASE not in rows):
            base = self._head(segment, rows, keys.BASE)
            if base is not None:
                self._take_base(base, segment, audit)
        # A log that is being written is read up to what its head says now.
        end = before if head is None or before is not None else head.next_lsn
        for lsn, value in self._values(reader, segment, end):
            audit.take(lsn, check(segment.ordinal, value))
        self._check_generations(segment, rows, audit)
        if head is None:
            return
        if salvaged:
            self._end_salvaged(segment, head, audit, before)
        elif before is None and self._has_more(reader, rows, head):
            self._fault(Fault.STATE_DAMAGED, segment.name, "it holds records behind its head")
        if not salvaged and (before is None or head.next_lsn == before):
            for message in _differences(head, segment, audit):
                self._fault(Fault.STATE_DAMAGED, segment.name, message)

    def _end_salvaged(
        self, segment: Segment, head: Head, audit: LineageAudit, before: int | None
    ) -> None:
        self._report.not_established.append(
            f"{segment.name}: what its damaged file held beside; it was put together anew"
        )
        end = head.next_lsn if before is None else before
        if end > audit.next_lsn:
            audit.lost(end, "no record is there")

    def _check_generations(
        self, segment: Segment, rows: Mapping[bytes, bytes], audit: LineageAudit
    ) -> None:
        for number, row in _generations(rows):
            # Receipts take who wrote a record from there.
            if row != audit.generation_rows.get(number, row):
                message = f"what it keeps of generation {number} is not what its GEN record says"
                self._fault(Fault.STATE_DAMAGED, segment.name, message)

    def _values(
        self, reader: SegmentReader, segment: Segment, before: int | None
    ) -> Iterator[tuple[int, bytes]]:
        reached = segment.first_lsn - 1
        while found := reader.values(reached + 1, before, READ_BATCH_RECORDS, READ_BATCH_BYTES):
            fresh = [pair for pair in found if pair[0] > reached]
            if not fresh:
                return
            for lsn, value in fresh:
                if lsn <= reached:
                    # Pages that point to one another would be read for ever.
                    self._fault(Fault.SEGMENT_DAMAGED, segment.name, "its keys do not rise")
                    return
                reached = lsn
                yield lsn, value

    def _take_base(self, base: Head, segment: Segment, audit: LineageAudit) -> None:
        for message in _differences(base, segment, audit, whole=audit.roots_known):
            self._fault(Fault.STATE_DAMAGED, segment.name, f"before it, {message}")
        if not audit.roots_known and base.next_lsn == segment.first_lsn:
            audit.adopt(base.record_count, base.hashes)

    def _check_sessions(self, segment: Segment, rows: Mapping[bytes, bytes]) -> None:
        for key, row in rows.items():
            if keys.is_session_key(key):
                try:
                    decode_session(row)
                except DamagedRecord as error:
                    self._fault(Fault.STATE_DAMAGED, segment.name, str(error))

    def _head(self, segment: Segment, rows: Mapping[bytes, bytes], key: bytes) -> Head | None:
        try:
            return decode_head(rows.get(key, b""))
        except DamagedRecord as error:
            self._fault(Fault.STATE_DAMAGED, segment.name, str(error))
            return None

    def _has_more(self, reader: SegmentReader, rows: Mapping[bytes, bytes], head: Head) -> bool:
        more = any(lsn >= head.next_lsn for lsn, _ in reader.values(head.next_lsn, None, 2, 1))
        return more and reader.row(keys.HEAD) == rows[keys.HEAD]

    def _check_parents(self) -> None:
        for lineage, audit in self._lineages.items():
            parent = audit.origin.get("parent_lineage")
            known = self._lineages.get(parent) if isinstance(parent, bytes) else None
            if known is None:
                continue
            last, count = audit.origin.get("parent_lsn"), audit.origin.get("parent_record_count")
            root = audit.origin.get("parent_root")
            if isinstance(last, int) and last > known.next_lsn - 1:
                message = f"its parent ended at LSN {last}, by its word, and ends before"
                self._fault(Fault.LINEAGE_BROKEN, lineage.hex(), message)
            elif (
                known.roots_known
                and count == known.record_count
                and root != merkle.root(known.hashes)
            ):
                message = "its parent's records do not make the root that it names"
                self._fault(Fault.LINEAGE_BROKEN, lineage.hex(), message)

    def _check_trims(self) -> None:
        for lineage, audit in self._lineages.items():
            first = audit.figures.trimmed_to
            said = max((one.removed.get(lineage, 0) for one in self._lineages.values()), default=0)
            if first and said < first - 1:
                message = f"LSN {said + 1} to {first - 1} are gone, and no record says why"
                self._fault(Fault.GAP, lineage.hex(), message)

    def _check_holes(self) -> None:
        damages = sorted(one for audit in self._lineages.values() for one in audit.damages)
        for lineage, audit in self._lineages.items():
            declared = [(first, last) for which, first, last in damages if which == lineage]
            for first, last, why in audit.holes:
                if _covered(first, last, declared):
                    self._report.not_established.append(
                        f"{lineage.hex()}: LSN {first} to {last}: they were lost to damage, which"
                        " the log declares"
                    )
                else:
                    self._fault(Fault.GAP, lineage.hex(), f"LSN {first} to {last}: {why}")

    def _check_redactions(self) -> None:
        declared = {
            (target.lineage, target.first)
            for audit in self._lineages.values()
            for target in audit.redactions
        }
        for lineage, audit in self._lineages.items():
            for first, last in audit.redacted:
                if (lineage, first) not in declared:
                    message = "its payload is gone, and no REDACT record says why"
                    self._fault(Fault.REDACTION_UNDECLARED, f"{lineage.hex()}:{last}", message)

    def _emit(self, finding: Finding) -> None:
        self._fault_count += 1
        if self._fault_count <= FINDINGS_MAX:
            self._report.findings.append(finding)

    def _fault(self, code: Fault, where: str, message: str) -> None:
        self._emit(Finding(code, where, message))


def _covered(first: int, last: int, declared: Iterable[tuple[int, int]]) -> bool:
    # By stretches in the order of their first LSN.
    for start, end in declared:
        if start <= first <= end:
            first = end + 1
    return first > last


def _generations(rows: Mapping[bytes, bytes]) -> Iterator[tuple[int, bytes]]:
    for key, row in rows.items():
        number = keys.parse_generation_key(key)
        if number is not None:
            yield number, row


def _differences(
    head: Head, segment: Segment, audit: LineageAudit, *, whole: bool = True
) -> Iterator[str]:
    if (head.ordinal, head.lineage) != (segment.ordinal, segment.lineage):
        yield f"the head of the log is of lineage {head.lineage.hex()}"
    if not whole:
        return
    if head.next_lsn != audit.next_lsn:
        yield f"the log's head is at LSN {head.last_lsn}, its records end at {audit.next_lsn - 1}"
    if audit.record_count >= 0 and head.record_count != audit.record_count:
        yield f"the head counts {head.record_count} records, there are {audit.record_count}"
    elif audit.roots_known and list(head.hashes) != audit.hashes:
        yield "the tree that the head keeps is not that of the records"
