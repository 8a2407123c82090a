"""The rules of a session, whatever carries it: HELLO, then steps in the order of their seq.

    HELLO ──▶ bound to an instance ──▶ steps, each answered by ACK or NACK ──▶ BYE or the end

The carrier (a socket of frames, a gRPC stream) parses what comes, calls the methods here, and is
handed the answers. What a client had under way when it left is decided all the same.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from google.protobuf.message import DecodeError

from sidespan.v1.recorder_pb2 import Ack, Control, Hello, HelloAck, Nack, Records
from sidespand.errors import (
    InvalidRequest,
    PermissionRefused,
    ProtocolViolation,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from sidespand.limits import INSTANCE_ID_BYTES, REQUEST_OVERHEAD_BYTES, UNACKED_BYTES_MAX
from sidespand.model import Peer, SessionStep
from sidespand.platform import ProcessId
from sidespand.receiver.intake import Accepted
from sidespand.receiver.registry import SessionRegistry
from sidespand.receiver.steps import ack_of, ended_of, parts_of

_log = logging.getLogger(__name__)
PROTOCOL_VERSION = 1

Answer = HelloAck | Ack | Nack | Control
# What a step is: encoded, parsed, or not read: too large, or without room for it now.
Step = bytes | Records | TooLarge | Unavailable


class Line(Protocol):
    """The carrier, as a conversation needs it."""

    def say(self, seq: int, answer: Answer) -> None:
        """Send one message, in the order of the calls; nothing happens on a line that is gone."""
        ...

    def hang_up(self) -> None:
        """End the connection once everything said is sent."""
        ...

    def regulate(self) -> None:
        """Look again at ``is_full``: read no more of a client while it is."""
        ...


class Conversation:
    """One client's session. All methods run on the event loop.

    Args:
        registry: Of all sessions; this one must have been added.
        line: Its carrier.
        peer: Who is there, as far as is known before HELLO.
        authorize: Returns who it is, with their tenant, or raises why they may not write.
        process_id: Of the client; None when it cannot be known.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        line: Line,
        peer: Peer,
        *,
        authorize: Callable[[], Peer],
        process_id: ProcessId | None = None,
    ) -> None:
        self._registry = registry
        self._line = line
        self._authorize = authorize
        # Asked for once: each time it is a system call.
        self._loop = asyncio.get_running_loop()
        self._greeting: asyncio.Task[bool] | None = None
        self._bound = False
        # What came before the answer to HELLO.
        self._early: deque[tuple[int, Step, int]] = deque()
        self._undecided = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closer: asyncio.Task[None] | None = None
        self._unacked_bytes = 0
        self._acked_seq = 0
        self._lost = False
        self.closing = False
        self.said_goodbye = False
        self.process_id = process_id
        self.peer = peer
        self.instance_id = b""

    @property
    def is_full(self) -> bool:
        """Whether as much is unacknowledged as a client may have under way."""
        return self._unacked_bytes > UNACKED_BYTES_MAX

    def begin(self) -> None:
        """Take the session in, or refuse it when there are too many."""
        if not self._registry.add(self):
            self._refuse(Unavailable(f"more than {self._registry.connections_max} connections"))
            self.close("")

    def hello(self, body: bytes | Hello) -> None:
        """Act on HELLO.

        Raises:
            ProtocolViolation: There was one before, or it is malformed.
        """
        if self._greeting is not None:
            raise ProtocolViolation("a second HELLO on one connection")
        greeting = self._greet(_parse_hello(body))
        self._greeting = self._loop.create_task(greeting)
        self._greeting.add_done_callback(self._greeted)

    def records(self, seq: int, step: Step, size_bytes: int) -> None:
        """Act on RECORDS: the answer comes when all before it are decided.

        Args:
            seq: Its number.
            step: What it holds.
            size_bytes: That it occupies until it is answered.

        Raises:
            ProtocolViolation: It came before HELLO, or has no number.
        """
        if self._greeting is None:
            raise ProtocolViolation("RECORDS before HELLO")
        if seq == 0:
            raise ProtocolViolation("RECORDS with seq 0; the first is 1")
        cost_bytes = REQUEST_OVERHEAD_BYTES + size_bytes
        self._unacked_bytes += cost_bytes
        if not self._undecided:
            self._idle.clear()
        self._undecided += 1
        if self._bound:
            self._take(seq, step, cost_bytes)
        else:
            self._early.append((seq, step, cost_bytes))

    def bye(self) -> None:
        """Act on BYE."""
        self.said_goodbye = True
        self.end_when_settled("")

    def end_when_settled(self, reason: str) -> None:
        """Take nothing more, decide what is under way, then end the connection."""

        async def end() -> None:
            await self.settled()
            self.close(reason)

        self.closing = True
        if self._closer is None:
            self._closer = self._loop.create_task(end())

    def lost(self) -> None:
        """Note that the line is gone; a newer one waits for what came by this one."""
        self.closing = self._lost = True
        self._forget_if_over()

    def violate(self, error: ProtocolViolation) -> None:
        """Tell a client that it left the protocol, and end the connection."""
        self._line.say(0, Nack(code=Nack.PROTOCOL, text=str(error)))
        self.close(str(error))

    def say_drain(self) -> None:
        """Announce the daemon's stop and take nothing further."""
        self.closing = True
        self._line.say(0, Control(drain=True))

    async def settled(self) -> None:
        """Wait until everything that came is decided."""
        if self._greeting is not None:
            await asyncio.wait([self._greeting])
        await self._idle.wait()

    def close(self, reason: str) -> None:
        """End the connection; ``reason`` goes to the log when there is one."""
        if reason:
            _log.warning("%s closed: %s", self.who(), reason)
        self.closing = True
        self._line.hang_up()

    def who(self) -> str:
        """Name the client, for people."""
        peer = self.peer
        if peer.pid is not None:
            return f"{peer.door} client pid {peer.pid} uid {peer.uid}"
        return f"{peer.door} client {peer.address or 'on a socket'}"

    def _greeted(self, greeting: asyncio.Task[bool]) -> None:
        if not greeting.cancelled():
            error = greeting.exception()
            if isinstance(error, Exception):
                self._refuse(error)
                self.close("")
            elif error is None:
                self._bound = greeting.result()
        early, self._early = self._early, deque()
        if self._bound:
            for seq, step, cost_bytes in early:
                self._take(seq, step, cost_bytes)
        else:
            self._undecided = 0
            self._idle.set()
        self._forget_if_over()

    def _forget_if_over(self) -> None:
        greeted = self._greeting is None or self._greeting.done()
        if self._lost and greeted and not self._undecided:
            self._registry.remove(self)

    async def _greet(self, hello: Hello) -> bool:
        intake = self._registry.intake
        if not hello.protocol_version_min <= PROTOCOL_VERSION <= hello.protocol_version_max:
            text = (
                f"frame protocol {PROTOCOL_VERSION} is spoken here, the client speaks "
                f"{hello.protocol_version_min} to {hello.protocol_version_max}"
            )
            self._line.say(0, Nack(code=Nack.VERSION, text=text))
            self.close(text)
            return False
        try:
            self.peer = self._authorize()
            intake.last_seq(hello.instance_id, self.peer.uid)
            await self._registry.bind(self, hello.instance_id)
            last_seq = intake.last_seq(hello.instance_id, self.peer.uid)
        except (PermissionRefused, Unauthenticated) as error:
            self._refuse(error)
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
        self._line.say(0, answer)
        return True

    def _take(self, seq: int, body: Step, cost_bytes: int) -> None:
        registry = self._registry
        intake, peer = registry.intake, self.peer
        step = SessionStep(self.instance_id, seq, self._acked_seq, peer.uid, registry.away_s_max)

        def tell(outcome: Accepted | Exception) -> None:
            self._answer(seq, outcome, cost_bytes)

        refusal: Refused
        if isinstance(body, Unavailable):
            tell(body)
            return
        if isinstance(body, TooLarge):
            refusal = body
        else:
            try:
                records = Records.FromString(body) if isinstance(body, bytes) else body
                ended = ended_of(records)
            except DecodeError as error:
                refusal = InvalidRequest(f"RECORDS does not parse: {error}")
            except InvalidRequest as error:
                refusal = error
            else:
                intake.take_step(parts_of(records), peer, step, ended, tell=tell)
                return
        intake.use_up(refusal, peer, step, tell=tell)

    def _answer(self, seq: int, outcome: Accepted | Exception, cost_bytes: int) -> None:
        if not isinstance(outcome, Exception):
            self._line.say(seq, ack_of(outcome))
            decided = True
        else:
            refusal = self._registry.intake.refusal(outcome, self.peer)
            nack = Nack(
                code=refusal.nack_code, text=refusal.text, retry_after_ms=refusal.retry_after_ms
            )
            self._line.say(seq, nack)
            decided = not refusal.retry_after_ms
        was_full = self.is_full
        self._unacked_bytes -= cost_bytes
        if was_full:
            self._line.regulate()
        if decided and seq > self._acked_seq:
            # The store may forget an idle instance; this connection knows where it goes on.
            self._acked_seq = seq
        self._undecided -= 1
        if not self._undecided:
            self._idle.set()
            if self._lost:
                self._forget_if_over()

    def _refuse(self, error: Exception) -> None:
        refusal = self._registry.intake.refusal(error, self.peer)
        nack = Nack(
            code=refusal.nack_code, text=refusal.text, retry_after_ms=refusal.retry_after_ms
        )
        self._line.say(0, nack)


def _parse_hello(body: bytes | Hello) -> Hello:
    try:
        hello = Hello.FromString(body) if isinstance(body, bytes) else body
    except DecodeError as error:
        raise ProtocolViolation(f"HELLO does not parse: {error}") from error
    if len(hello.instance_id) != INSTANCE_ID_BYTES:
        raise ProtocolViolation(
            f"instance_id has {len(hello.instance_id)} bytes, not {INSTANCE_ID_BYTES}"
        )
    return hello
