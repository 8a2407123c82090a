"""Frames, and the messages of ``sidespan.v1`` in them, made with the protobuf runtime."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from sidespan.v1 import recorder_pb2 as v1

Document = dict[str, Any]

TYPES = {
    "HELLO": 1,
    "RECORDS": 2,
    "BYE": 3,
    "HELLO_ACK": 16,
    "ACK": 17,
    "NACK": 18,
    "CONTROL": 19,
}
TOKEN = "1-00112233445566aa-1f-18d4f3a6c8e2000000000007-000102030405060708090a0b0c0d0e0f"
INSTANCE = bytes(range(16))
U64_MAX = 2**64 - 1
REPLY_BYTES_MAX = 64 * 1024
_TEXT = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL}


def frame(number: int, seq: int, body: bytes) -> bytes:
    """Return one frame, as proto/README.md has it."""
    return struct.pack(">IBQ", 9 + len(body), number, seq) + body


def fields_of(message: Message) -> Document:
    """Return every field of a flat message: bytes as hex, integers as decimal text."""
    found: Document = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            found[field.name] = value.hex()
        else:
            found[field.name] = value if field.type in _TEXT else str(value)
    return found


def _client_messages() -> Iterator[tuple[str, Message]]:
    yield (
        "hello of a new instance",
        v1.Hello(
            instance_id=INSTANCE, protocol_version_min=1, protocol_version_max=1, client="example/1"
        ),
    )
    yield (
        "hello that resumes",
        v1.Hello(
            instance_id=INSTANCE,
            protocol_version_min=1,
            protocol_version_max=1,
            client="example/1",
            acked_seq=300,
        ),
    )
    yield "records of nothing, which use a seq up", v1.Records()
    yield "records with ended spans", v1.Records(traces=b"\x0a\x00")
    yield "records with a mark", v1.Records(marks=b"\x0a\x00")
    yield "records with logs", v1.Records(logs=b"\x0a\x00")
    ids = bytes(range(1, 25))
    yield (
        "records with the end of a marked span",
        v1.Records(traces=b"\x0a\x00", marks=b"\x0a\x00", ended=ids),
    )
    yield "records that end two marked spans", v1.Records(ended=ids + bytes(range(31, 55)))
    yield (
        "record request with a seq",
        v1.RecordRequest(instance_id=INSTANCE, seq=7, records=v1.Records(traces=b"\x0a\x00")),
    )
    yield "session hello", v1.ClientMessage(hello=v1.Hello(instance_id=INSTANCE))
    yield (
        "session records",
        v1.ClientMessage(seq=1, records=v1.Records(traces=b"\x0a\x00")),
    )
    yield "session bye", v1.ClientMessage(bye=v1.Bye())


def _daemon_messages() -> Iterator[tuple[str, Message]]:
    yield (
        "hello ack",
        v1.HelloAck(
            protocol_version=1,
            last_seq=41,
            message_bytes_max=67_108_864,
            unacked_bytes_max=8_388_608,
            token=TOKEN,
            source_node_ref="node://test@host",
        ),
    )
    yield "hello ack of an unknown instance", v1.HelloAck(protocol_version=1, token=TOKEN)
    yield (
        "ack",
        v1.Ack(
            first_lsn=30,
            last_lsn=31,
            hlc_wall_ns=1_790_000_000_000_000_000,
            hlc_logical=7,
            token=TOKEN,
        ),
    )
    yield (
        "ack with the largest numbers",
        v1.Ack(
            first_lsn=U64_MAX,
            last_lsn=U64_MAX,
            hlc_wall_ns=U64_MAX,
            hlc_logical=2**32 - 1,
            token=TOKEN,
        ),
    )
    yield "ack of nothing stored", v1.Ack(token=TOKEN)
    yield (
        "ack of a part",
        v1.Ack(first_lsn=30, last_lsn=30, token=TOKEN, rejected_items=2, rejected_reason="no — id"),
    )
    yield "ack of a duplicate", v1.Ack(first_lsn=30, last_lsn=31, token=TOKEN, duplicate=True)
    for name, code, wait in (
        ("invalid", v1.Nack.INVALID, 0),
        ("too large", v1.Nack.TOO_LARGE, 0),
        ("unavailable", v1.Nack.UNAVAILABLE, 1000),
        ("out of order", v1.Nack.OUT_OF_ORDER, 1000),
        ("version", v1.Nack.VERSION, 0),
        ("permission denied", v1.Nack.PERMISSION_DENIED, 0),
        ("protocol", v1.Nack.PROTOCOL, 0),
    ):
        yield f"nack {name}", v1.Nack(code=code, text=name, retry_after_ms=wait)
    yield "control drain", v1.Control(drain=True)
    yield "control of a later version", v1.Control()
    yield "session hello ack", v1.RecorderMessage(hello_ack=v1.HelloAck(protocol_version=1))
    yield "session ack", v1.RecorderMessage(seq=3, ack=v1.Ack(first_lsn=30, last_lsn=31))
    yield (
        "session nack",
        v1.RecorderMessage(seq=4, nack=v1.Nack(code=v1.Nack.OUT_OF_ORDER, retry_after_ms=1000)),
    )
    yield "session control", v1.RecorderMessage(control=v1.Control(drain=True))


def messages() -> Document:
    """Return messages.json."""
    encode = [_message(name, message) for name, message in _client_messages()]
    decode = [_message(name, message) for name, message in _daemon_messages()]
    ack = v1.Ack(first_lsn=30, last_lsn=31, token=TOKEN)
    encoded = ack.SerializeToString()
    unknown = b"\xa2\x06\x03new\xad\x06\x01\x02\x03\x04\xb1\x06\x01\x02\x03\x04\x05\x06\x07\x08"
    decode.append(
        _read("ack with fields of a later version", ack, unknown + encoded + b"\xb8\x06\x01")
    )
    decode.append(_read("ack whose field comes twice: the last counts", ack, b"\x08\x05" + encoded))
    decode.append(
        _read("ack with a field of default value written out", ack, encoded + b"\x30\x00")
    )
    nack = v1.Nack(text="?", retry_after_ms=5)
    decode.append(
        {
            **_read("nack with a code of a later version", nack, nack.SerializeToString()),
            "bytes": (b"\x08\x63" + nack.SerializeToString()).hex(),
            "fields": {**fields_of(nack), "code": "99"},
        }
    )
    malformed = [
        ("a varint that does not end", "Ack", b"\x08\xff"),
        ("a varint of eleven bytes", "Ack", b"\x08" + b"\xff" * 10 + b"\x01"),
        ("text shorter than its length", "Ack", b"\x2a\x05abc"),
        ("a length without text", "Nack", b"\x12"),
        ("half a fixed64", "Ack", b"\x19\x00\x00\x00"),
    ]
    return {
        "encode": encode,
        "decode": decode,
        "malformed": [
            {"name": name, "message": kind, "bytes": data.hex()} for name, kind, data in malformed
        ],
    }


def _message(name: str, message: Message) -> Document:
    if isinstance(message, v1.RecordRequest | v1.ClientMessage | v1.RecorderMessage):
        fields = _nested(message)
    else:
        fields = fields_of(message)
    return {
        "name": name,
        "message": message.DESCRIPTOR.name,
        "fields": fields,
        "bytes": message.SerializeToString().hex(),
    }


def _nested(message: Message) -> Document:
    found: Document = {}
    for field, value in message.ListFields():
        if isinstance(value, Message):
            found[field.name] = fields_of(value)
        else:
            found[field.name] = value.hex() if isinstance(value, bytes) else str(value)
    return found


def _read(name: str, message: Message, data: bytes) -> Document:
    return {
        "name": name,
        "message": message.DESCRIPTOR.name,
        "fields": fields_of(message),
        "bytes": data.hex(),
    }


def frames() -> Document:
    """Return frames.json."""
    return {
        "types": TYPES,
        "encode": [
            _frame("hello", "HELLO", 0, b"\x0a\x10" + INSTANCE),
            _frame("first records", "RECORDS", 1, b"\x0a\x02\x0a\x00"),
            _frame("records of nothing", "RECORDS", 2, b""),
            _frame("the largest seq", "RECORDS", U64_MAX, b"\x0a\x02\x0a\x00"),
            _frame("records of 300 bytes", "RECORDS", 3, b"\x0a\xa9\x02" + bytes(297)),
            _frame("bye", "BYE", 0, b""),
        ],
        "split": list(_streams()),
        "malformed": [
            {"name": name, "bytes": data.hex()}
            for name, data in (
                ("a length of 0", bytes(4)),
                ("a length shorter than type and seq", struct.pack(">IB", 8, 17) + bytes(7)),
                ("an answer over 64 KiB", struct.pack(">IBQ", REPLY_BYTES_MAX + 1, 17, 1)),
                ("a type that no daemon sends", frame(99, 0, b"")),
                ("a type that only clients send", frame(TYPES["RECORDS"], 1, b"")),
            )
        ],
    }


def _frame(name: str, kind: str, seq: int, body: bytes) -> Document:
    return {
        "name": name,
        "type": kind,
        "seq": str(seq),
        "body": body.hex(),
        "frame": frame(TYPES[kind], seq, body).hex(),
    }


def _streams() -> Iterator[Document]:
    ack = v1.Ack(first_lsn=1, last_lsn=1, token=TOKEN).SerializeToString()
    hello_ack = v1.HelloAck(protocol_version=1, token=TOKEN).SerializeToString()
    nack = v1.Nack(code=v1.Nack.INVALID, text="no").SerializeToString()
    drain = v1.Control(drain=True).SerializeToString()
    session = [
        ("HELLO_ACK", 0, hello_ack),
        ("ACK", 1, ack),
        ("NACK", 2, nack),
        ("CONTROL", 0, drain),
    ]
    whole = b"".join(frame(TYPES[kind], seq, body) for kind, seq, body in session)
    yield _stream("four frames in one piece", [whole], session)
    yield _stream("byte by byte", [whole[at : at + 1] for at in range(len(whole))], session)
    yield _stream("cut within a head", [whole[:7], whole[7:]], session)
    one = frame(TYPES["ACK"], U64_MAX, ack)
    yield _stream("one frame and half another", [one + one[:20]], [("ACK", U64_MAX, ack)], rest=20)
    yield _stream(
        "a frame without a body", [frame(TYPES["CONTROL"], 0, b"")], [("CONTROL", 0, b"")]
    )


def _stream(
    name: str,
    chunks: Sequence[bytes],
    expected: Sequence[tuple[str, int, bytes]],
    rest: int = 0,
) -> Document:
    return {
        "name": name,
        "chunks": [chunk.hex() for chunk in chunks],
        "frames": [
            {"type": kind, "seq": str(seq), "body": body.hex()} for kind, seq, body in expected
        ],
        "rest_bytes": rest,
    }


FILES: Mapping[str, Document] = {"frames.json": frames(), "messages.json": messages()}
