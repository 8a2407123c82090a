"""The ``jsonl`` sink: one span a line, with its stamp, each span once.

``line_formats`` has the forms of a line. What is in the files is not written again: the last line
names the position from which it goes on. That holds within a lineage; of an older one, lines come
again when the cursor file is lost.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sidespand.config import values
from sidespand.limits import LINES_BYTES_MAX, SPANS_PER_TURN
from sidespand.model import Delivered, Delivery, Gap, Kind, Record, Retry
from sidespand.sinks import rotation
from sidespand.sinks.erasing import Ranges, without_lines
from sidespand.sinks.line_file import LineFile
from sidespand.sinks.line_formats import (
    FORMATS,
    NOWHERE,
    SPANS,
    LineFormat,
    Place,
    encode_lines,
    place_of,
    reached_by,
)
from sidespand.sinks.rotation import NEVER, Rotation
from sidespand.sinks.spec import Generations, NodeRef, Option, SinkType, node_refs

_T = TypeVar("_T")


class _Chunk(NamedTuple):
    lines: bytes
    first: Place
    last: Place


class JsonlSink:
    """Implements ``ports.Sink`` and ``ports.Erasable``.

    Args:
        path: The file; its directory must exist.
        node_ref: Tells a generation's ``source_node_ref`` from lineage and boot generation.
        form: Of the lines.
        when: The file is renamed, and another one begun.
    """

    kinds = frozenset({Kind.SPANS})

    def __init__(
        self, path: Path, node_ref: NodeRef, form: LineFormat = SPANS, when: Rotation = NEVER
    ) -> None:
        self._path = path
        self._node_ref = node_ref
        self._form = form
        self._when = when
        self._chunk_bytes_max = min(LINES_BYTES_MAX, when.bytes_max or LINES_BYTES_MAX)
        self._file: LineFile | None = None
        self._closed = False
        # Of the file's first line, and how far the lines have come.
        self._first = NOWHERE
        self._last = NOWHERE
        # One thread: a write that outlives its cancelled delivery still comes before the next step.
        self._disk = ThreadPoolExecutor(1, "sidespan-jsonl")

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Append the spans that the files do not hold yet; Delivered once they are flushed."""
        try:
            if self._file is None:
                await self._on_disk(self._open)
            async for chunk in self._chunks(records):
                await self._on_disk(self._append, chunk)
        except OSError as error:
            await self._on_disk(self._drop)
            return Retry(f"{self._path}: {error.strerror}")
        return Delivered()

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Remove the lines of redacted spans; ``ports.Erasable`` has the contract."""
        await self._on_disk(self._erase, gone)

    async def close(self) -> None:
        """Wait for the last write and let go of the file."""
        if not self._closed:
            self._closed = True
            await self._on_disk(self._drop)
            self._disk.shutdown(wait=False)

    async def _on_disk(self, step: Callable[..., _T], *arguments: Any) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk, step, *arguments)

    def _open(self) -> None:
        self._file = LineFile(self._path, self._form.prefix)
        if self._file.last_line:
            self._last = _told(reached_by, self._file.last_line)
            with self._path.open("rb") as file:
                self._first = _told(place_of, file.readline())
        else:
            self._last = rotation.reached(self._path)

    def _append(self, chunk: _Chunk) -> None:
        if self._file is None:
            # It was written anew since the last lines.
            self._open()
        assert self._file is not None
        size, first_ns = self._file.size, self._first.wall_ns
        if self._when.is_due(size, first_ns, len(chunk.lines), chunk.first.wall_ns):
            self._drop()
            rotation.rotate(self._path, self._first, self._last, self._when)
            self._file = LineFile(self._path, self._form.prefix)
        if not self._file.size:
            self._first = chunk.first
        self._file.append(chunk.lines)
        self._last = chunk.last

    def _erase(self, gone: Sequence[Gap]) -> None:
        # The file is another one afterwards, and opened again with the next lines.
        self._drop()
        ranges = Ranges(gone)

        def is_gone(line: bytes) -> bool:
            place = _told(place_of, line)
            return ranges.hold(place.lineage, place.lsn)

        for path in (*rotation.rotated(self._path), self._path):
            without_lines(path, self._form.prefix, is_gone)

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _chunks(self, records: Sequence[Record]) -> AsyncIterator[_Chunk]:
        lines: list[bytes] = []
        size = 0
        first = last = NOWHERE
        for count, (place, line) in enumerate(self._lines(records), 1):
            if lines and size + len(line) > self._chunk_bytes_max:
                yield _Chunk(b"".join(lines), first, last)
                lines, size = [], 0
            if not lines:
                first = place
            lines.append(line)
            size += len(line)
            last = place
            if count % SPANS_PER_TURN == 0:
                await asyncio.sleep(0)
        if lines:
            yield _Chunk(b"".join(lines), first, last)

    def _lines(self, records: Sequence[Record]) -> Iterator[tuple[Place, bytes]]:
        for record in records:
            header = record.header
            lineage = header.lineage.hex()
            after = self._last.lsn if lineage == self._last.lineage else 0
            if header.last_lsn > after:
                node_ref = self._node_ref(header.lineage, header.boot_generation)
                for lsn, line in encode_lines(record, node_ref, after, self._form):
                    yield Place(lineage, lsn, header.stamp.wall_ns), line


def _told(parse: Callable[[bytes], Place], line: bytes) -> Place:
    try:
        return parse(line)
    except ValueError as error:
        raise OSError(errno.EINVAL, "its lines are none of this sink's") from error


def _make(options: Mapping[str, Any], place: Path, generations: Generations) -> JsonlSink:
    return JsonlSink(
        options["path"] or place / "spans.jsonl",
        node_refs(generations),
        FORMATS[options["format"]],
        Rotation(options["rotate_bytes"], options["rotate_age"], options["keep_files"]),
    )


def _least_one(parse: Callable[[Any], Any], expected: str) -> Callable[[Any], Any]:
    def at_least(value: Any) -> Any:
        found = parse(value)
        if found <= 0:
            raise ValueError(expected)
        return found

    return at_least


JSONL = SinkType(
    {
        "path": Option(values.absolute_path),
        "format": Option(values.one_of(*FORMATS), "spans"),
        "rotate_bytes": Option(_least_one(values.size_bytes, "expected a size above 0")),
        "rotate_age": Option(_least_one(values.duration_s, "expected a duration above 0")),
        "keep_files": Option(_least_one(values.count, "expected a number of files, 1 or more")),
    },
    _make,
    stays=lambda options: options["path"] is None,
)
