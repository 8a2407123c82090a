"""A trace's file and the receipt beside it, on disk.

    <trace id>_<unix seconds>_<lineage>_<first LSN>-<last LSN>.json
    <the same>.evidence.json

The ids are OTLP's, in hex, and the seconds are those of the newest span's stamp, so a name depends
on what is in the file and not on when it was written, and nothing that a client chose is in a name.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sidespand.limits import EXPORT_FILE_BYTES_MAX
from sidespand.sinks.aitrace_document import RECEIPT_SUFFIX, Document, receipt, receipt_name

_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_COPY_BYTES = 1 << 20
_REDACTED = "redacted_span_count"


def file_name(trace: bytes, seconds: int, lineage: bytes, first: int, last: int) -> str:
    """Return the name of a trace's file."""
    return f"{trace.hex()}_{seconds}_{lineage.hex()}_{first}-{last}.json"


def is_whole(directory: Path, name: str) -> bool:
    """Tell whether a file and its receipt are there and belong together."""
    try:
        told = json.loads((directory / receipt_name(name)).read_bytes())
        return bool(told["trace_artifact_sha256"] == _digest(directory / name)[0])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_trace(directory: Path, name: str, head: Document, spans: Iterable[bytes]) -> Document:
    """Put a trace's file in its place; the directory is left to the caller to sync.

    Args:
        directory: Of which this is the only writer.
        name: Of the file.
        head: The document without its spans.
        spans: Its spans, encoded; they pass through one by one.

    Returns:
        What ``write_receipt`` needs: ``name``, ``sha256`` and ``size``.
    """
    digest = hashlib.sha256()
    size = 0
    with _replacing(directory / name) as file:
        for part in _parts(head, spans):
            digest.update(part)
            size += len(part)
            file.write(part)
    return {"name": name, "sha256": digest.hexdigest(), "size": size}


def write_receipt(directory: Path, head: Document, written: Document, owner: str | None) -> None:
    """Put the receipt of a durable file beside it; the directory is the caller's to sync."""
    document = receipt(head, **written, owner=owner)
    with _replacing(directory / document["evidence_receipt_ref"]) as file:
        file.write(_ENCODER.encode(document).encode("ascii") + b"\n")


def artifacts(directory: Path) -> Iterator[str]:
    """Yield the names of the traces' files in a directory."""
    with os.scandir(directory) as entries:
        for entry in entries:
            ours = entry.name.endswith(".json") and not entry.name.startswith(".")
            if ours and not entry.name.endswith(RECEIPT_SUFFIX):
                yield entry.name


def without_spans(directory: Path, name: str, is_gone: Any, owner: str | None) -> bool:
    """Take spans out of a file, and write its receipt anew; without any left, both go.

    Args:
        directory: Where it is.
        name: Of the file.
        is_gone: Tells from a span's lineage, in hex, and LSN whether it goes.
        owner: ``evidence_owner_ref``.

    Returns:
        Whether anything was changed; the directory is left to the caller to sync.

    Raises:
        OSError: The file is what it was, or it has no receipt: this must be repeated.
    """
    path, beside = directory / name, directory / receipt_name(name)
    with path.open("rb") as file:
        raw = file.read(EXPORT_FILE_BYTES_MAX)
    try:
        head = json.loads(raw)
        spans = head.pop("spans")
        stamps = [(span["sidespan"]["lineage"], int(span["sidespan"]["lsn"])) for span in spans]
    except (ValueError, KeyError, TypeError):
        # A file that somebody else put here.
        return False
    kept = [span for span, stamp in zip(spans, stamps, strict=True) if not is_gone(*stamp)]
    unfinished = _REDACTED in head and not beside.exists()
    if len(kept) == len(spans) and not unfinished:
        return False
    if not kept:
        beside.unlink(missing_ok=True)
        path.unlink()
        return True
    gone_count = head.get(_REDACTED, 0) + len(spans) - len(kept)
    # The resource may be of what is gone.
    head = {**head, "metadata": {}, _REDACTED: gone_count}
    beside.unlink(missing_ok=True)
    written = write_trace(directory, name, head, (_ENCODER.encode(one).encode() for one in kept))
    write_receipt(directory, head, written, owner)
    return True


def clear(directory: Path) -> None:
    """Remove what a crash left half-written."""
    for path in directory.glob(".*.json.tmp"):
        path.unlink(missing_ok=True)


def _parts(head: Document, spans: Iterable[bytes]) -> Iterator[bytes]:
    yield _ENCODER.encode(head).encode("ascii")[:-1] + b',"spans":['
    for number, span in enumerate(spans):
        yield (b",\n" if number else b"\n") + span
    yield b"\n]}\n"


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb", _COPY_BYTES) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
