"""Stores and records for tests of what reads the journal."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.clock import SystemClock
from sidespand.hlc import ZERO
from sidespand.journal import record
from sidespand.journal.opening import Options
from sidespand.journal.reader import JournalReader
from sidespand.journal.stamper import Draft, seal
from sidespand.journal.state import Head
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, Content, Kind, NodeIdentity, Peer, Position, Record

NODE_REF = "node://test@host"
LINEAGE = bytes.fromhex("00112233445566aa")
PEER = Peer("ingest", uid=1000, pid=4321)


def content(payload: bytes) -> Content:
    """Return an encoded request of spans as the journal takes it."""
    request = ExportTraceServiceRequest.FromString(payload)
    spans = sum(len(scope.spans) for rs in request.resource_spans for scope in rs.scope_spans)
    return Content(Kind.SPANS, payload, spans)


@asynccontextmanager
async def opened(
    data_dir: Path, committed: Callable[[Position], None] = lambda _: None
) -> AsyncIterator[JournalStore]:
    """Yield a running store; no other reader of it may be open in this process."""
    store = JournalStore(
        data_dir,
        Options(segment_bytes=1 * MIB, segment_age_s=3600.0, sync=False),
        NodeIdentity(NODE_REF, "instance-1"),
        SystemClock(),
        committed=committed,
        fatal=lambda _: None,
    )
    store.start()
    try:
        yield store
    finally:
        store.close()


async def write(data_dir: Path, contents: Iterable[Content]) -> list[Position]:
    """Record contents in a generation of their own; return the position of each one's last item."""
    positions = []
    async with opened(data_dir) as store:
        for one in contents:
            receipt = await store.append(Admitted((one,)), PEER)
            positions.append(store.position._replace(lsn=receipt.last_lsn))
    return positions


def records(
    contents: Sequence[Content],
    *,
    ordinal: int = 1,
    lineage: bytes = LINEAGE,
    next_lsn: int = 1,
) -> list[Record]:
    """Return contents as the journal would read them back, oldest first.

    Args:
        contents: One a record.
        ordinal: Of the lineage.
        lineage: 8 bytes.
        next_lsn: Of the first item.
    """
    clock = SystemClock()
    head = Head(ordinal, lineage, 3, next_lsn, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())
    draft = Draft(head, clock)
    for one in contents:
        draft.stamp(seal(one, clock), 0, 0)
    found = []
    for _, value in draft.values:
        header, edges, leaf, payload = record.decode(value)
        found.append(Record(ordinal, header, edges, leaf, payload))
    return found


def records_of(data_dir: Path) -> list[Record]:
    """Return every record of a store, oldest first; a hole fails the test."""
    reader = JournalReader(data_dir)
    found: list[Record] = []
    while batch := reader.read(found[-1].position if found else None):
        for entry in batch:
            assert isinstance(entry, Record), entry
            found.append(entry)
    reader.close()
    return found


def newest_spans(data_dir: Path) -> Record:
    """Return the newest record of spans in a store that has one."""
    return next(one for one in reversed(records_of(data_dir)) if one.header.kind is Kind.SPANS)


async def eventually(true: Callable[[], bool], what: str, seconds_max: float = 20.0) -> None:
    """Return as soon as ``true`` says so.

    Raises:
        AssertionError: It did not within ``seconds_max``.
    """
    deadline = time.monotonic() + seconds_max
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds_max} s for {what}"
        await asyncio.sleep(0.002)


def lsns(delivered: Iterable[Record]) -> list[int]:
    """Return the LSN of every item, in the order of delivery."""
    return [
        lsn for one in delivered for lsn in range(one.header.first_lsn, one.header.last_lsn + 1)
    ]


def run(test: Awaitable[None]) -> None:
    """Run one test on a loop of its own, which must not take longer than a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())
