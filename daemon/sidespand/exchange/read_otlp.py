"""Reads OTLP files: JSON, one request a line or a document, and protobuf.

Of protobuf a file is one message, or messages that each follow their length in four bytes,
big-endian. Source: opentelemetry-collector-contrib, file exporter; opentelemetry-proto,
"JSON Protobuf Encoding".
"""

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.errors import InvalidRequest, TooLarge
from sidespand.exchange.part import Part
from sidespand.limits import MESSAGE_BYTES_MAX
from sidespand.model import Kind
from sidespand.receiver.otlp_json import to_protobuf

_LENGTH: Final = struct.Struct(">I")


def lines(given: Iterable[bytes]) -> Iterator[Part]:
    """Yield each line of OTLP/JSON as a part; one that was cut off is unreadable."""
    for seq, line in enumerate(given, start=1):
        yield _json(seq, f"line {seq}", line)


def document(given: bytes) -> Iterator[Part]:
    """Yield the one part of an OTLP/JSON document."""
    yield _json(1, "the document", given)


def messages(file: BinaryIO) -> Iterator[Part]:
    """Yield each message of a file of lengths and messages.

    What follows a length that cannot be is not looked at.
    """
    seq = 0
    while prefix := file.read(_LENGTH.size):
        seq += 1
        where = f"message {seq}"
        size = _LENGTH.unpack(prefix)[0] if len(prefix) == _LENGTH.size else 0
        if not 0 < size <= MESSAGE_BYTES_MAX:
            yield Part(seq, where, None)
            return
        body = file.read(size)
        yield _protobuf(seq, where, body if len(body) == size else b"\xff")


def message(given: bytes) -> Iterator[Part]:
    """Yield the one part of an encoded request, or of a file of traces, which is the same bytes."""
    yield _protobuf(1, "the message", given)


def _json(seq: int, where: str, given: bytes) -> Part:
    try:
        encoded = to_protobuf(Kind.SPANS, given)
        return Part(seq, where, ExportTraceServiceRequest.FromString(encoded))
    except InvalidRequest:
        return Part(seq, where, None)
    except TooLarge as error:
        return Part(seq, where, None, str(error))


def _protobuf(seq: int, where: str, given: bytes) -> Part:
    try:
        return Part(seq, where, ExportTraceServiceRequest.FromString(given))
    except DecodeError:
        return Part(seq, where, None)
