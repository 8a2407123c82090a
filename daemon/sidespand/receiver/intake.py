"""What every door does with a request: admission, the journal, an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sidespand.errors import Refused, SidespanError
from sidespand.model import Admitted, Content, Kind, Peer, Receipt, SessionStep
from sidespand.ports import Admission, Journal
from sidespand.telemetry import Telemetry

_SIGNALS = {
    Kind.SPANS: "spans",
    Kind.MARKS: "marks",
    Kind.LOGS: "logs",
    Kind.METRICS: "metrics",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable request.

    Args:
        receipt: Where it lies.
        rejected_items: Items of it that were refused.
        rejected_reason: Why, for the sender; empty when none was.
    """

    receipt: Receipt
    rejected_items: int
    rejected_reason: str


class Intake:
    """One path for all doors.

    Args:
        admission: Decides what may be stored.
        journal: Makes it durable.
        telemetry: Counts what was accepted and refused.
    """

    def __init__(self, admission: Admission, journal: Journal, telemetry: Telemetry) -> None:
        self._admission = admission
        self._journal = journal
        self._telemetry = telemetry

    async def take(
        self, parts: Sequence[tuple[Kind, bytes]], peer: Peer, step: SessionStep | None = None
    ) -> Accepted:
        """Store the encoded requests in ``parts`` together, and say so once they are durable.

        With a ``step``, content that will never be admitted uses its seq up all the same, durably.

        Raises:
            Refused: Nothing of it was stored; the leaf says whether another try can help.
        """
        try:
            admitted = self._admit(parts)
        except Refused as refusal:
            self._telemetry.refused_requests.labels(peer.door, type(refusal).__name__).inc()
            if step is not None:
                await self._journal.append(Admitted(()), peer, step)
            raise
        try:
            receipt = await self._journal.append(admitted, peer, step)
        except SidespanError as refusal:
            self._telemetry.refused_requests.labels(peer.door, type(refusal).__name__).inc()
            raise
        if not receipt.duplicate:
            self._count(admitted, peer)
        return Accepted(receipt, admitted.rejected_items, admitted.rejected_reason)

    def newest_token(self) -> str:
        """Return the node's newest token."""
        return self._journal.newest_token()

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance; see ``ports.Journal``."""
        return self._journal.last_seq(instance_id, uid)

    def _admit(self, parts: Sequence[tuple[Kind, bytes]]) -> Admitted:
        if len(parts) == 1:
            return self._admission.admit(*parts[0])
        contents: list[Content] = []
        rejected = 0
        reasons = []
        for kind, body in parts:
            admitted = self._admission.admit(kind, body)
            contents.extend(admitted.contents)
            rejected += admitted.rejected_items
            if admitted.rejected_reason:
                reasons.append(admitted.rejected_reason)
        return Admitted(tuple(contents), rejected, "; ".join(reasons))

    def _count(self, admitted: Admitted, peer: Peer) -> None:
        for content in admitted.contents:
            signal = _SIGNALS[content.kind]
            self._telemetry.accepted_items.labels(peer.door, signal).inc(content.item_count)
            if admitted.rejected_items:
                self._telemetry.refused_items.labels(peer.door, signal).inc(admitted.rejected_items)
