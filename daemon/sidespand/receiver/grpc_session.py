"""``Recorder.Session``: the rules of a session on a gRPC stream.

One task reads, the handler itself writes, and the conversation between them decides. A client that
does not read its answers is not read from, either.
"""

import asyncio
from collections import deque
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from sidespan.v1.recorder_pb2 import Ack, ClientMessage, HelloAck, Nack, RecorderMessage
from sidespand.errors import ProtocolViolation
from sidespand.limits import ANSWERS_MAX
from sidespand.receiver.conversation import Answer, Conversation
from sidespand.receiver.grpc_callers import STRANGER, GrpcCallers
from sidespand.receiver.registry import SessionRegistry

# grpcio ships no types: this is grpc.aio.ServicerContext.
Context = Any


class GrpcSession:
    """One stream. All of its methods run on the event loop.

    Args:
        registry: Of all sessions.
        callers: Tells who makes the call.
        context: Of the call.
    """

    def __init__(self, registry: SessionRegistry, callers: GrpcCallers, context: Context) -> None:
        self._context = context
        self._answers: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._hung_up = False
        self._failure: Exception | None = None
        self._conversation = Conversation(
            registry, self, STRANGER, authorize=lambda: callers.peer(context)
        )

    async def run(self) -> None:
        """Converse until either side ends; whatever came is decided, also afterwards.

        Raises:
            Exception: What broke the stream from this side.
        """
        self._conversation.begin()
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            await self._write()
        finally:
            reading.cancel()
            self._conversation.lost()
        if self._failure is not None:
            raise self._failure

    def say(self, seq: int, answer: Answer) -> None:
        """Queue one message; see ``conversation.Line``."""
        if isinstance(answer, Ack):
            message = RecorderMessage(seq=seq, ack=answer)
        elif isinstance(answer, Nack):
            message = RecorderMessage(seq=seq, nack=answer)
        elif isinstance(answer, HelloAck):
            message = RecorderMessage(hello_ack=answer)
        else:
            message = RecorderMessage(control=answer)
        self._answers.append(message.SerializeToString())
        self._news.set()

    def hang_up(self) -> None:
        """End the stream once all is written; see ``conversation.Line``."""
        self._hung_up = True
        self._news.set()

    def regulate(self) -> None:
        """Read while the client may send; see ``conversation.Line``."""
        if self._conversation.is_full or len(self._answers) > ANSWERS_MAX:
            self._room.clear()
        else:
            self._room.set()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._answers:
                await self._context.write(self._answers.popleft())
            self.regulate()
            if self._hung_up:
                return

    async def _read(self) -> None:
        conversation = self._conversation
        try:
            while not conversation.closing:
                await self._room.wait()
                body = await self._context.read()
                if conversation.closing:
                    return
                if body is grpc.aio.EOF:
                    conversation.end_when_settled("")
                    return
                self._take(body)
                self.regulate()
        except ProtocolViolation as error:
            conversation.violate(error)
        except Exception as error:
            # Of a call that is over nothing more is to be told.
            if not self._context.done():
                self._failure = error
            self.hang_up()

    def _take(self, body: bytes) -> None:
        try:
            message = ClientMessage.FromString(body)
        except DecodeError as error:
            raise ProtocolViolation(f"not a ClientMessage: {error}") from error
        kind = message.WhichOneof("message")
        if kind == "records":
            self._conversation.records(message.seq, message.records, len(body))
        elif kind == "hello":
            self._conversation.hello(message.hello)
        elif kind == "bye":
            self._conversation.bye()
        else:
            raise ProtocolViolation("a message that is neither hello nor records nor bye")


def session_service(registry: SessionRegistry, callers: GrpcCallers) -> grpc.GenericRpcHandler:
    """Return the handler of ``Recorder.Session``; no exception of its own reaches a client."""

    async def session(_requests: Any, context: Context) -> None:
        try:
            await GrpcSession(registry, callers, context).run()
        except Exception as error:
            if context.done():
                return
            refusal = registry.intake.refusal(error, STRANGER)
            await context.abort(refusal.grpc_code, refusal.text, refusal.trailers())

    return grpc.method_handlers_generic_handler(
        "sidespan.v1.Recorder", {"Session": grpc.stream_stream_rpc_method_handler(session)}
    )
