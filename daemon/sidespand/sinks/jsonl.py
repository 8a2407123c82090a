"""The ``jsonl`` sink: one span a line, with its stamp, each span once.

A line has the fields of ``span_json.span_fields``, then

    service   the resource's service.name, or ""
    resource  its attributes
    scope     {name, version}
    stamp     {source_node_ref, lineage, boot_generation, lsn, hlc}; lsn is decimal text

What is in the file is not written again: the last line names the position from which it goes on.
That holds within a lineage; of an older one, lines come again when the cursor file is lost.
"""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand import hlc
from sidespand.config import values
from sidespand.limits import LINES_BYTES_MAX, SPANS_PER_TURN
from sidespand.model import Delivered, Delivery, Gap, Kind, Record, Retry
from sidespand.sinks import span_json
from sidespand.sinks.erasing import Ranges, without_lines
from sidespand.sinks.line_file import LineFile
from sidespand.sinks.spec import Generations, NodeRef, Option, SinkType, node_refs

_T = TypeVar("_T")
_PREFIX = b'{"trace_id":"'
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


class JsonlSink:
    """Implements ``ports.Sink``.

    Args:
        path: The file; its directory must exist.
        node_ref: Tells a generation's ``source_node_ref`` from lineage and boot generation.
    """

    kinds = frozenset({Kind.SPANS})

    def __init__(self, path: Path, node_ref: NodeRef) -> None:
        self._path = path
        self._node_ref = node_ref
        self._file: LineFile | None = None
        self._closed = False
        # Where the file's last line stands: lineage in hex, LSN.
        self._last = ("", 0)
        # One thread: a write that outlives its cancelled delivery still comes before the next step.
        self._disk = ThreadPoolExecutor(1, "sidespan-jsonl")

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Append the spans that the file does not hold yet; Delivered once they are flushed."""
        try:
            if self._file is None:
                await self._on_disk(self._open)
            async for lines, lsn in self._chunks(records):
                await self._on_disk(self._append, lines)
                self._last = (records[0].header.lineage.hex(), lsn)
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
        self._file = LineFile(self._path, _PREFIX)
        self._last = _position_of(self._file.last_line)

    def _append(self, lines: bytes) -> None:
        if self._file is None:
            # It was written anew since the last lines.
            self._open()
        assert self._file is not None
        self._file.append(lines)

    def _erase(self, gone: Sequence[Gap]) -> None:
        # The file is another one afterwards, and opened again with the next lines.
        self._drop()
        ranges = Ranges(gone)
        without_lines(self._path, _PREFIX, lambda line: ranges.hold(*_position_of(line)))

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _chunks(self, records: Sequence[Record]) -> AsyncIterator[tuple[bytes, int]]:
        lines: list[bytes] = []
        size = last_lsn = 0
        for count, (lsn, line) in enumerate(self._lines(records), 1):
            if lines and size + len(line) > LINES_BYTES_MAX:
                yield b"".join(lines), last_lsn
                lines, size = [], 0
            lines.append(line)
            size += len(line)
            last_lsn = lsn
            if count % SPANS_PER_TURN == 0:
                await asyncio.sleep(0)
        if lines:
            yield b"".join(lines), last_lsn

    def _lines(self, records: Sequence[Record]) -> Iterator[tuple[int, bytes]]:
        for record in records:
            lineage, written = self._last
            after = written if record.header.lineage.hex() == lineage else 0
            if record.header.last_lsn > after:
                node_ref = self._node_ref(record.header.lineage, record.header.boot_generation)
                yield from encode_lines(record, node_ref, after)


def encode_lines(record: Record, node_ref: str, after: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield LSN and line of every span of ``record`` behind LSN ``after``, in LSN order.

    Args:
        record: Of kind SPANS, with its payload.
        node_ref: Who wrote it.
        after: Exclusive.
    """
    header = record.header
    assert record.payload is not None
    request = ExportTraceServiceRequest.FromString(record.payload)
    lsn = header.first_lsn - 1
    for resource_spans in request.resource_spans:
        resource = span_json.attributes(resource_spans.resource.attributes)
        service = resource.get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            scope = {"name": scope_spans.scope.name, "version": scope_spans.scope.version}
            for span in scope_spans.spans:
                lsn += 1
                if lsn <= after:
                    continue
                fields = span_json.span_fields(span)
                fields["service"] = service if isinstance(service, str) else ""
                fields["resource"] = resource
                fields["scope"] = scope
                fields["stamp"] = {
                    "source_node_ref": node_ref,
                    "lineage": header.lineage.hex(),
                    "boot_generation": header.boot_generation,
                    "lsn": str(lsn),
                    "hlc": hlc.text(hlc.nth(header.stamp, lsn - header.first_lsn)),
                }
                yield lsn, _ENCODER.encode(fields).encode("ascii") + b"\n"


def _make(options: Mapping[str, Any], place: Path, generations: Generations) -> JsonlSink:
    return JsonlSink(options["path"] or place / "spans.jsonl", node_refs(generations))


JSONL = SinkType({"path": Option(values.absolute_path)}, _make)


def _position_of(line: bytes) -> tuple[str, int]:
    if not line:
        return "", 0
    try:
        stamp = json.loads(line)["stamp"]
        return str(stamp["lineage"]), int(stamp["lsn"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(errno.EINVAL, "its last line is none of this sink's") from error
