"""Tells what a file is by what stands in it, and reads it."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

from sidespand.errors import InvalidRequest, TooLarge
from sidespand.exchange import (
    read_agenttrace,
    read_aitrace,
    read_lines,
    read_otlp,
    read_steps,
)
from sidespand.exchange.part import Source, identity
from sidespand.limits import IMPORT_DOCUMENT_BYTES_MAX, MESSAGE_BYTES_MAX

OTLP: Final = "otlp"
OTLP_PROTOBUF: Final = "otlp-protobuf"
LINES: Final = "jsonl"

_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_OPEN: Final = b"{"
# Field 1 of a request of traces, of wire type LEN.
_PROTOBUF: Final = 0x0A
# A crash may have cut the first lines of a file.
_LINES_TRIED_MAX: Final = 8

Document = dict[str, Any]


def read(file: BinaryIO, stem: str) -> Source:
    """Return what a file holds.

    Args:
        file: At its beginning; it can be sought in, and stays open while the parts are read.
        stem: Its name without directory and ending.

    Raises:
        InvalidRequest: It is nothing that is known. Not retryable.
        TooLarge: A document is over IMPORT_DOCUMENT_BYTES_MAX. Not retryable.
    """
    head = file.read(64)
    file.seek(0)
    if head and not head.lstrip(_SPACE).startswith(_OPEN):
        return _protobuf(file, head)
    first = file.readline(MESSAGE_BYTES_MAX)
    file.seek(0)
    name = OTLP if not head else _kind_of_lines(file)
    file.seek(0)
    match name:
        case None:
            return _document(file)
        case read_steps.FORMAT:
            return read_steps.lines(_lines(file), stem)
        case read_agenttrace.FORMAT:
            parts = read_agenttrace.lines(_lines(file))
        case "jsonl":
            parts = read_lines.lines(_lines(file))
        case _:
            parts = read_otlp.lines(_lines(file))
    # What is added to the file leaves its first line as it is.
    return Source(name, identity(name, first), parts)


def _kind_of_lines(file: BinaryIO) -> str | None:
    for line in islice(_lines(file), _LINES_TRIED_MAX):
        document = _object(line)
        if document is not None:
            return next((name for name, is_line in _KINDS.items() if is_line(document)), None)
    return None


def _is_otlp(document: Document) -> bool:
    return any(key in document for key in ("resourceSpans", "resourceLogs", "resourceMetrics"))


def _is_ours(document: Document) -> bool:
    return "span_id" in document and "start_ns" in document


def _is_agenttrace(document: Document) -> bool:
    return document.get("type") in ("run", "span") and isinstance(document.get("data"), dict)


_KINDS: Final[dict[str, Callable[[Document], bool]]] = {
    OTLP: _is_otlp,
    LINES: _is_ours,
    read_agenttrace.FORMAT: _is_agenttrace,
    read_steps.FORMAT: read_steps.is_step,
}


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(MESSAGE_BYTES_MAX), b"")


def _protobuf(file: BinaryIO, head: bytes) -> Source:
    if head[0] == _PROTOBUF:
        body = file.read(MESSAGE_BYTES_MAX + 1)
        if len(body) > MESSAGE_BYTES_MAX:
            raise TooLarge(f"one message is at most {MESSAGE_BYTES_MAX} bytes")
        return Source(OTLP_PROTOBUF, identity(OTLP_PROTOBUF, body), read_otlp.message(body))
    prefix = file.read(4)
    size = int.from_bytes(prefix, "big")
    if not 0 < size <= MESSAGE_BYTES_MAX or head[4:5] != bytes([_PROTOBUF]):
        raise _unknown()
    first = prefix + file.read(size)
    file.seek(0)
    return Source(OTLP_PROTOBUF, identity(OTLP_PROTOBUF, first), read_otlp.messages(file))


def _document(file: BinaryIO) -> Source:
    body = file.read(IMPORT_DOCUMENT_BYTES_MAX + 1)
    if len(body) > IMPORT_DOCUMENT_BYTES_MAX:
        raise TooLarge(
            f"a document that is no file of lines is at most {IMPORT_DOCUMENT_BYTES_MAX} bytes",
            hint="write one request a line, or protobuf",
        )
    document = _object(body)
    if document is None:
        raise _unknown()
    if read_aitrace.is_trace(document):
        return read_aitrace.read(document)
    if read_steps.is_session(document):
        return read_steps.session(document)
    if _is_otlp(document):
        return Source(OTLP, identity(OTLP, body), read_otlp.document(body))
    if "evidence_schema_version" in document:
        raise InvalidRequest(
            "this is the receipt of an AITrace export",
            hint="import the trace that it names as trace_artifact_ref",
        )
    raise _unknown()


def _object(text: bytes) -> Document | None:
    try:
        document = json.loads(text.lstrip(_SPACE))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _unknown() -> InvalidRequest:
    return InvalidRequest(
        "this is no file of spans that is known",
        hint="`sidespan import --help` lists what can be imported",
    )
