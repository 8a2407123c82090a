"""What every door does with a request: admission, the journal, an answer.

request ──▶ came before? ──▶ quota, room ──▶ admission ──▶ journal ──▶ durable
                │                                            │ cannot now, and no session
                └──▶ its first answer                        └──▶ held a little ──▶ once more
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

from prometheus_client import Counter

from sidespand.errors import Refused, SidespanError, Unavailable
from sidespand.limits import (
    INFLIGHT_BYTES_MAX,
    PEER_INFLIGHT_BYTES_MAX,
    PLAIN_INFLIGHT_BYTES_MAX,
    REQUEST_OVERHEAD_BYTES,
)
from sidespand.model import Admitted, Kind, Peer, Receipt, SessionStep, SpanKey
from sidespand.ports import Admission, Journal
from sidespand.receiver.budget import Budget, owner_of
from sidespand.receiver.hold import Hold
from sidespand.receiver.quota import Quota
from sidespand.receiver.refusal import Refusal, refusal_of
from sidespand.receiver.repeats import Repeats, RequestKey, Taken, key_of
from sidespand.telemetry import Telemetry

_log = logging.getLogger(__name__)
_SIGNALS = {
    Kind.SPANS: "spans",
    Kind.MARKS: "marks",
    Kind.LOGS: "logs",
    Kind.METRICS: "metrics",
}


class Accepted(NamedTuple):
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
        repeats: Recognises what comes again without a session; None to store it again.
        quota: What a user may send a second; None for no bound.
        hold: Where a request without a session waits before it is refused.
        scrub: Takes secrets out of what senders are told.
    """

    def __init__(
        self,
        admission: Admission,
        journal: Journal,
        telemetry: Telemetry,
        *,
        repeats: Repeats | None = None,
        quota: Quota | None = None,
        hold: Hold | None = None,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self._admission = admission
        self._journal = journal
        self._telemetry = telemetry
        self._repeats = repeats
        self._quota = quota
        self._hold = hold or Hold()
        self._scrub = scrub
        # Finding a metric's labels takes longer than counting.
        self._counters: dict[tuple[str, str], Counter] = {}
        self._budget = Budget(INFLIGHT_BYTES_MAX, PEER_INFLIGHT_BYTES_MAX)
        telemetry.follow(telemetry.held_requests, lambda: self._hold.requests)
        telemetry.follow(telemetry.receiver_inflight_bytes, lambda: self._budget.used_bytes)

    async def take(
        self,
        parts: Sequence[tuple[Kind, bytes]],
        peer: Peer,
        step: SessionStep | None = None,
        ended: tuple[SpanKey, ...] = (),
    ) -> Accepted:
        """Store the encoded requests in ``parts`` together, and say so once they are durable.

        With a ``step`` it is as ``take_step`` has it. Without one, a request that came before is
        not stored again, and one that the journal cannot take is tried once more after a while.

        Raises:
            Refused: Nothing of it was stored; the leaf says whether another try can help.
        """
        if step is None:
            return await self._take(parts, peer)
        outcome: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()

        def tell(told: Accepted | Exception) -> None:
            # Whoever asked may have gone.
            if outcome.done():
                return
            if isinstance(told, Exception):
                outcome.set_exception(told)
            else:
                outcome.set_result(told)

        self.take_step(parts, peer, step, ended, tell=tell)
        return await outcome

    async def _take(self, parts: Sequence[tuple[Kind, bytes]], peer: Peer) -> Accepted:
        key = self._key(parts, peer)
        known = self._find(key) if key is not None else None
        if known is not None:
            return await self._repeat(known, peer)
        owner, size = self._enter(parts, peer)
        each: list[Admitted] = []
        try:
            for kind, body in parts:
                # The journal binds a payload by the hash that its request is recognised by.
                each.append(self._admission.admit(kind, body, key.digest if key else b""))
            admitted = each[0] if len(each) == 1 else _joined(each)
            receipt = await self._store(admitted, peer, key, size)
        except Refused:
            self._withdraw(each)
            raise
        finally:
            self._budget.give_back(owner, size)
        return self._accepted(parts, each, admitted, peer, receipt)

    def take_step(
        self,
        parts: Sequence[tuple[Kind, bytes]],
        peer: Peer,
        step: SessionStep,
        ended: tuple[SpanKey, ...] = (),
        *,
        tell: Callable[[Accepted | Exception], None],
    ) -> None:
        """Store a step of a session, and ``tell`` what became of it, at once or once it is durable.

        Content that will never be admitted uses its seq up all the same, durably, and the spans in
        ``ended`` are not open any more. There is no task: a small step costs less than one.

        Args:
            parts: Encoded requests that are stored together.
            peer: Who sends it.
            step: Its place in the session.
            ended: The marked spans that end with it.
            tell: Called once on the event loop. An error says that nothing of it was stored.
        """
        try:
            owner, size = self._enter(parts, peer)
        except Refused as refusal:
            tell(refusal)
            return
        each: list[Admitted] = []
        try:
            for kind, body in parts:
                each.append(self._admission.admit(kind, body))
            admitted = each[0] if len(each) == 1 else _joined(each)
            whole = admitted._replace(ended=ended) if ended else admitted
            stored = self._journal.append(whole, peer, step)
        except Exception as error:
            self._withdraw(each)
            self._budget.give_back(owner, size)
            if isinstance(error, Refused) and not error.retryable:
                self.use_up(error, peer, step, ended, tell=tell)
            else:
                tell(error)
            return

        def settled(outcome: asyncio.Future[Receipt]) -> None:
            self._budget.give_back(owner, size)
            error = outcome.exception()
            if error is None:
                tell(self._accepted(parts, each, admitted, peer, outcome.result()))
            else:
                self._withdraw(each)
                tell(_plain(error))

        stored.add_done_callback(settled)

    def use_up(
        self,
        refusal: Refused,
        peer: Peer,
        step: SessionStep,
        ended: tuple[SpanKey, ...] = (),
        *,
        tell: Callable[[Accepted | Exception], None],
    ) -> None:
        """Note durably that a step was decided though nothing of it is stored, and ``tell`` why.

        Args:
            refusal: Why; told once that is durable.
            peer: Who sent it.
            step: Its place in the session.
            ended: The marked spans that end with it.
            tell: As for ``take_step``; hears of another error where even this cannot be written.
        """

        def settled(outcome: asyncio.Future[Receipt]) -> None:
            error = outcome.exception()
            tell(refusal if error is None else _plain(error))

        self._journal.append(Admitted((), ended=ended), peer, step).add_done_callback(settled)

    def release(self) -> None:
        """Let the requests go that wait for better times: the daemon stops."""
        self._hold.release()

    def refusal(self, error: Exception, peer: Peer) -> Refusal:
        """Return how ``error`` is told; it is counted, and logged when it is none of ours."""
        if not isinstance(error, SidespanError):
            _log.error("a request on the %s door failed", peer.door, exc_info=error)
        self._telemetry.refused_requests.labels(peer.door, type(error).__name__).inc()
        refusal = refusal_of(error)
        return replace(refusal, text=self._scrub(refusal.text))

    def newest_token(self) -> str:
        """Return the node's newest token."""
        return self._journal.newest_token()

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance; see ``ports.Journal``."""
        return self._journal.last_seq(instance_id, uid)

    def _key(self, parts: Sequence[tuple[Kind, bytes]], peer: Peer) -> RequestKey | None:
        if self._repeats is None or len(parts) != 1:
            return None
        ((kind, body),) = parts
        return key_of(kind, sha256(body).digest(), peer)

    def _find(self, key: RequestKey) -> Taken | None:
        return self._repeats.find(key) if self._repeats is not None else None

    def _enter(self, parts: Sequence[tuple[Kind, bytes]], peer: Peer) -> tuple[Hashable, int]:
        """Take room for a request; return for whom, and how much."""
        size = REQUEST_OVERHEAD_BYTES
        for _, body in parts:
            size += len(body)
        if self._quota is not None and peer.uid is not None:
            self._quota.spend(peer.uid, size)
        owner = owner_of(peer)
        self._budget.take(owner, size)
        if self._budget.used_bytes > PLAIN_INFLIGHT_BYTES_MAX:
            try:
                self._keep_the_last_room_for_errors(parts)
            except Refused:
                self._budget.give_back(owner, size)
                raise
        return owner, size

    async def _store(
        self, admitted: Admitted, peer: Peer, key: RequestKey | None, size: int
    ) -> Receipt:
        stored = self._journal.append(admitted, peer)
        stored.add_done_callback(_hear)
        self._remember(key, stored, admitted)
        try:
            # Whoever asked may have gone by the time it is durable; it counts all the same.
            return await asyncio.shield(stored)
        except Unavailable:
            if not self._hold.has_room(size):
                raise
        later = asyncio.create_task(self._store_later(admitted, peer, size))
        later.add_done_callback(_hear)
        self._remember(key, later, admitted)
        return await asyncio.shield(later)

    async def _store_later(self, admitted: Admitted, peer: Peer, size: int) -> Receipt:
        await self._hold.wait(size)
        return await self._journal.append(admitted, peer)

    def _remember(
        self, key: RequestKey | None, outcome: asyncio.Future[Receipt], admitted: Admitted
    ) -> None:
        if key is not None and self._repeats is not None and admitted.contents:
            self._repeats.add(key, outcome, admitted)

    async def _repeat(self, known: Taken, peer: Peer) -> Accepted:
        receipt = await asyncio.shield(known.outcome)
        self._telemetry.repeated_requests.labels(peer.door).inc()
        reason = self._scrub(known.rejected_reason)
        return Accepted(receipt._replace(duplicate=True), known.rejected_items, reason)

    def _keep_the_last_room_for_errors(self, parts: Sequence[tuple[Kind, bytes]]) -> None:
        if parts and not any(self._admission.carries_error(kind, body) for kind, body in parts):
            raise Unavailable("too many bytes of requests are under way; only errors pass")

    def _withdraw(self, each: Sequence[Admitted]) -> None:
        for one in each:
            self._admission.withdraw(one)

    def _accepted(
        self,
        parts: Sequence[tuple[Kind, bytes]],
        each: Sequence[Admitted],
        admitted: Admitted,
        peer: Peer,
        receipt: Receipt,
    ) -> Accepted:
        """Count what became durable, and return what its sender is told."""
        if receipt.duplicate:
            self._withdraw(each)
        else:
            for (kind, _), one in zip(parts, each, strict=True):
                self._count(kind, one, peer)
        reason = admitted.rejected_reason
        return Accepted(receipt, admitted.rejected_items, self._scrub(reason) if reason else "")

    def _count(self, kind: Kind, admitted: Admitted, peer: Peer) -> None:
        telemetry, labels = self._telemetry, (peer.door, _SIGNALS[kind])
        for content in admitted.contents:
            counter = self._counters.get(labels)
            if counter is None:
                counter = self._counters[labels] = telemetry.accepted_items.labels(*labels)
            counter.inc(content.item_count)
        if admitted.rejected_items:
            telemetry.refused_items.labels(*labels).inc(admitted.rejected_items)
        if admitted.removed_values:
            telemetry.removed_values.labels(*labels).inc(admitted.removed_values)


def _hear(outcome: asyncio.Future[Receipt]) -> None:
    # Whoever asked may have gone: what came of it is nobody's business then.
    if not outcome.cancelled():
        outcome.exception()


def _plain(error: BaseException) -> Exception:
    """Return what a future failed with; nobody cancels those of a journal."""
    assert isinstance(error, Exception)
    return error


def _joined(each: Sequence[Admitted]) -> Admitted:
    return Admitted(
        tuple(content for one in each for content in one.contents),
        sum(one.rejected_items for one in each),
        "; ".join(one.rejected_reason for one in each if one.rejected_reason),
        removed_values=sum(one.removed_values for one in each),
    )
