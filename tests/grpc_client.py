"""A client of ``Recorder.Session`` for tests, written from proto/README.md."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from sidespan.v1.recorder_pb2 import (
    Ack,
    Bye,
    ClientMessage,
    Hello,
    HelloAck,
    Nack,
    RecorderMessage,
    Records,
)

METHOD = "/sidespan.v1.Recorder/Session"


class GrpcClient:
    """One stream.

    Args:
        channel: A ``grpc.aio.Channel``.
    """

    def __init__(self, channel: Any) -> None:
        self.call = channel.stream_stream(METHOD)()

    async def __aiter__(self) -> AsyncIterator[RecorderMessage]:
        while (body := await self.call.read()) is not grpc.aio.EOF:
            yield RecorderMessage.FromString(body)

    async def send(self, message: ClientMessage | bytes) -> None:
        """Send one message."""
        body = message if isinstance(message, bytes) else message.SerializeToString()
        await self.call.write(body)

    async def greet(self, instance_id: bytes, acked_seq: int = 0) -> None:
        """Send HELLO."""
        hello = Hello(
            instance_id=instance_id,
            protocol_version_min=1,
            protocol_version_max=1,
            acked_seq=acked_seq,
        )
        await self.send(ClientMessage(hello=hello))

    async def hello(self, instance_id: bytes, acked_seq: int = 0) -> HelloAck:
        """Open a session and return the answer."""
        await self.greet(instance_id, acked_seq)
        message = await self.receive()
        assert message.WhichOneof("message") == "hello_ack", message
        return message.hello_ack

    async def records(
        self, seq: int, traces: bytes = b"", *, marks: bytes = b"", ended: bytes = b""
    ) -> None:
        """Send RECORDS without waiting for the answer."""
        records = Records(traces=traces, marks=marks, ended=ended)
        await self.send(ClientMessage(seq=seq, records=records))

    async def bye(self) -> None:
        """Send BYE."""
        await self.send(ClientMessage(bye=Bye()))

    async def end(self) -> None:
        """End this half of the stream."""
        await self.call.done_writing()

    def cancel(self) -> None:
        """Break the stream."""
        self.call.cancel()

    async def receive(self) -> RecorderMessage:
        """Return the next message.

        Raises:
            EOFError: The stream has ended.
        """
        body = await self.call.read()
        if body is grpc.aio.EOF:
            raise EOFError("the stream has ended")
        return RecorderMessage.FromString(body)

    async def ack(self, seq: int) -> Ack:
        """Return the ACK of ``seq``, which must come next."""
        message = await self.receive()
        assert (message.WhichOneof("message"), message.seq) == ("ack", seq), message
        return message.ack

    async def nack(self, seq: int) -> Nack:
        """Return the NACK of ``seq``, which must come next."""
        message = await self.receive()
        assert (message.WhichOneof("message"), message.seq) == ("nack", seq), message
        return message.nack

    async def ended(self) -> grpc.StatusCode:
        """Return the status with which the stream ends."""
        return await self.call.code()
