"""One group commit: the requests that share a transaction, and what each is told afterwards.

Building a group touches only memory. Nothing of it counts until the transaction is durable; then
its outcomes are handed out, and otherwise everyone in it gets the same error.
"""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass

from sidespand.clock import Clock
from sidespand.errors import Refused
from sidespand.hlc import ZERO
from sidespand.journal import keys
from sidespand.journal.sessions import Sessions, check_owner, decide
from sidespand.journal.stamper import Draft, Sealed, Stamped, control, seal
from sidespand.journal.state import Head, SessionRow, encode_head, encode_session
from sidespand.model import Kind, Peer, Receipt, SessionStep
from sidespand.token import encode


@dataclass(slots=True, eq=False)
class Pending:
    """A request on its way to the disk; without a peer it is the recorder's own."""

    sealed: Sequence[Sealed]
    peer: Peer | None
    step: SessionStep | None
    payload_bytes: int
    done: Future[Receipt]


class Group:
    """The requests of one transaction.

    Args:
        head: The last durable head.
        sessions: The durable rows of client instances.
        producers: SESSION records of this generation, by producer.
        clock: For stamps.
    """

    def __init__(
        self,
        head: Head,
        sessions: Sessions,
        producers: dict[tuple[Peer, bytes], int],
        clock: Clock,
    ) -> None:
        self.draft = Draft(head, clock)
        self._clock = clock
        self._sessions = sessions
        self._producers = producers
        self.new_rows: dict[bytes, SessionRow] = {}
        self.new_producers: dict[tuple[Peer, bytes], int] = {}
        self.outcomes: list[tuple[Pending, Receipt | Refused]] = []

    def add(self, pending: Pending) -> None:
        """Stamp one request, or note why it is refused or needs no writing."""
        step = pending.step
        row = None
        if step is not None:
            try:
                row = self._row(step)
                if not decide(row, step):
                    assert row is not None or step.seq <= step.acked_seq
                    self.outcomes.append((pending, self._repeated(row, step)))
                    return
            except Refused as refusal:
                self.outcomes.append((pending, refusal))
                return
        receipt, stamped = self._stamp(pending)
        if step is not None:
            # A door that cannot know the uid does not undo the binding.
            bound = row.uid if row is not None and row.uid is not None else step.uid
            self.new_rows[step.instance_id] = SessionRow(
                bound,
                step.seq,
                receipt.first_lsn,
                receipt.last_lsn,
                receipt.stamp,
                stamped.tag if stamped is not None else bytes(16),
                self._clock.wall_ns(),
            )
        self.outcomes.append((pending, receipt))

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.draft.values or self.new_rows)

    @property
    def forgotten(self) -> list[bytes]:
        """The instances whose rows give way to this group's."""
        return self._sessions.surplus(self.new_rows)

    def rows(self, *, everything: bool) -> dict[bytes, bytes | None]:
        """Return the state rows that commit with the records.

        Args:
            everything: All rows rather than the changed ones, for the first commit of a new
                segment.
        """
        rows: dict[bytes, bytes | None] = {}
        if everything:
            for instance_id, row in self._sessions.all():
                rows[keys.session_key(instance_id)] = encode_session(row)
        for instance_id, row in self.new_rows.items():
            rows[keys.session_key(instance_id)] = encode_session(row)
        for instance_id in self.forgotten:
            rows[keys.session_key(instance_id)] = None
        rows[keys.HEAD] = encode_head(self.draft.head())
        return rows

    def _row(self, step: SessionStep) -> SessionRow | None:
        row = self.new_rows.get(step.instance_id)
        if row is None:
            return self._sessions.row(step.instance_id, step.uid)
        check_owner(row, step.uid)
        return row

    def _stamp(self, pending: Pending) -> tuple[Receipt, Stamped | None]:
        head = self.draft
        if not pending.sealed:
            return Receipt(0, 0, ZERO, ""), None
        seq = pending.step.seq if pending.step is not None else 0
        session = self._session(pending.peer, pending.step) if pending.peer is not None else 0
        placed = [head.stamp(sealed, session, seq) for sealed in pending.sealed]
        last = placed[-1]
        token = encode(head.lineage, last.last_lsn, last.stamp, last.tag)
        return Receipt(placed[0].first_lsn, last.last_lsn, last.stamp, token), last

    def _session(self, peer: Peer, step: SessionStep | None) -> int:
        instance_id = step.instance_id if step is not None else b""
        producer = (peer, instance_id)
        known = self._producers.get(producer) or self.new_producers.get(producer)
        if known:
            return known
        body = {
            "door": peer.door,
            "uid": peer.uid,
            "pid": peer.pid,
            "address": peer.address,
            "instance_id": instance_id,
        }
        lsn = self.draft.stamp(seal(control(Kind.SESSION, body), self._clock), 0, 0).first_lsn
        self.new_producers[producer] = lsn
        return lsn

    def _repeated(self, row: SessionRow | None, step: SessionStep) -> Receipt:
        if row is None or row.last_seq != step.seq or not row.last_lsn:
            return Receipt(0, 0, ZERO, "", duplicate=True)
        token = encode(self.draft.lineage, row.last_lsn, row.stamp, row.tag)
        return Receipt(row.first_lsn, row.last_lsn, row.stamp, token, duplicate=True)
