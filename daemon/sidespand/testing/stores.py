"""A journal with spans in it, for a test."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.clock import SystemClock
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, Content, Kind, NodeIdentity, Peer, Position

NODE_REF = "node://test@host"
_START_NS = 1_790_000_000_000_000_000


async def written(data_dir: Path, span_counts: Sequence[int]) -> list[Position]:
    """Record requests of so many spans in a new generation of a store.

    Args:
        data_dir: Of the store; it is made when it is missing.
        span_counts: Of each request; its spans are the roots of one trace.

    Returns:
        The position of the last span of each request.
    """
    store = JournalStore(
        data_dir,
        Options(segment_bytes=MIB, segment_age_s=3600.0, sync=False),
        NodeIdentity(NODE_REF, "instance-1"),
        SystemClock(),
        committed=lambda _: None,
        fatal=lambda _: None,
    )
    store.start()
    try:
        positions = []
        for count in span_counts:
            content = Content(Kind.SPANS, _request(count), count)
            receipt = await store.append(Admitted((content,)), Peer("ingest", uid=1000, pid=1))
            positions.append(store.position._replace(lsn=receipt.last_lsn))
        return positions
    finally:
        store.close()


async def eventually(true: Callable[[], bool], what: str, seconds_max: float = 20.0) -> None:
    """Return as soon as ``true`` says so.

    Raises:
        AssertionError: It did not within ``seconds_max``.
    """
    deadline = time.monotonic() + seconds_max
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds_max} s for {what}"
        await asyncio.sleep(0.002)


def _request(spans: int) -> bytes:
    request = TracesData()
    scope_spans = request.resource_spans.add().scope_spans.add()
    trace_id = os.urandom(16)
    for index in range(spans):
        scope_spans.spans.add(
            trace_id=trace_id,
            span_id=os.urandom(8),
            name=f"step {index}",
            start_time_unix_nano=_START_NS + index,
            end_time_unix_nano=_START_NS + index + 1_000_000,
        )
    return request.SerializeToString()
