"""The few messages of ``sidespan.v1`` that a client speaks, without protobuf's runtime.

The schema is proto/sidespan/v1/recorder.proto. Unknown fields are passed over, as protobuf asks.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sidespan._protobuf import length_delimited, varint
from sidespan._version import __version__

PROTOCOL_VERSION = 1

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10
_STATUS_DETAILS = 3


class Ack(NamedTuple):
    """The records of one seq are on the node's disk.

    Args:
        first_lsn: Of the first item; 0 when nothing was stored or the answer to its seq was lost.
        last_lsn: Of the last item, inclusive; 0 as above.
        token: The node's newest token; empty when the recorder named none.
        rejected_items: Items that were refused while the others were stored.
        rejected_reason: Why; empty without any.
    """

    first_lsn: int = 0
    last_lsn: int = 0
    token: str = ""
    rejected_items: int = 0
    rejected_reason: str = ""


class HelloAck(NamedTuple):
    """How a session begins.

    Args:
        last_seq: The highest seq of this instance that is durable; 0 when there is none.
        token: The node's newest token.
    """

    last_seq: int
    token: str


class Nack(NamedTuple):
    """The records of one seq were not stored.

    Args:
        code: A number of ``Nack.Code``.
        text: Why, for people.
        retry_after_ms: 0 when the seq is used up, else how long to wait before sending it again.
    """

    code: int
    text: str
    retry_after_ms: int


OUT_OF_ORDER = 4
RECORDS_TRACES, RECORDS_MARKS, RECORDS_ENDED = 1, 2, 4


def encode_hello(instance_id: bytes, acked_seq: int) -> bytes:
    """Return a Hello.

    Args:
        instance_id: 16 bytes.
        acked_seq: The highest seq that has been decided; 0 when there is none.
    """
    return (
        length_delimited(b"\x0a", instance_id)
        + b"\x10"
        + varint(PROTOCOL_VERSION)
        + b"\x18"
        + varint(PROTOCOL_VERSION)
        + length_delimited(b"\x22", f"sidespan-python/{__version__}".encode())
        + (b"\x28" + varint(acked_seq) if acked_seq else b"")
    )


def encode_records(traces: bytes, marks: bytes = b"", ended: bytes = b"") -> bytes:
    """Return a Records.

    Args:
        traces: An encoded ExportTraceServiceRequest of spans that have ended; empty for none.
        marks: The same of spans that have not; empty for none.
        ended: Trace id and span id, 24 bytes together, of each marked span that ends here.
    """
    return b"".join(
        length_delimited(tag, field)
        for tag, field in ((b"\x0a", traces), (b"\x12", marks), (b"\x22", ended))
        if field
    )


def encode_record_request(instance_id: bytes, seq: int, records: bytes) -> bytes:
    """Return a RecordRequest; with seq 0 the empty one, which asks for the newest token."""
    if not seq:
        return b""
    return (
        length_delimited(b"\x0a", instance_id)
        + b"\x10"
        + varint(seq)
        + length_delimited(b"\x1a", records)
    )


def decode_hello_ack(body: bytes) -> HelloAck:
    """Return what a HelloAck says.

    Raises:
        ValueError: ``body`` is not a message.
    """
    found = dict(fields(body))
    return HelloAck(_number(found, 2), _text(found, 5))


def decode_ack(body: bytes) -> Ack:
    """Return what an Ack says.

    Raises:
        ValueError: ``body`` is not a message.
    """
    found = dict(fields(body))
    return Ack(
        first_lsn=_number(found, 1),
        last_lsn=_number(found, 2),
        token=_text(found, 5),
        rejected_items=_number(found, 6),
        rejected_reason=_text(found, 7),
    )


def decode_nack(body: bytes) -> Nack:
    """Return what a Nack says.

    Raises:
        ValueError: ``body`` is not a message.
    """
    found = dict(fields(body))
    return Nack(_number(found, 1), _text(found, 2), _number(found, 3))


def decode_retry_delay_s(status: bytes) -> float | None:
    """Return the delay in seconds that a ``google.rpc.Status`` asks for, or None without one.

    Raises:
        ValueError: ``status`` is not a message.
    """
    for field, detail in fields(status):
        if field == _STATUS_DETAILS and isinstance(detail, bytes):
            found = dict(fields(detail))
            if _text(found, 1).endswith("/google.rpc.RetryInfo"):
                delay = dict(fields(_bytes(dict(fields(_bytes(found, 2))), 1)))
                return _number(delay, 1) + _number(delay, 2) / 1e9
    return None


def fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) in the order of the message; a group is malformed.

    Raises:
        ValueError: ``body`` ends within a field or holds what protobuf does not know.
    """
    at = 0
    while at < len(body):
        key, at = _read_varint(body, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(body, at)
            yield number, value
            continue
        if kind == _LENGTH_DELIMITED:
            length, at = _read_varint(body, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"field {number} has wire type {kind}")
        data = body[at : at + length]
        at += length
        if len(data) < length:
            raise ValueError(f"field {number} ends after {len(data)} of {length} bytes")
        yield number, data if kind == _LENGTH_DELIMITED else int.from_bytes(data, "little")


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(body[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - The top bit says that the number goes on.
            return number, at + index + 1
    raise ValueError("a varint does not end")


def _number(found: dict[int, int | bytes], field: int) -> int:
    value = found.get(field, 0)
    return value if isinstance(value, int) else 0


def _bytes(found: dict[int, int | bytes], field: int) -> bytes:
    value = found.get(field, b"")
    return value if isinstance(value, bytes) else b""


def _text(found: dict[int, int | bytes], field: int) -> str:
    return _bytes(found, field).decode("utf-8", "replace")
