"""Hands records over to one sink until each is taken, or durable among its dead letters."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from sidespand.errors import InUse
from sidespand.limits import SINK_SPLITS_MAX
from sidespand.model import Delivered, Delivery, Record, Rejected, Retry
from sidespand.ports import PerKind, Sink
from sidespand.sinks import otlp_walk, selecting
from sidespand.sinks.batches import cut
from sidespand.sinks.dead_letters import DeadLetters
from sidespand.sinks.figures import Figures
from sidespand.sinks.patience import Patience, bounded
from sidespand.sinks.policy import Policy
from sidespand.sinks.resources import Additions
from sidespand.sinks.tap import Tap

_log = logging.getLogger(__name__)


class Handover:
    """One sink's deliveries, one at a time.

    Args:
        name: Of the sink.
        sink: Who takes the records.
        dead_letters: Get what it refuses for good.
        patience: Waits after a failure.
        figures: Get what became of the items.
        additions: Attributes that every resource gets on its way.
        policy: Scrubs what the sink says; what it gets was judged before.
        tap: Gets copies of what the sink was handed.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        dead_letters: DeadLetters,
        patience: Patience,
        figures: Figures,
        *,
        additions: Additions | None = None,
        policy: Policy | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._name = name
        self._sink = sink
        self._dead_letters = dead_letters
        self._patience = patience
        self._figures = figures
        self._additions = additions
        self._policy = policy
        self._tap = tap
        self._per_kind = isinstance(sink, PerKind)
        self._turn = asyncio.Lock()
        self._rejecting = False

    async def deliver(self, records: Sequence[Record]) -> bool:
        """Deliver all records, in log order; one that is refused whole gives way to its halves.

        Returns:
            False when it was stopped before the last one: what follows comes again.
        """
        grouped = selecting.grouped(records, per_kind=self._per_kind)
        parts = deque(part for group in grouped for part in cut(group))
        splits = 0
        while parts:
            part = parts[0]
            outcome, cause = await self.attempt(part)
            match outcome:
                case Delivered():
                    self._rejecting = False
                    self._figures.delivered_items += _item_count(part)
                case Rejected(whole=True) if _item_count(part) > 1 and splits < SINK_SPLITS_MAX:
                    splits += 1
                    parts.popleft()
                    parts.extendleft(reversed(otlp_walk.halves(part)))
                    continue
                case Rejected():
                    if not await self._bury(part, outcome):
                        return False
                case Retry():
                    if not await self._patience.hold(outcome, cause):
                        return False
                    continue
                case _:
                    assert_never(outcome)
            parts.popleft()
            self._patience.recovered()
        return True

    async def attempt(self, records: Sequence[Record]) -> tuple[Delivery, Exception | None]:
        """Hand records over once, when no other delivery is under way.

        Returns:
            What the sink says, without secrets; one that raised says Retry, with the error.
        """
        try:
            outgoing = [self._outgoing(record) for record in records]
            async with self._turn:
                outcome = await self._sink.deliver(outgoing)
        except Exception as error:
            # A sink's bug must not end its task, nor lose what it was handed.
            return Retry(f"{type(error).__name__}: {error}"), error
        if self._tap is not None and not isinstance(outcome, Retry):
            self._tap.offer(self._name, outgoing)
        if self._policy is not None and not isinstance(outcome, Delivered):
            # The other side may know a secret from elsewhere.
            outcome = replace(outcome, reason=self._policy.scrub(outcome.reason))
        return outcome, None

    async def _bury(self, part: Sequence[Record], refusal: Rejected) -> bool:
        count = _item_count(part)
        refused = count if refusal.whole else min(refusal.item_count, count)
        for record in part:
            # Which ones a partial success means is not said: each record may hold all of them.
            items = min(refused, record.header.item_count)
            while True:
                try:
                    kept = await asyncio.to_thread(
                        self._dead_letters.put, record, items, refusal.reason
                    )
                except (OSError, InUse) as error:
                    failure = Retry(f"no dead letter can be written: {error}")
                    if not await self._patience.hold(failure):
                        return False
                    continue
                self._figures.dropped_items += 0 if kept else items
                break
        self._note_rejected(refused, part, refusal.reason)
        return True

    def _outgoing(self, record: Record) -> Record:
        return record if self._additions is None else self._additions.added_to(record)

    def _note_rejected(self, count: int, part: Sequence[Record], reason: str) -> None:
        self._figures.rejected_items += count
        self._figures.delivered_items += _item_count(part) - count
        if not self._rejecting:
            _log.warning(
                "sink %s: refused %d of %d items up to %s, now among its dead letters: %s",
                self._name,
                count,
                _item_count(part),
                part[-1].position,
                bounded(reason),
            )
        self._rejecting = True


def _item_count(records: Sequence[Record]) -> int:
    return sum(record.header.item_count for record in records)
