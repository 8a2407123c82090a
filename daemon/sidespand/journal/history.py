"""What a store says of its own past: its lineages, why each began, and the generations in it.

It is read from the state rows of the segments, each of which names the generations that wrote it: a
generation is forgotten with the last of its segments.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgpack

from sidespand.journal import keys
from sidespand.journal.layout import Layout, Segment
from sidespand.journal.record import DamagedRecord
from sidespand.journal.segment import SegmentReader
from sidespand.journal.segment_file import SegmentDamaged
from sidespand.journal.state import decode_head
from sidespand.model import ControlBody


@dataclass(frozen=True, slots=True)
class PastGeneration:
    """One open of the store.

    Args:
        body: Of its GEN record.
        first_lsn: Of its first record.
        last_lsn: Of its last one, inclusive; None where the rows that would tell are gone.
        clean: Whether it ended in order; None while it runs, and where nobody knows.
    """

    body: ControlBody
    first_lsn: int
    last_lsn: int | None
    clean: bool | None


@dataclass(frozen=True, slots=True)
class PastLineage:
    """One log series of the store.

    Args:
        ordinal: Its number within the store.
        lineage: 8 bytes.
        origin: The body of its LINEAGE record; empty where nobody said.
        generations: Oldest first; those of which a segment is left.
    """

    ordinal: int
    lineage: bytes
    origin: ControlBody
    generations: tuple[PastGeneration, ...]


def read(layout: Layout, *, running: bool) -> list[PastLineage]:
    """Return the lineages of a store, oldest first; a segment that cannot be read adds nothing.

    Args:
        layout: Of the store.
        running: Whether a recorder has it open.

    Raises:
        StoreUnreadable: A segment may not be read by this user.
    """
    bodies: dict[tuple[int, bytes], dict[int, ControlBody]] = {}
    newest: Mapping[bytes, bytes] = {}
    for segment, rows in _rows(layout):
        known = bodies.setdefault((segment.ordinal, segment.lineage), {})
        for key, row in rows.items():
            number = keys.parse_generation_key(key)
            if number is not None:
                known[number] = msgpack.unpackb(row)
        newest = rows
    ended = None if running else keys.CLEAN in newest
    last_lsn = _last_lsn(newest)
    found: list[PastLineage] = []
    for (ordinal, lineage), numbered in sorted(bodies.items(), reverse=True):
        ordered = [numbered[number] for number in sorted(numbered)]
        past = PastLineage(
            ordinal,
            lineage,
            ordered[-1].get("origin", {}) if ordered else {},
            tuple(_generations(ordered, last_lsn, ended=ended)),
        )
        found.append(past)
        # The lineage before it was left where this one says, by a generation that this one saw.
        last_lsn = past.origin.get("parent_lsn")
        ended = ordered[0].get("clean_shutdown") if ordered else None
    return found[::-1]


def _generations(
    bodies: Iterable[ControlBody], last_lsn: int | None, *, ended: bool | None
) -> Iterator[PastGeneration]:
    for body, following in pairwise([*bodies, None]):
        assert body is not None
        first_lsn = body["previous_last_lsn"] + 1
        if following is None:
            yield PastGeneration(body, first_lsn, last_lsn, ended)
        else:
            yield PastGeneration(
                body, first_lsn, following["previous_last_lsn"], following["clean_shutdown"]
            )


def _rows(layout: Layout) -> Iterator[tuple[Segment, dict[bytes, bytes]]]:
    segments = layout.segments()
    for segment in segments:
        try:
            reader = SegmentReader(layout.path(segment), locked=segment == segments[-1])
        except (FileNotFoundError, SegmentDamaged):
            continue
        try:
            rows = reader.rows()
        except SegmentDamaged:
            continue
        finally:
            reader.close()
        yield segment, rows


def _last_lsn(rows: Mapping[bytes, bytes]) -> int | None:
    try:
        return decode_head(rows[keys.HEAD]).last_lsn
    except (KeyError, DamagedRecord):
        return None
