"""One client on ingest.sock: HELLO, then RECORDS in the order of their seq, each answered.

    connection ──HELLO──▶ bound to an instance ──RECORDS…──▶ ACK | NACK ──BYE or EOF──▶ gone

A client that stops in the middle of a frame, or leaves the protocol, is told so where it can still
hear it, and its connection is closed with the reason in the log. What it had under way is decided
all the same.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from google.protobuf.message import DecodeError

from sidespan.v1.recorder_pb2 import Ack, Control, Hello, HelloAck, Nack, Records
from sidespand import platform
from sidespand.errors import InvalidRequest, PermissionRefused, ProtocolViolation, TooLarge
from sidespand.limits import (
    CONNECTIONS_MAX,
    FRAME_STALL_S,
    INSTANCE_ID_BYTES,
    REQUEST_OVERHEAD_BYTES,
    UNACKED_BYTES_MAX,
)
from sidespand.model import Kind, Peer, SessionStep
from sidespand.receiver.frames import Frame, FrameSplitter, FrameType, OversizeFrame, encode
from sidespand.receiver.intake import Accepted, Intake

_log = logging.getLogger(__name__)
PROTOCOL_VERSION = 1


class SessionRegistry:
    """The live sessions of a recorder, one connection an instance.

    Args:
        intake: Where their records go.
        message_bytes_max: Of a RECORDS body.
        source_node_ref: What clients are told.
        stall_s: How long a begun frame may wait for its rest, in seconds.
        changed: Called with the number of connections.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        message_bytes_max: int,
        source_node_ref: str,
        stall_s: float = FRAME_STALL_S,
        changed: Callable[[int], None],
    ) -> None:
        self.intake = intake
        self.message_bytes_max = message_bytes_max
        self.source_node_ref = source_node_ref
        self.stall_s = stall_s
        self._changed = changed
        self._connections: set[IngestConnection] = set()
        self._by_instance: dict[bytes, IngestConnection] = {}

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of one new connection."""
        return IngestConnection(self)

    def add(self, connection: "IngestConnection") -> bool:
        """Take a connection in; False when there are too many."""
        if len(self._connections) >= CONNECTIONS_MAX:
            return False
        self._connections.add(connection)
        self._changed(len(self._connections))
        return True

    def remove(self, connection: "IngestConnection") -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._changed(len(self._connections))
        instance_id = connection.instance_id
        if instance_id and self._by_instance.get(instance_id) is connection:
            del self._by_instance[instance_id]

    async def bind(self, connection: "IngestConnection", instance_id: bytes) -> None:
        """Make ``connection`` the instance's only one, once the older one's records are decided.

        Raises:
            PermissionRefused: The older one is another user's. It was not disturbed.
        """
        older = self._by_instance.get(instance_id)
        if older is not None and older.peer.uid != connection.peer.uid:
            raise PermissionRefused("this instance id belongs to another user")
        connection.instance_id = instance_id
        self._by_instance[instance_id] = connection
        if older is not None:
            older.close("a newer connection of the same instance took over")
            await older.settled()

    async def drain(self) -> None:
        """Tell every client that the daemon stops, read no more, and wait for what is under way."""
        connections = list(self._connections)
        for connection in connections:
            connection.say_drain()
        await asyncio.gather(*(connection.settled() for connection in connections))
        for connection in connections:
            connection.close("")


class IngestConnection(asyncio.Protocol):
    """One connection. All of its methods run on the event loop."""

    def __init__(self, registry: SessionRegistry) -> None:
        self._registry = registry
        self._splitter = FrameSplitter(registry.message_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._greeting: asyncio.Task[bool] | None = None
        self._deciding: set[asyncio.Task[None]] = set()
        self._closer: asyncio.Task[None] | None = None
        self._unacked_bytes = 0
        self._acked_seq = 0
        self._closing = False
        self._congested = False
        self._paused = False
        self._lost = False
        self.peer = Peer("ingest")
        self.instance_id = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is there."""
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = transport = cast("asyncio.Transport", transport)
        credentials = platform.peer_credentials(transport.get_extra_info("socket"))
        self.peer = Peer("ingest", credentials.uid, credentials.pid)
        if not self._registry.add(self):
            self.close(f"more than {CONNECTIONS_MAX} connections")

    def data_received(self, data: bytes) -> None:
        """Cut frames and act on each."""
        if self._closing:
            return
        try:
            for frame in self._splitter.feed(data):
                self._on_frame(frame)
                if self._closing:
                    return
        except OversizeFrame as error:
            self._on_oversize(error)
        except ProtocolViolation as error:
            self._violate(error)
        self._watch_stall()
        self._regulate()

    def eof_received(self) -> bool:
        """Let what is under way finish; its answers may still be read."""
        if self._splitter.partial and not self._closing:
            _log.warning("%s ended in the middle of a frame", self._who())
        self._close_when_settled("")
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection, once what it sent is decided: a newer one waits for that."""
        self._closing = self._lost = True
        if self._stall is not None:
            self._stall.cancel()
        if not self._deciding:
            self._registry.remove(self)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self._congested = True
        self._regulate()

    def resume_writing(self) -> None:
        """Go on once it reads again."""
        self._congested = False
        self._regulate()

    async def settled(self) -> None:
        """Wait until everything this connection sent is decided."""
        if self._greeting is not None:
            await asyncio.wait([self._greeting])
        while self._deciding:
            await asyncio.wait(self._deciding)

    def say_drain(self) -> None:
        """Announce the daemon's stop and take no further frames."""
        self._closing = True
        self._send(FrameType.CONTROL, 0, Control(drain=True).SerializeToString())

    def close(self, reason: str) -> None:
        """Close after what was written is sent; ``reason`` goes to the log when there is one."""
        if reason:
            _log.warning("%s closed: %s", self._who(), reason)
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.BYE:
            self._close_when_settled("")
        elif frame.type is FrameType.HELLO:
            if self._greeting is not None:
                raise ProtocolViolation("a second HELLO on one connection")
            greeting = self._greet(self._parse_hello(frame))
            self._greeting = asyncio.get_running_loop().create_task(greeting)
        elif self._greeting is None:
            raise ProtocolViolation("RECORDS before HELLO")
        elif frame.seq == 0:
            raise ProtocolViolation("RECORDS with seq 0; the first is 1")
        else:
            self._take(self._greeting, frame.seq, frame.body)

    def _on_oversize(self, error: OversizeFrame) -> None:
        if self._greeting is None or error.seq == 0:
            self._violate(error)
            return
        # Its seq is used up, or the client would send the same bytes for ever.
        self._take(self._greeting, error.seq, TooLarge(str(error)))
        self._close_when_settled(str(error))

    def _take(self, greeting: asyncio.Task[bool], seq: int, body: bytes | TooLarge) -> None:
        self._unacked_bytes += _cost_bytes(body)
        task = asyncio.get_running_loop().create_task(self._record(greeting, seq, body))
        self._deciding.add(task)
        task.add_done_callback(self._decided)

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._deciding.discard(task)
        if self._lost and not self._deciding:
            self._registry.remove(self)

    def _parse_hello(self, frame: Frame) -> Hello:
        try:
            hello = Hello.FromString(frame.body)
        except DecodeError as error:
            raise ProtocolViolation(f"HELLO does not parse: {error}") from error
        if len(hello.instance_id) != INSTANCE_ID_BYTES:
            raise ProtocolViolation(
                f"instance_id has {len(hello.instance_id)} bytes, not {INSTANCE_ID_BYTES}"
            )
        return hello

    async def _greet(self, hello: Hello) -> bool:
        intake = self._registry.intake
        if not hello.protocol_version_min <= PROTOCOL_VERSION <= hello.protocol_version_max:
            text = (
                f"frame protocol {PROTOCOL_VERSION} is spoken here, the client speaks "
                f"{hello.protocol_version_min} to {hello.protocol_version_max}"
            )
            self._send(FrameType.NACK, 0, Nack(code=Nack.VERSION, text=text).SerializeToString())
            self.close(text)
            return False
        try:
            intake.last_seq(hello.instance_id, self.peer.uid)
            await self._registry.bind(self, hello.instance_id)
            last_seq = intake.last_seq(hello.instance_id, self.peer.uid)
        except PermissionRefused as error:
            nack = Nack(code=Nack.PERMISSION_DENIED, text=str(error))
            self._send(FrameType.NACK, 0, nack.SerializeToString())
            self.close(str(error))
            return False
        self._acked_seq = hello.acked_seq
        answer = HelloAck(
            protocol_version=PROTOCOL_VERSION,
            last_seq=last_seq,
            message_bytes_max=self._registry.message_bytes_max,
            unacked_bytes_max=UNACKED_BYTES_MAX,
            token=intake.newest_token(),
            source_node_ref=self._registry.source_node_ref,
        )
        self._send(FrameType.HELLO_ACK, 0, answer.SerializeToString())
        return True

    async def _record(self, greeting: asyncio.Task[bool], seq: int, body: bytes | TooLarge) -> None:
        if not await greeting:
            return
        step = SessionStep(self.instance_id, seq, self._acked_seq, self.peer.uid)
        try:
            accepted = await self._decide(body, step)
        except Exception as error:
            refusal = self._registry.intake.refusal(error, self.peer)
            nack = Nack(
                code=refusal.nack_code, text=refusal.text, retry_after_ms=refusal.retry_after_ms
            )
            self._send(FrameType.NACK, seq, nack.SerializeToString())
            decided = not refusal.retry_after_ms
        else:
            self._send(FrameType.ACK, seq, ack_of(accepted).SerializeToString())
            decided = True
        finally:
            self._unacked_bytes -= _cost_bytes(body)
            self._regulate()
        if decided:
            # The store may forget an idle instance; this connection knows where it goes on.
            self._acked_seq = max(self._acked_seq, seq)

    async def _decide(self, body: bytes | TooLarge, step: SessionStep) -> Accepted:
        intake = self._registry.intake
        refusal: TooLarge | InvalidRequest
        if isinstance(body, TooLarge):
            refusal = body
        else:
            try:
                return await intake.take(parts_of(Records.FromString(body)), self.peer, step)
            except DecodeError as error:
                refusal = InvalidRequest(f"RECORDS does not parse: {error}")
        await intake.take((), self.peer, step)
        raise refusal

    def _violate(self, error: ProtocolViolation) -> None:
        nack = Nack(code=Nack.PROTOCOL, text=str(error))
        self._send(FrameType.NACK, 0, nack.SerializeToString())
        self.close(str(error))

    def _close_when_settled(self, reason: str) -> None:
        async def close() -> None:
            await self.settled()
            self.close(reason)

        self._closing = True
        if self._closer is None:
            self._closer = asyncio.get_running_loop().create_task(close())

    def _watch_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._splitter.partial and not self._closing and not self._paused:
            self._stall = asyncio.get_running_loop().call_later(
                self._registry.stall_s,
                self.close,
                f"stopped in the middle of a frame for {self._registry.stall_s:g} s",
            )

    def _regulate(self) -> None:
        paused = self._congested or self._unacked_bytes > UNACKED_BYTES_MAX
        if self._transport is None or self._transport.is_closing() or paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        # While nothing is read, the client is not the one that keeps us waiting.
        self._watch_stall()

    def _send(self, frame_type: FrameType, seq: int, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(frame_type, seq, body))

    def _who(self) -> str:
        return f"ingest client pid {self.peer.pid} uid {self.peer.uid}"


def _cost_bytes(body: bytes | TooLarge) -> int:
    return REQUEST_OVERHEAD_BYTES + (len(body) if isinstance(body, bytes) else 0)


def ack_of(accepted: Accepted) -> Ack:
    """Return the ACK of a durable request."""
    receipt = accepted.receipt
    return Ack(
        first_lsn=receipt.first_lsn,
        last_lsn=receipt.last_lsn,
        hlc_wall_ns=receipt.stamp.wall_ns,
        hlc_logical=receipt.stamp.logical,
        token=receipt.token,
        rejected_items=accepted.rejected_items,
        rejected_reason=accepted.rejected_reason,
        duplicate=receipt.duplicate,
    )


def parts_of(records: Records) -> list[tuple[Kind, bytes]]:
    """Return the signals of one step in the order in which they become records."""
    fields = ((Kind.SPANS, records.traces), (Kind.MARKS, records.marks), (Kind.LOGS, records.logs))
    return [(kind, body) for kind, body in fields if body]
