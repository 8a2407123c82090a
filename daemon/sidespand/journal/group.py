"""One group commit: the requests that share a transaction, and what each is told afterwards.

Building a group touches only memory. Nothing of it counts until the transaction is durable; then
its outcomes are handed out, and otherwise everyone in it gets the same error.
"""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sidespand.clock import Clock
from sidespand.errors import Refused
from sidespand.hlc import ZERO
from sidespand.journal import keys
from sidespand.journal.open_spans import OpenDraft, OpenSpans, abandoned_bodies
from sidespand.journal.sessions import Sessions, check_owner, decide
from sidespand.journal.stamper import Draft, Sealed, Stamped, control, seal
from sidespand.journal.state import Head, SessionRow, encode_head, encode_session
from sidespand.model import Kind, Mark, OpenSpan, Peer, Receipt, SessionStep, SpanKey
from sidespand.token import encode


@dataclass(slots=True, eq=False)
class Pending:
    """A request on its way to the disk; without a peer it is the recorder's own."""

    sealed: Sequence[Sealed]
    peer: Peer | None
    step: SessionStep | None
    payload_bytes: int
    done: Future[Receipt]
    ended: Sequence[SpanKey] = ()
    abandonment: "Abandonment | None" = None


@dataclass(frozen=True, slots=True)
class Abandonment:
    """The instance whose open spans nobody will end, and why."""

    instance_id: bytes
    reason: str


class Group:
    """The requests of one transaction.

    Args:
        head: The last durable head.
        sessions: The durable rows of client instances.
        producers: SESSION records of this generation, by producer.
        clock: For stamps.
        open_spans: The durable open spans.
        clock_error_us: What its time daemon claims; None when it is unknown.
    """

    def __init__(
        self,
        head: Head,
        sessions: Sessions,
        producers: dict[tuple[Peer, bytes], int],
        clock: Clock,
        *,
        open_spans: OpenSpans,
        clock_error_us: int | None = None,
    ) -> None:
        self.draft = Draft(head, clock, clock_error_us)
        self._clock = clock
        self._now_ns = clock.wall_ns()
        self._sessions = sessions
        self._producers = producers
        self.open_spans = OpenDraft(open_spans)
        self.new_rows: dict[bytes, SessionRow] = {}
        self.new_producers: dict[tuple[Peer, bytes], int] = {}
        self.outcomes: list[tuple[Pending, Receipt | Refused]] = []

    def add(self, pending: Pending) -> None:
        """Stamp one request, or note why it is refused or needs no writing."""
        if pending.abandonment is not None:
            self.outcomes.append((pending, self._abandon(pending.abandonment)))
            return
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
            for key in pending.ended:
                self.open_spans.end(step.instance_id, key)
            # A door that cannot know the uid does not undo the binding.
            bound = row.uid if row is not None and row.uid is not None else step.uid
            self.new_rows[step.instance_id] = SessionRow(
                bound,
                step.seq,
                receipt.first_lsn,
                receipt.last_lsn,
                receipt.stamp,
                stamped.tag if stamped is not None else bytes(16),
                self._now_ns,
            )
        self.outcomes.append((pending, receipt))

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.draft.values or self.new_rows)

    @cached_property
    def forgotten(self) -> list[bytes]:
        """The instances whose rows give way to this group's, once all of it was added."""
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
            rows[keys.BASE] = encode_head(self.draft.base)
        for instance_id, row in self.new_rows.items():
            rows[keys.session_key(instance_id)] = encode_session(row)
        for instance_id in self.forgotten:
            rows[keys.session_key(instance_id)] = None
        rows |= self.open_spans.rows(everything=everything)
        rows[keys.HEAD] = encode_head(self.draft.head())
        return rows

    def _row(self, step: SessionStep) -> SessionRow | None:
        row = self.new_rows.get(step.instance_id)
        if row is None:
            return self._sessions.row(step.instance_id, step.uid)
        check_owner(row, step.uid)
        return row

    def _stamp(self, pending: Pending) -> tuple[Receipt, Stamped | None]:
        draft = self.draft
        if not pending.sealed:
            return Receipt(0, 0, ZERO, ""), None
        seq = pending.step.seq if pending.step is not None else 0
        session = self._session(pending.peer, pending.step) if pending.peer is not None else 0
        placed = [draft.stamp(sealed, session, seq) for sealed in pending.sealed]
        for sealed, stamped in zip(pending.sealed, placed, strict=True):
            if sealed.content.marks:
                self._open(sealed.content.marks, stamped.first_lsn, pending)
        last = placed[-1]
        token = encode(draft.lineage, last.last_lsn, last.stamp, last.tag)
        return Receipt(placed[0].first_lsn, last.last_lsn, last.stamp, token), last

    def _open(self, marks: Sequence[Mark], first_lsn: int, pending: Pending) -> None:
        if pending.step is None or pending.peer is None:
            return
        step, now_ns = pending.step, self.draft.wall_ns
        for lsn, mark in enumerate(marks, first_lsn):
            self.open_spans.open(
                OpenSpan(
                    step.instance_id,
                    mark,
                    pending.peer,
                    self.draft.lineage,
                    lsn,
                    now_ns,
                    step.away_s_max,
                )
            )

    def _abandon(self, abandonment: Abandonment) -> Receipt:
        spans = self.open_spans.abandon(abandonment.instance_id)
        if not spans:
            return Receipt(0, 0, ZERO, "")
        placed = [
            self.draft.stamp(seal(control(Kind.ABANDONED, body), self._clock), 0, 0)
            for body in abandoned_bodies(spans, abandonment.reason, self._now_ns)
        ]
        last = placed[-1]
        token = encode(self.draft.lineage, last.last_lsn, last.stamp, last.tag)
        return Receipt(placed[0].first_lsn, last.last_lsn, last.stamp, token)

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
            "tenant": peer.tenant,
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
