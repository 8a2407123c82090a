"""Doors in this process: real sockets and a real journal, on the daemon's kind of event loop."""

import asyncio
import functools
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import uvloop

from sidespan.v1.recorder_pb2 import Ack, Hello, HelloAck, Nack, Records
from sidespand.admission import OtlpAdmission
from sidespand.errors import Refused
from sidespand.journal.store import JournalStore
from sidespand.limits import AWAY_S_MAX, CONNECTIONS_MAX, FRAME_STALL_S, MIB, REQUEST_S
from sidespand.model import Admitted, Peer, Receipt, SessionStep
from sidespand.receiver.absence import Absences
from sidespand.receiver.access import Access
from sidespand.receiver.intake import Intake
from sidespand.receiver.registry import SessionRegistry
from sidespand.receiver.session import IngestConnection
from sidespand.telemetry import Telemetry
from tests.frame_client import ACK, HEAD, HELLO, HELLO_ACK, NACK, RECORDS, frame
from tests.journals import opened

LIMIT = 16 * MIB


def run(test: Awaitable[None]) -> None:
    """Run one test on a loop of its own, which must not take longer than a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    uvloop.run(bounded())


class SlowJournal:
    """A journal that stores at once, answers when a test lets it, and refuses when told to.

    Args:
        store: What really stores.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._held: list[Callable[[], None]] = []
        self._holding = False
        self.refusals: list[Refused] = []
        self.taken = 0

    @property
    def held(self) -> int:
        """How many answers are held back."""
        return len(self._held)

    def hold(self) -> None:
        """Hold answers back from here on."""
        self._holding = True

    def release(self) -> None:
        """Give every answer, in the order in which they fell due."""
        self._holding = False
        held, self._held = self._held, []
        for answer in held:
            answer()

    def append(
        self, admitted: Admitted, peer: Peer, step: SessionStep | None = None
    ) -> Future[Receipt]:
        """Store at once, or refuse; answer later."""
        self.taken += 1
        answered: Future[Receipt] = asyncio.get_running_loop().create_future()
        if self.refusals:
            answered.set_exception(self.refusals.pop(0))
            return answered

        def fell_due(stored: Future[Receipt]) -> None:
            def answer() -> None:
                refusal = stored.exception()
                if refusal is None:
                    answered.set_result(stored.result())
                else:
                    answered.set_exception(refusal)

            self._held.append(answer)
            if not self._holding:
                self.release()

        self._store.append(admitted, peer, step).add_done_callback(fell_due)
        return answered

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance."""
        return self._store.last_seq(instance_id, uid)

    def newest_token(self) -> str:
        """Return the node's newest token."""
        return self._store.newest_token()


class Sessions:
    """What a test of ingest.sock has at hand."""

    def __init__(self, path: Path, journal: SlowJournal, registry: SessionRegistry) -> None:
        self.path = path
        self.journal = journal
        self.registry = registry
        self.connections: list[int] = []
        self.abandoned: list[int] = []
        self.store: JournalStore


@asynccontextmanager
async def sessions(
    root: Path,
    *,
    stall_s: float = FRAME_STALL_S,
    request_s: float = REQUEST_S,
    connections_max: int = CONNECTIONS_MAX,
    away_s_max: float = AWAY_S_MAX,
) -> AsyncIterator[Sessions]:
    """Yield an open ingest.sock."""
    async with opened(root / "data") as store:
        journal = SlowJournal(store)
        counts: list[int] = []
        abandoned: list[int] = []
        registry = SessionRegistry(
            Intake(OtlpAdmission(), journal, Telemetry()),
            Access(),
            Absences(store, abandoned.append, away_s_max=away_s_max),
            message_bytes_max=LIMIT,
            source_node_ref="node://test@host",
            stall_s=stall_s,
            request_s=request_s,
            connections_max=connections_max,
            changed=lambda _, count: counts.append(count),
        )
        given = Sessions(root / "ingest.sock", journal, registry)
        given.connections = counts
        given.abandoned = abandoned
        given.store = store
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(
            functools.partial(IngestConnection, registry), str(given.path)
        )
        try:
            yield given
        finally:
            server.close()
            journal.release()
            await registry.drain()


class Client:
    """One connection to ingest.sock."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect without a word."""
        return cls(*await asyncio.open_unix_connection(str(path)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    def greet(self, instance_id: bytes, acked_seq: int = 0) -> None:
        """Send HELLO."""
        hello = Hello(
            instance_id=instance_id,
            protocol_version_min=1,
            protocol_version_max=1,
            acked_seq=acked_seq,
        )
        self.writer.write(frame(HELLO, 0, hello.SerializeToString()))

    async def hello(self, instance_id: bytes, acked_seq: int = 0) -> HelloAck:
        """Open a session and return the answer."""
        self.greet(instance_id, acked_seq)
        number, seq, body = await self.receive()
        assert (number, seq) == (HELLO_ACK, 0), (number, body)
        return HelloAck.FromString(body)

    def records(
        self, seq: int, traces: bytes = b"", *, marks: bytes = b"", ended: bytes = b""
    ) -> None:
        """Send RECORDS."""
        records = Records(traces=traces, marks=marks, ended=ended)
        self.writer.write(frame(RECORDS, seq, records.SerializeToString()))

    async def receive(self) -> tuple[int, int, bytes]:
        """Return type, seq and body of the next frame; EOFError when there is none."""
        length, number, seq = HEAD.unpack(await self.reader.readexactly(HEAD.size))
        return number, seq, await self.reader.readexactly(length - 9)

    async def ack(self, seq: int) -> Ack:
        """Return the ACK of ``seq``, which must come next."""
        number, found, body = await self.receive()
        assert (number, found) == (ACK, seq), (number, found, body)
        return Ack.FromString(body)

    async def nack(self, seq: int) -> Nack:
        """Return the NACK of ``seq``, which must come next."""
        number, found, body = await self.receive()
        assert (number, found) == (NACK, seq), (number, found, body)
        return Nack.FromString(body)

    async def closed(self) -> bool:
        """Tell whether nothing but the connection's end comes next."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True
