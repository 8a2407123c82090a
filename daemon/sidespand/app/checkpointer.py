"""Signs the log's head while it grows, away from the acks: whoever keeps a checkpoint can check it.

    commit ──▶ advance ──▶ wait for the interval ──▶ sign, in another thread ──▶ CHECKPOINT record

A CHECKPOINT record asks for no other one: an idle log stays as it is. What goes wrong here is
logged and counted, and tried again once the log has grown; no acknowledgement depends on it.
"""

import asyncio
import contextlib
import logging

from sidespand import merkle
from sidespand.evidence import checkpoint
from sidespand.evidence.checkpoint import Checkpoint, checkpoint_body, origin
from sidespand.evidence.keys import key_body
from sidespand.evidence.note import Signer
from sidespand.journal.state import Head
from sidespand.journal.store import JournalStore
from sidespand.limits import CHECKPOINT_INTERVAL_S
from sidespand.model import ControlBody, Kind, NodeIdentity
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)


class Checkpointer:
    """The key of one generation, which lives here alone, and what it signs.

    Args:
        journal: Open; it is closed after this one.
        identity: Names the log, and with it the key.
        node_key: Certifies the generation's key; None when the operator made none.
        telemetry: Counts.
        interval_s: From the first record that no checkpoint covers to the next one.
    """

    def __init__(
        self,
        journal: JournalStore,
        identity: NodeIdentity,
        node_key: Signer | None,
        telemetry: Telemetry,
        interval_s: float = CHECKPOINT_INTERVAL_S,
    ) -> None:
        self._journal = journal
        self._origin = origin(identity, journal.head.lineage)
        self._key = Signer.generate(self._origin)
        self._node_key = node_key
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._key_body: ControlBody | None = None
        self._failing = False
        self._covered = 0
        # Up to this record count there is nothing to do.
        self._settled = 0
        self._woken = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        telemetry.follow(
            telemetry.uncovered_records, lambda: self._head.record_count - self._covered
        )

    async def start(self) -> None:
        """Make the KEY record durable, which is before any that a door accepts; follow the log."""
        try:
            await self._introduced()
        except Exception as error:
            self._fail(error)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def advance(self) -> None:
        """Take note that the log has grown."""
        self._woken.set()

    async def close(self) -> None:
        """Cover what there is: the last record is a checkpoint of all before it.

        Called again, it covers what came since.
        """
        self._closing.set()
        self._woken.set()
        if self._task is not None:
            await self._task
        if self._head.record_count > self._covered + 1:
            await self._checkpoint()

    @property
    def is_due(self) -> bool:
        """Whether the log has grown by something that asks for a checkpoint."""
        return self._head.record_count > self._settled

    @property
    def _head(self) -> Head:
        return self._journal.head

    async def _run(self) -> None:
        while not self._closing.is_set():
            if not self.is_due:
                self._woken.clear()
                await self._woken.wait()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._interval_s)
                return
            await self._checkpoint()

    async def _introduced(self) -> ControlBody:
        # The body of the KEY record, which is durable by then.
        if self._key_body is None:
            head = self._head
            body = key_body(
                head.lineage,
                head.boot_generation,
                self._journal.incarnation,
                self._key,
                self._node_key,
            )
            await self._journal.append_control(Kind.KEY, body)
            self._key_body = body
        return self._key_body

    async def _checkpoint(self) -> None:
        try:
            key = await self._introduced()
            head = self._head
            signed = await asyncio.to_thread(self._sign, head)
            await self._journal.append_control(Kind.CHECKPOINT, checkpoint_body(signed, key))
        except Exception as error:
            self._fail(error)
            return
        self._failing = False
        self._covered = head.record_count
        self._settled = head.record_count + 1
        self._telemetry.checkpoints.inc()

    def _sign(self, head: Head) -> str:
        root = merkle.root(head.hashes)
        return checkpoint.sign(Checkpoint(self._origin, head.record_count, root), self._key)

    def _fail(self, error: Exception) -> None:
        self._settled = self._head.record_count
        self._telemetry.checkpoint_failures.inc()
        if not self._failing:
            self._failing = True
            _log.warning("no checkpoint could be made: %s", error)
