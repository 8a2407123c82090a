"""Changes a closed store as somebody would who knows its format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sidespand import hlc, merkle
from sidespand.journal import keys, record
from sidespand.journal.layout import Layout
from sidespand.journal.segment import SegmentReader, SegmentWriter, create
from sidespand.journal.segment_file import inspect
from sidespand.journal.state import decode_head, encode_head


def stored_values(data_dir: Path) -> dict[int, bytes]:
    """Return the stored values of a store of one segment, by LSN."""
    layout = Layout(data_dir)
    (segment,) = layout.segments()
    reader = SegmentReader(layout.path(segment), locked=False)
    try:
        return dict(reader.values(1, None, 100_000, 1 << 30))
    finally:
        reader.close()


class Rewriting:
    """Writes the one segment of a store anew.

    Args:
        data_dir: The store; nobody has it open.
    """

    def __init__(self, data_dir: Path) -> None:
        layout = Layout(data_dir)
        (segment,) = layout.segments()
        self._path = layout.path(segment)
        reader = SegmentReader(self._path, locked=False)
        self._values = dict(reader.values(1, None, 100_000, 1 << 30))
        self._rows = reader.rows()
        reader.close()

    def values(self, change: Callable[[int, bytes], bytes | None]) -> None:
        """Replace each record by what ``change`` makes of it; None leaves it out."""
        changed = {lsn: change(lsn, value) for lsn, value in self._values.items()}
        self._write({lsn: value for lsn, value in changed.items() if value is not None}, self._rows)

    def replace(self, values: Mapping[int, bytes]) -> None:
        """Replace all records, by LSN."""
        self._write(values, self._rows)

    def state(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace state rows."""
        self._write(self._values, {**self._rows, **rows})

    def cut(self, record_count: int) -> bool:
        """Put the log back to where it had so many records, its head and tree with it.

        Returns:
            Whether there were more.
        """
        kept = dict(list(self._values.items())[:record_count])
        hashes: list[bytes] = []
        for size, value in enumerate(kept.values()):
            merkle.append(hashes, size, record.decode(value)[2])
        header, _, leaf, _ = record.decode(list(kept.values())[-1])
        head = replace(
            decode_head(self._rows[keys.HEAD]),
            boot_generation=header.boot_generation,
            next_lsn=header.last_lsn + 1,
            record_count=record_count,
            commit_seq=header.commit_seq,
            stamp=hlc.nth(header.stamp, header.item_count - 1),
            tag=leaf[:16],
            hashes=tuple(hashes),
        )
        self._write(kept, {**self._rows, keys.HEAD: encode_head(head)})
        return len(kept) < len(self._values)

    def _write(self, values: Mapping[int, bytes], rows: Mapping[bytes, bytes]) -> None:
        map_bytes = inspect(self._path).map_bytes
        create(self._path, map_bytes)
        writer = SegmentWriter(self._path, map_bytes, sync=False)
        writer.commit(
            [(keys.record_key(lsn), value) for lsn, value in sorted(values.items())], dict(rows)
        )
        writer.close()
