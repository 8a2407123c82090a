"""One life of a journal after another, driven step by step from a plain test."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sidespand.clock import Clock
from sidespand.errors import SidespanError
from sidespand.journal.opening import Options
from sidespand.journal.reader import JournalReader
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import (
    Admitted,
    Content,
    Gap,
    NodeIdentity,
    Peer,
    Position,
    Receipt,
    Record,
    SessionStep,
)
from tests.clocks import ManualClock
from tests.unit.journal.making import PEER

T = TypeVar("T")
IDENTITY = NodeIdentity("node://test@host", "instance-1")


class Life:
    """A journal from its opening to its close, on a loop of its own.

    Args:
        data_dir: Its directory.
        clock: Stands still unless the test moves it.
        segment_bytes: Roll size.
        segment_age_s: Roll age.
        sync: Whether commits wait for the disk.
        anchor_dirs: Where it is remembered how far the store has come.
        accept_move: Whether it may go on in another place.
    """

    def __init__(
        self,
        data_dir: Path,
        clock: Clock | None = None,
        *,
        segment_bytes: int = MIB,
        segment_age_s: float = 3600.0,
        sync: bool = True,
        anchor_dirs: tuple[Path, ...] = (),
        accept_move: bool = False,
    ) -> None:
        options = Options(
            segment_bytes,
            segment_age_s,
            sync=sync,
            accept_move=accept_move,
            anchor_dirs=anchor_dirs,
        )
        self._loop = asyncio.new_event_loop()
        self.positions: list[Position] = []
        self.fatal: list[Exception] = []
        try:
            self.store = self._loop.run_until_complete(
                self._open(data_dir, options, clock or ManualClock())
            )
        except BaseException:
            self._loop.close()
            raise

    async def _open(self, data_dir: Path, options: Options, clock: Clock) -> JournalStore:
        store = JournalStore(
            data_dir,
            options,
            IDENTITY,
            clock,
            committed=self.positions.append,
            fatal=self.fatal.append,
        )
        store.start()
        return store

    def append(
        self, *contents: Content, peer: Peer = PEER, step: SessionStep | None = None
    ) -> Receipt:
        """Return the receipt of one request, once it is durable; raise its refusal."""
        (outcome,) = self.append_all([(contents, step)], peer=peer)
        if isinstance(outcome, SidespanError):
            raise outcome
        return outcome

    def append_all(
        self,
        requests: Sequence[tuple[Sequence[Content], SessionStep | None]],
        *,
        peer: Peer = PEER,
    ) -> list[Receipt | SidespanError]:
        """Return the outcomes of requests that are handed over at once, in their order."""

        async def outcomes() -> list[Receipt | SidespanError]:
            futures = [
                self.store.append(Admitted(tuple(contents)), peer, step)
                for contents, step in requests
            ]
            found: list[Receipt | SidespanError] = []
            async with asyncio.timeout(30):
                for one in await asyncio.gather(*futures, return_exceptions=True):
                    if isinstance(one, BaseException) and not isinstance(one, SidespanError):
                        raise one
                    found.append(one)
            return found

        return self._loop.run_until_complete(outcomes())

    def run(self, step: Awaitable[T]) -> T:
        """Return what ``step`` comes to, on the life's loop."""

        async def bounded() -> T:
            async with asyncio.timeout(30):
                return await step

        return self._loop.run_until_complete(bounded())

    def close(self) -> None:
        """End in order, and let the last answers arrive."""
        self.store.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@contextmanager
def living(
    data_dir: Path,
    clock: Clock | None = None,
    *,
    segment_bytes: int = MIB,
    segment_age_s: float = 3600.0,
    sync: bool = True,
    anchor_dirs: tuple[Path, ...] = (),
    accept_move: bool = False,
) -> Iterator[Life]:
    """Yield a life that ends in order; arguments as in ``Life``."""
    life = Life(
        data_dir,
        clock,
        segment_bytes=segment_bytes,
        segment_age_s=segment_age_s,
        sync=sync,
        anchor_dirs=anchor_dirs,
        accept_move=accept_move,
    )
    try:
        yield life
    finally:
        life.close()


def read_all(data_dir: Path, after: Position | None = None) -> list[Record | Gap]:
    """Return all that a reader finds, batch after batch; nobody in this process may write it."""
    reader = JournalReader(data_dir)
    found: list[Record | Gap] = []
    try:
        while batch := reader.read(after):
            found += batch
            assert after is None or batch[-1].position > after, "the reader goes round in circles"
            after = batch[-1].position
    finally:
        reader.close()
    return found


def records(data_dir: Path) -> list[Record]:
    """Return all records, after checking that there is no gap."""
    found = []
    for one in read_all(data_dir):
        assert isinstance(one, Record), one
        found.append(one)
    return found


def payloads(data_dir: Path) -> list[bytes | None]:
    """Return what clients stored, in log order."""
    return [one.payload for one in records(data_dir) if not one.header.kind.is_control]


def segment_files(data_dir: Path) -> list[Path]:
    """Return the segments on disk, in log order."""
    return sorted((data_dir / "seg").glob("0*/*.mdb"))


def image(data_dir: Path) -> dict[str, bytes | None]:
    """Return every path of a store and its bytes, but for the lock that names its last owner."""
    return {
        str(path.relative_to(data_dir)): path.read_bytes() if path.is_file() else None
        for path in sorted(data_dir.rglob("*"))
        if path.name != "LOCK"
    }
