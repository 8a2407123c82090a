"""Stores with keys and checkpoints, written by the journal itself, each generation as asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidespand import merkle
from sidespand.clock import Clock, SystemClock
from sidespand.evidence.checkpoint import Checkpoint, checkpoint_body, node_name, origin, sign
from sidespand.evidence.keys import key_body
from sidespand.evidence.note import Signer
from sidespand.journal.opening import Options
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, Content, Kind, NodeIdentity, Peer, Receipt

PEER = Peer("ingest", uid=1000, pid=4321)


@dataclass
class Writing:
    """One generation that is being written.

    Args:
        store: Open.
        key: Of the generation.
        key_body: Of its KEY record.
        receipts: Of the contents, in order.
    """

    store: JournalStore
    key: Signer
    key_body: Mapping[str, Any]
    receipts: list[Receipt] = field(default_factory=list)

    async def record(self, content: Content) -> Receipt:
        """Record one content."""
        self.receipts.append(await self.store.append(Admitted((content,)), PEER))
        return self.receipts[-1]

    async def checkpoint(self) -> str:
        """Sign the head as it is; return the note."""
        head = self.store.head
        found = Checkpoint(self.key.verifier.name, head.record_count, merkle.root(head.hashes))
        signed = sign(found, self.key)
        await self.store.append_control(Kind.CHECKPOINT, checkpoint_body(signed, self.key_body))
        return signed


class Node:
    """A node with a store that its tests open one generation after another.

    Args:
        data_dir: The store.
        name: In its reference.
        clock: Its own.
        certified: Whether its operator made it a key.
        segment_bytes: Roll size.
    """

    def __init__(
        self,
        data_dir: Path,
        name: str = "a",
        clock: Clock | None = None,
        *,
        certified: bool = True,
        segment_bytes: int = MIB,
    ) -> None:
        self.data_dir = data_dir
        self.identity = NodeIdentity(f"node://{name}@host", f"{name}-1", "worker", "deploy", "")
        self.clock = clock or SystemClock()
        self.key = Signer.generate(node_name(self.identity)) if certified else None
        self.segment_bytes = segment_bytes
        self.checkpoints: list[str] = []

    @property
    def pinned(self) -> str:
        """The text of its verifier key."""
        assert self.key is not None
        return str(self.key.verifier)

    def live(
        self,
        contents: Sequence[Content],
        *,
        covered: bool = True,
        every: int = 0,
        accept_move: bool = False,
    ) -> list[Receipt]:
        """Write one generation and close it; return the receipts of the contents.

        Args:
            contents: One a record.
            covered: Sign a checkpoint at the end.
            every: Sign one after so many contents, too; 0 for none.
            accept_move: Go on in a copy, in a new lineage.
        """
        written: list[Receipt] = []

        async def write(writing: Writing) -> None:
            for number, content in enumerate(contents, 1):
                written.append(await writing.record(content))
                if every and number % every == 0:
                    self.checkpoints.append(await writing.checkpoint())
            if covered:
                self.checkpoints.append(await writing.checkpoint())

        self.open(write, accept_move=accept_move)
        return written

    def open(self, use: Callable[[Writing], Awaitable[None]], *, accept_move: bool = False) -> None:
        """Open a generation for ``use``, and close it afterwards."""

        async def opened() -> None:
            async with self.opened(accept_move=accept_move) as writing:
                await use(writing)

        asyncio.run(opened())

    @asynccontextmanager
    async def opened(self, *, accept_move: bool = False) -> AsyncIterator[Writing]:
        """Yield a generation whose KEY record is written; close it afterwards."""
        store = JournalStore(
            self.data_dir,
            Options(
                segment_bytes=self.segment_bytes,
                segment_age_s=3600.0,
                sync=False,
                accept_move=accept_move,
            ),
            self.identity,
            self.clock,
            committed=lambda _: None,
            fatal=lambda _: None,
        )
        store.start()
        head = store.head
        key = Signer.generate(origin(self.identity, head.lineage))
        body = key_body(head.lineage, head.boot_generation, store.incarnation, key, self.key)
        await store.append_control(Kind.KEY, body)
        try:
            yield Writing(store, key, body)
        finally:
            store.close()
