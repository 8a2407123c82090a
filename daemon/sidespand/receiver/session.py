"""One client on ingest.sock: frames of bytes on one side, the rules of a session on the other.

    connection ──HELLO──▶ bound to an instance ──RECORDS…──▶ ACK | NACK ──BYE or EOF──▶ gone

A client that stops in the middle of a frame, or leaves the protocol, is told so where it can still
hear it, and its connection is closed with the reason in the log.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import cast

from sidespan.v1.recorder_pb2 import Ack, Control, HelloAck, Nack
from sidespand import platform
from sidespand.errors import ProtocolViolation, TooLarge, Unavailable
from sidespand.receiver.budget import Share, owner_of
from sidespand.receiver.conversation import Answer, Conversation
from sidespand.receiver.frames import Frame, FrameSplitter, FrameType, OversizeFrame, encode
from sidespand.receiver.registry import SessionRegistry

_log = logging.getLogger(__name__)
_TYPES: Mapping[type[Answer], FrameType] = {
    Ack: FrameType.ACK,
    Nack: FrameType.NACK,
    HelloAck: FrameType.HELLO_ACK,
    Control: FrameType.CONTROL,
}


class IngestConnection(asyncio.Protocol):
    """One connection. All of its methods run on the event loop.

    Args:
        registry: Of all sessions.
    """

    def __init__(self, registry: SessionRegistry) -> None:
        self._registry = registry
        self._splitter = FrameSplitter(registry.message_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._due_s: float | None = None
        self._congested = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is there."""
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        access = self._registry.access
        caller = access.process("ingest", connection)
        self.conversation = Conversation(
            self._registry,
            self,
            caller.peer,
            authorize=lambda: access.peer(caller),
            # Now: later its pid may be another's.
            process_id=platform.process_id(caller.peer.pid),
        )
        self._share = Share(self._registry.room, owner_of(caller.peer))
        self.conversation.begin()

    def data_received(self, data: bytes) -> None:
        """Cut frames and act on each."""
        conversation = self.conversation
        if conversation.closing:
            return
        try:
            for frame in self._splitter.feed(data):
                self._due_s = None
                self._on_frame(frame)
                if conversation.closing:
                    return
            if not self._splitter.partial and self._stall is None and not conversation.is_full:
                # Nearly always: whole frames, and room for more.
                self._share.resize(0)
                return
            self._share.resize(self._splitter.begun[1])
        except OversizeFrame as error:
            # Its seq is used up, or the client would send the same bytes for ever.
            self._refuse_unread(error.seq, TooLarge(str(error)))
        except Unavailable as refusal:
            self._refuse_unread(self._splitter.begun[0], refusal)
        except ProtocolViolation as error:
            conversation.violate(error)
        self._watch_stall()
        self.regulate()

    def eof_received(self) -> bool:
        """Let what is under way finish; its answers may still be read."""
        if self._splitter.partial and not self.conversation.closing:
            _log.warning("%s ended in the middle of a frame", self.conversation.who())
        self.conversation.end_when_settled("")
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection, once what it sent is decided."""
        if self._stall is not None:
            self._stall.cancel()
        self._share.resize(0)
        self.conversation.lost()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self._congested = True
        self.regulate()

    def resume_writing(self) -> None:
        """Go on once it reads again."""
        self._congested = False
        self.regulate()

    def say(self, seq: int, answer: Answer) -> None:
        """Send one frame; see ``conversation.Line``."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(_TYPES[type(answer)], seq, answer.SerializeToString()))

    def hang_up(self) -> None:
        """Close after what was written is sent; see ``conversation.Line``."""
        if self._transport is not None:
            self._transport.close()

    def regulate(self) -> None:
        """Read while the client may send; see ``conversation.Line``."""
        paused = self._congested or self.conversation.is_full
        if self._transport is None or self._transport.is_closing() or paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        # While nothing is read, the client is not the one that keeps us waiting.
        self._watch_stall()

    def _on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.BYE:
            self.conversation.bye()
        elif frame.type is FrameType.HELLO:
            self.conversation.hello(frame.body)
        else:
            self.conversation.records(frame.seq, frame.body, len(frame.body))

    def _refuse_unread(self, seq: int, refusal: TooLarge | Unavailable) -> None:
        try:
            self.conversation.records(seq, refusal, 0)
        except ProtocolViolation:
            self.conversation.violate(ProtocolViolation(str(refusal)))
        else:
            self.conversation.end_when_settled(str(refusal))

    def _watch_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if not self._splitter.partial or self.conversation.closing or self._paused:
            self._due_s = None
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if self._due_s is None:
            self._due_s = now_s + self._registry.request_s
        # A frame that trickles is not let off by every byte of it.
        wait_s = min(self._registry.stall_s, max(0.0, self._due_s - now_s))
        self._stall = loop.call_later(
            wait_s, self.conversation.close, "the rest of its frame did not come"
        )
