"""The frame codec of ingest.sock. Pure; proto/README.md is its specification.

┌────────────┬─────────┬─────────┬──────────────┐
│ u32 length │ u8 type │ u64 seq │ protobuf body │     big-endian; the length counts what follows it
└────────────┴─────────┴─────────┴──────────────┘
"""

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from sidespand.errors import ProtocolViolation
from sidespand.limits import HELLO_BYTES_MAX

_HEAD = struct.Struct(">IBQ")
_LENGTH_BYTES = 4
_REST_BYTES = _HEAD.size - _LENGTH_BYTES


class FrameType(IntEnum):
    """What a frame is."""

    HELLO = 1
    RECORDS = 2
    BYE = 3
    HELLO_ACK = 16
    ACK = 17
    NACK = 18
    CONTROL = 19


class Frame(NamedTuple):
    """One frame.

    Args:
        type: As in ``FrameType``.
        seq: Of the RECORDS it is, or answers; else 0.
        body: Encoded protobuf.
    """

    type: FrameType
    seq: int
    body: bytes


class OversizeFrame(ProtocolViolation):
    """A RECORDS frame whose stated length is over the limit; its body was not read.

    Args:
        message: For the sender.
        seq: Of the frame.
    """

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


def encode(frame_type: FrameType, seq: int, body: bytes) -> bytes:
    """Return a frame's bytes."""
    return _HEAD.pack(_REST_BYTES + len(body), frame_type, seq) + body


class FrameSplitter:
    """Cuts a client's byte stream into frames; it never allocates by the stated length.

    Args:
        message_bytes_max: Of a RECORDS body.
    """

    def __init__(self, message_bytes_max: int) -> None:
        self._buffer = bytearray()
        self._known = {
            int(frame_type): (frame_type, body_bytes_max)
            for frame_type, body_bytes_max in (
                (FrameType.HELLO, HELLO_BYTES_MAX),
                (FrameType.RECORDS, message_bytes_max),
                (FrameType.BYE, 0),
            )
        }

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    @property
    def begun(self) -> tuple[int, int]:
        """The seq of the frame that has begun and the bytes of its body; zeros before its head."""
        if len(self._buffer) < _HEAD.size:
            return 0, 0
        length, _, seq = _HEAD.unpack_from(self._buffer)
        return seq, length - _REST_BYTES

    def feed(self, data: bytes) -> Iterable[Frame]:
        """Take bytes and give the frames that they complete, in order, while they are iterated.

        Raises:
            OversizeFrame: Not retryable; nothing after it can be read.
            ProtocolViolation: An unknown type, or a length that fits none. The same.
        """
        # Nearly always a read holds one small frame, whole: it need not go through the buffer.
        if not self._buffer and len(data) >= _HEAD.size:
            length, number, seq = _HEAD.unpack_from(data)
            if length + _LENGTH_BYTES == len(data):
                return (
                    Frame(self._check(number, seq, length - _REST_BYTES), seq, data[_HEAD.size :]),
                )
        return self._cut(data)

    def _cut(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _HEAD.size:
                length, number, seq = _HEAD.unpack_from(self._buffer, start)
                body_bytes = length - _REST_BYTES
                frame_type = self._check(number, seq, body_bytes)
                end = start + _HEAD.size + body_bytes
                if len(self._buffer) < end:
                    return
                body = bytes(memoryview(self._buffer)[start + _HEAD.size : end])
                start = end
                yield Frame(frame_type, seq, body)
        finally:
            del self._buffer[:start]

    def _check(self, number: int, seq: int, body_bytes: int) -> FrameType:
        known = self._known.get(number)
        if known is None:
            raise ProtocolViolation(f"frame type {number} is not one that a client sends")
        frame_type, limit = known
        if body_bytes < 0:
            raise ProtocolViolation(
                f"frame length {body_bytes + _REST_BYTES} is shorter than its head"
            )
        if body_bytes > limit:
            text = f"a {frame_type.name} of {body_bytes} bytes is over the limit of {limit}"
            if frame_type is FrameType.RECORDS:
                raise OversizeFrame(text, seq)
            raise ProtocolViolation(text)
        return frame_type
