"""Prints what evidence costs the commit path: 100 spans of 10 attributes a request.

    python -m tests.bench.evidence_cost [REQUESTS [ROUNDS]]

CPU time of the whole process from append to receipt, 16 requests in flight, with fsync off: of the
journal as it is, with checkpoints ten times as often as the daemon makes them, and of one without
leaves, tree and checkpoints, which is made here by taking them out. A third one lacks the payload's
commitment too. Rounds are interleaved, each on a store of its own; the ratio is of the medians.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

from sidespand.app.checkpointer import Checkpointer
from sidespand.clock import SystemClock
from sidespand.journal import record, stamper
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, NodeIdentity, Position
from sidespand.telemetry import Telemetry
from tests.bench.stamping import SPANS, request
from tests.journals import NODE_REF, PEER, content

ATTRIBUTES = 10
IN_FLIGHT = 16
SEGMENT_BYTES = 64 * MIB
# A tenth of the daemon's, so that short rounds have some.
CHECKPOINT_INTERVAL_S = 0.1


class _NoHash:
    """Stands for SHA-256 where nothing is hashed."""

    def __init__(self, data: bytes = b"") -> None:
        del data

    def digest(self) -> bytes:
        """Return 32 bytes of nothing."""
        return bytes(32)


@contextmanager
def without_tree() -> Iterator[None]:
    """Take leaves and tree out of the stamper."""
    with (
        patch.object(stamper, "sha256", _NoHash),
        patch.object(stamper.merkle, "append", lambda *_: None),
    ):
        yield


@contextmanager
def without_evidence() -> Iterator[None]:
    """Take the commitment to the payload out as well."""
    with without_tree(), patch.object(record, "commit_payload", lambda *_: bytes(32)):
        yield


@contextmanager
def whole() -> Iterator[None]:
    """Leave everything in."""
    yield


def round_us(data_dir: Path, requests: int, *, checkpoints: bool) -> float:
    """Return the CPU time of one request, in microseconds, over a journal's whole load."""
    one = content(request(ATTRIBUTES))
    used = asyncio.run(_load(data_dir, Admitted((one,)), requests, checkpoints=checkpoints))
    return used / requests / 1000


async def _load(data_dir: Path, admitted: Admitted, requests: int, *, checkpoints: bool) -> int:
    checkpointers: list[Checkpointer] = []

    def on_commit(_: Position) -> None:
        for one in checkpointers:
            one.advance()

    identity = NodeIdentity(NODE_REF, "bench")
    store = JournalStore(
        data_dir,
        Options(SEGMENT_BYTES, 3600.0, sync=False),
        identity,
        SystemClock(),
        committed=on_commit,
        fatal=lambda error: sys.exit(str(error)),
    )
    store.start()
    if checkpoints:
        checkpointers.append(
            Checkpointer(store, identity, None, Telemetry(), CHECKPOINT_INTERVAL_S)
        )
        await checkpointers[0].start()

    async def send(count: int) -> None:
        for _ in range(count):
            await store.append(admitted, PEER)

    await send(IN_FLIGHT)
    began = time.process_time_ns()
    await asyncio.gather(*(send(requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    used = time.process_time_ns() - began
    for one in checkpointers:
        await one.close()
    store.close()
    return used


def main() -> None:
    """Measure and print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    builds: dict[str, tuple[Callable[[], AbstractContextManager[None]], bool]] = {
        "as it is": (whole, True),
        "without leaf, tree, checkpoint": (without_tree, False),
        "without the commitment, too": (without_evidence, False),
    }
    figures: dict[str, list[float]] = {name: [] for name in builds}
    for _ in range(rounds):
        for name, (build, checkpoints) in builds.items():
            with build(), tempfile.TemporaryDirectory(prefix="sidespan-bench-") as root:
                figures[name].append(
                    round_us(Path(root) / "data", requests, checkpoints=checkpoints)
                )
    print(f"{SPANS} spans of {ATTRIBUTES} attributes, {requests} requests, {rounds} rounds;")
    print("µs of CPU a request, commit path, least and median:")
    full = statistics.median(figures["as it is"])
    for name, found in figures.items():
        median = statistics.median(found)
        print(f"{min(found):8.1f} {median:8.1f}  {name:32} as it is: {full / median - 1:+.1%}")


if __name__ == "__main__":
    main()
