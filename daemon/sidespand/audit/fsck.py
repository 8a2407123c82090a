"""The files of a store, each by itself: what is damaged, which positions that costs, what mends it.

`verify` asks whether a log is what was written and signed; this asks whether its files can be used.

Nothing is changed. ``check_segment`` reads through LMDB, as every reader of the store does, and may
end the process: it runs in a child. What a damaged segment has lost is found without LMDB.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from sidespand import lock
from sidespand.audit.report import Fault
from sidespand.audit.values import check
from sidespand.errors import SidespanError, StoreUnreadable
from sidespand.hlc import ZERO
from sidespand.journal import keys, recovery
from sidespand.journal.layout import Layout, Manifest, Segment
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader, lock_path
from sidespand.journal.state import Head, decode_head, decode_session
from sidespand.limits import FINDINGS_MAX, READ_BATCH_BYTES, READ_BATCH_RECORDS
from sidespand.model import Kind
from sidespand.sinks.cursor import parse as parse_cursor

SALVAGE = "sidespan salvage"
_SERVE = "sidespan serve"


@dataclass(frozen=True, slots=True)
class Damage:
    """A finding.

    Args:
        code: What kind it is.
        file: Its path below the data directory.
        message: What was found, in numbers and our own words.
        command: What mends it.
        lineage: Whose positions it costs, in lower hex; empty when it costs none.
        first_lsn: The first of them; 0 for none.
        last_lsn: The last of them, inclusive.
    """

    code: Fault
    file: str
    message: str
    command: str
    lineage: str = ""
    first_lsn: int = 0
    last_lsn: int = 0

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        positions = None
        if self.lineage:
            first, last = str(self.first_lsn), str(self.last_lsn)
            positions = {"lineage": self.lineage, "first_lsn": first, "last_lsn": last}
        return {
            "code": self.code.value,
            "file": self.file,
            "positions": positions,
            "message": self.message,
            "command": self.command,
        }


class Declared(NamedTuple):
    """A stretch that a DROP record says is lost: 8 bytes, and LSNs, the last one inclusive."""

    lineage: bytes
    first_lsn: int
    last_lsn: int


class Place(NamedTuple):
    """A segment, and where the log goes on behind it; None where it ends."""

    segment: Segment
    following: Segment | None

    @property
    def before(self) -> int | None:
        """The LSN behind its last one; None where nothing else says it."""
        same = self.following is not None and self.following.lineage == self.segment.lineage
        return self.following.first_lsn if self.following is not None and same else None


def places(layout: Layout, manifest: Manifest | None) -> list[Place]:
    """Return what the store ought to be made of, registered or not, in log order."""
    registered = set(manifest.segments if manifest is not None else ())
    oldest = min(registered, default=None)
    # An older one was trimmed; the next start removes what came back of it.
    on_disk = {one for one in layout.segments() if oldest is None or one >= oldest}
    found = sorted(registered | on_disk)
    return [Place(*pair) for pair in zip(found, [*found[1:], None], strict=True)]


def check_files(layout: Layout, manifest: Manifest | None) -> Iterator[Damage]:
    """Yield what can be told without a look into a segment; of an unfinished copy only that it is.

    Args:
        layout: Of the store.
        manifest: What its register says; None where that cannot be read.
    """
    if layout.unfinished_path.exists():
        what = "the copy of a store that was not finished: the same command begins it anew"
        again = f"sidespan restore BACKUP {layout.root}, or sidespan backup {layout.root}"
        yield Damage(Fault.UNFINISHED, layout.unfinished_path.name, what, again)
        return
    if manifest is None:
        what = "it is missing or damaged"
        yield Damage(Fault.STORE_DAMAGED, layout.manifest_path.name, what, SALVAGE)
    registered = manifest.segments if manifest is not None else ()
    for one, following in places(layout, manifest):
        path = layout.path(one)
        name = _name(layout, path)
        if not path.exists():
            if _was_trimmed(layout, one):
                continue
            what = "the file is gone"
            if following is None:
                what += ", and with it the end of the log: nobody knows how far that went"
            last = following.first_lsn - 1 if following is not None else one.first_lsn
            lost = (one.lineage.hex(), one.first_lsn, max(one.first_lsn, last))
            yield Damage(Fault.SEGMENT_MISSING, name, what, SALVAGE, *lost)
            continue
        if manifest is not None and one not in registered and not _was_born(layout, one):
            what = "the register does not name it: a start was cut short"
            yield Damage(Fault.SEGMENT_UNREGISTERED, name, what, _SERVE)
    for path in sorted(layout.sinks_dir.glob("*/cursor.json")):
        try:
            parse_cursor(path.read_bytes())
        except (ValueError, KeyError, TypeError, AttributeError):
            what = "it is damaged: the sink gets everything again from the oldest record on"
            yield Damage(Fault.CURSOR_DAMAGED, _name(layout, path), what, _SERVE)


def check_segment(layout: Layout, place: Place) -> tuple[list[Damage], list[Declared]]:
    """Return what is wrong in a segment as LMDB reads it, and what its DROP records declare.

    Positions are left out: ``lost`` knows them.
    """
    one = place.segment
    path = layout.path(one)
    found: list[Damage] = []
    declared: list[Declared] = []

    def note(code: Fault, message: str) -> None:
        if len(found) < FINDINGS_MAX:
            found.append(Damage(code, _name(layout, path), message, SALVAGE))

    try:
        reader = SegmentReader(path, locked=place.following is None and lock_path(path).exists())
    except FileNotFoundError:
        # It was trimmed since its name was read.
        return [], []
    except StoreUnreadable as error:
        note(Fault.SEGMENT_DAMAGED, str(error))
        return found, declared
    try:
        for fault, message in _read(reader, place, declared):
            note(fault, message)
    except SidespanError as error:
        note(Fault.SEGMENT_DAMAGED, str(error))
    finally:
        reader.close()
    return found, declared


def lost(layout: Layout, place: Place) -> list[tuple[int, int]]:
    """Return the LSNs of a segment of which no whole record is left, read without LMDB.

    Raises:
        OSError: It is there and cannot be opened.
    """
    one = place.segment
    nothing = Head(
        one.ordinal, one.lineage, 0, one.first_lsn, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ()
    )
    return list(recovery.read(layout.path(one), one, place.before, nothing).lost)


def located(
    layout: Layout, place: Place, damages: Sequence[Damage], declared: Iterable[Declared]
) -> list[Damage]:
    """Return the findings of one segment with the positions that they cost.

    What the log declares is left out: it is known, and mended.
    """
    if not damages:
        return []
    named = [one for one in declared if one.lineage == place.segment.lineage]
    stretches = [
        (first, last) for first, last in lost(layout, place) if not _is_in(first, last, named)
    ]
    only_gaps = all(one.code is Fault.GAP for one in damages)
    if only_gaps and not stretches:
        return []
    lineage = place.segment.lineage.hex()
    found = [one for one in damages if one.code is not Fault.GAP or not stretches]
    what = "no whole record is left of these positions"
    name = _name(layout, layout.path(place.segment))
    return found + [
        Damage(Fault.GAP, name, what, SALVAGE, lineage, first, last) for first, last in stretches
    ]


def died(layout: Layout, place: Place, name: str) -> Damage:
    """Return the finding that reading a segment ended the process, by signal ``name``."""
    message = f"reading it ended the process ({name}): a page of the file is damaged"
    file = _name(layout, layout.path(place.segment))
    return Damage(Fault.READER_DIED, file, message, SALVAGE)


def with_store(damage: Damage, layout: Layout) -> Damage:
    """Return a finding whose command names the store; a backup is restored before it is mended."""
    if damage.code is Fault.UNFINISHED:
        return damage
    if layout.backup_path.exists():
        return replace(damage, command=f"sidespan restore {layout.root} DIR")
    return replace(damage, command=f"{damage.command} --data {layout.root}")


def _read(
    reader: SegmentReader, place: Place, declared: list[Declared]
) -> Iterator[tuple[Fault, str]]:
    rows = reader.rows()
    yield from _check_rows(rows, place.segment)
    end = place.before
    if end is None and keys.HEAD in rows:
        try:
            end = decode_head(rows[keys.HEAD]).next_lsn
        except DamagedRecord:
            end = None
    expected = place.segment.first_lsn
    for lsn, value in _values(reader, expected, end):
        if lsn < expected:
            yield Fault.WRONG_PLACE, f"LSN {lsn} lies behind LSN {expected - 1}"
            return
        if lsn > expected:
            yield Fault.GAP, f"LSN {expected} to {lsn - 1}: no record is there"
        checked = check(place.segment.ordinal, value)
        yield from ((code, f"LSN {lsn}: {message}") for code, message in checked.faults)
        entry = checked.record
        expected = max(lsn + 1, entry.header.last_lsn + 1 if entry is not None else 0)
        if entry is None:
            # What it says of its own length is not believed; its successor shows it.
            following = reader.next_lsn(lsn)
            expected = following if following is not None else expected
        elif entry.header.kind is Kind.DROP and entry.payload is not None:
            declared += declares(msgpack.unpackb(entry.payload))
    if end is not None and expected < end:
        yield Fault.GAP, f"LSN {expected} to {end - 1}: no record is there"


def _values(reader: SegmentReader, first: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    reached = first - 1
    while found := reader.values(reached + 1, end, READ_BATCH_RECORDS, READ_BATCH_BYTES):
        fresh = [pair for pair in found if pair[0] > reached]
        if not fresh:
            return
        yield from fresh
        if fresh[-1][0] <= reached:
            return
        reached = fresh[-1][0]


def _check_rows(rows: Mapping[bytes, bytes], segment: Segment) -> Iterator[tuple[Fault, str]]:
    if keys.HEAD not in rows:
        yield Fault.STATE_DAMAGED, "it has no head"
    for key, row in rows.items():
        try:
            if key in (keys.HEAD, keys.BASE):
                head = decode_head(row)
                if key == keys.HEAD and head.lineage != segment.lineage:
                    yield Fault.STATE_DAMAGED, f"its head is of lineage {head.lineage.hex()}"
            elif keys.is_session_key(key):
                decode_session(row)
            elif keys.parse_generation_key(key) is not None:
                msgpack.unpackb(row)
            else:
                decode_open_span(key, row)
        except (DamagedRecord, ValueError, msgpack.UnpackException) as error:
            yield Fault.STATE_DAMAGED, str(error)


def declares(body: Mapping[str, Any]) -> list[Declared]:
    """Return what a DROP record says is lost to damage: one stretch, or none."""
    if "quarantine" not in body:
        return []
    return [Declared(bytes(body["lineage"]), int(body["first_lsn"]), int(body["last_lsn"]))]


def _was_trimmed(layout: Layout, one: Segment) -> bool:
    # By a daemon, since the register was read: the file goes after its entry.
    return one < min(_registered(layout), default=one)


def _was_born(layout: Layout, one: Segment) -> bool:
    # A daemon registers it right after it has its place.
    return one in _registered(layout) or bool(lock.is_held(layout.lock_path))


def _registered(layout: Layout) -> Sequence[Segment]:
    try:
        manifest = layout.read_manifest()
    except SidespanError:
        return ()
    return manifest.segments if manifest is not None else ()


def _is_in(first: int, last: int, named: Iterable[Declared]) -> bool:
    for one in sorted(named):
        if one.first_lsn <= first <= one.last_lsn:
            first = one.last_lsn + 1
    return first > last


def _name(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
