"""Contents, peers and requests for tests of the write path."""

from asyncio import Future
from collections.abc import Iterable, Sequence
from typing import cast

from sidespand.clock import Clock
from sidespand.hlc import ZERO, Hlc
from sidespand.journal import record
from sidespand.journal.group import Pending
from sidespand.journal.stamper import seal
from sidespand.journal.state import Head
from sidespand.model import Content, Edge, EdgeType, Kind, Peer, Receipt, Record, SessionStep

LINEAGE = bytes.fromhex("00112233445566aa")
INSTANCE = b"instance-0000001"
PEER = Peer("ingest", uid=1000, pid=4321)
OTHER_PEER = Peer("http", address="127.0.0.1")


def content(payload: bytes = b"x", items: int = 1, edges: Sequence[Edge] = ()) -> Content:
    """Return an admitted record."""
    return Content(Kind.SPANS, payload, items, tuple(edges))


def edge(stamp: Hlc, item_index: int = 0) -> Edge:
    """Return a token that was seen, of another node."""
    return Edge(EdgeType.RECEIVED, item_index, b"elsewher", 5, stamp, bytes(16))


def step(seq: int, *, uid: int | None = 1000, acked_seq: int = 0) -> SessionStep:
    """Return one request of the test's client instance."""
    return SessionStep(INSTANCE, seq, acked_seq, uid)


def empty_head() -> Head:
    """Return the head of a log that holds nothing yet."""
    return Head(1, LINEAGE, 1, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())


def pending(
    contents: Iterable[Content],
    clock: Clock,
    *,
    peer: Peer = PEER,
    step: SessionStep | None = None,
) -> Pending:
    """Return a request on its way to the disk."""
    sealed = [seal(one, clock) for one in contents]
    payload_bytes = sum(len(one.content.payload) for one in sealed)
    nobody_waits = cast("Future[Receipt]", object())
    return Pending(sealed, peer, step, payload_bytes, nobody_waits)


def decoded(values: Iterable[tuple[bytes, bytes]]) -> list[Record]:
    """Return stored values as their reader would see them."""
    return [Record(1, *record.decode(value)) for _, value in values]
