"""What every door does with a request: admission, the journal, an answer."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sidespand.errors import Refused, SidespanError
from sidespand.model import Admitted, Kind, Peer, Receipt, SessionStep
from sidespand.ports import Admission, Journal
from sidespand.receiver.refusal import Refusal, refusal_of
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
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
            each = [self._admission.admit(kind, body) for kind, body in parts]
        except Refused:
            if step is not None:
                await self._journal.append(Admitted(()), peer, step)
            raise
        admitted = each[0] if len(each) == 1 else _joined(each)
        receipt = await self._journal.append(admitted, peer, step)
        if not receipt.duplicate:
            for one in each:
                self._count(one, peer)
        return Accepted(receipt, admitted.rejected_items, admitted.rejected_reason)

    def refusal(self, error: Exception, peer: Peer) -> Refusal:
        """Return how ``error`` is told; it is counted, and logged when it is none of ours."""
        if not isinstance(error, SidespanError):
            _log.error("a request on the %s door failed", peer.door, exc_info=error)
        self._telemetry.refused_requests.labels(peer.door, type(error).__name__).inc()
        return refusal_of(error)

    def newest_token(self) -> str:
        """Return the node's newest token."""
        return self._journal.newest_token()

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance; see ``ports.Journal``."""
        return self._journal.last_seq(instance_id, uid)

    def _count(self, admitted: Admitted, peer: Peer) -> None:
        for content in admitted.contents:
            signal = _SIGNALS[content.kind]
            self._telemetry.accepted_items.labels(peer.door, signal).inc(content.item_count)
            if admitted.rejected_items:
                self._telemetry.refused_items.labels(peer.door, signal).inc(admitted.rejected_items)


def _joined(each: Sequence[Admitted]) -> Admitted:
    return Admitted(
        tuple(content for one in each for content in one.contents),
        sum(one.rejected_items for one in each),
        "; ".join(one.rejected_reason for one in each if one.rejected_reason),
    )
