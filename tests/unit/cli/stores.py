"""Real stores: written by the journal in this process, or by another one that stays open.

``python -m tests.unit.cli.stores DIR`` is that other one. It opens the store, prints ``open``, and
for each span name on stdin records a span in a trace of its own and prints its position.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sidespand.clock import SystemClock
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, Content, NodeIdentity, Peer
from tests.unit.query.samples import request, span, spans_content

NODE_REF = "node://test@host"
PEER = Peer("ingest", uid=1000, pid=4321)
_OPTIONS = Options(segment_bytes=1 * MIB, segment_age_s=3600.0, sync=False)


def write(data_dir: Path, *payloads: bytes) -> None:
    """Record requests in one generation, each in a record of its own, and close the store."""
    write_contents(data_dir, [spans_content(payload) for payload in payloads])


def write_contents(data_dir: Path, contents: Sequence[Content]) -> None:
    """Record contents in one generation, and close the store."""

    async def append_all(store: JournalStore) -> None:
        for content in contents:
            await store.append(Admitted((content,)), PEER)

    asyncio.run(_opened(data_dir, append_all))


async def _opened(data_dir: Path, use: Callable[[JournalStore], Awaitable[None]]) -> None:
    store = JournalStore(
        data_dir,
        _OPTIONS,
        NodeIdentity(NODE_REF, "instance-1"),
        SystemClock(),
        committed=lambda _: None,
        fatal=lambda _: None,
    )
    store.start()
    try:
        await use(store)
    finally:
        store.close()


async def _record_lines(store: JournalStore) -> None:
    loop = asyncio.get_running_loop()
    print("open", flush=True)
    number = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        number += 1
        payload = request(span(number, trace=number, name=line.rstrip("\n")))
        receipt = await store.append(Admitted((spans_content(payload),)), PEER)
        print(receipt.last_lsn, flush=True)


if __name__ == "__main__":
    asyncio.run(_opened(Path(sys.argv[1]), _record_lines))
