"""Recognises a request that comes again, though OTLP has no sequence numbers.

A sender that did not hear its acknowledgement sends the same bytes once more.
Spans carry random ids, so equal bytes from one peer within minutes are one request. What is equal
on purpose within the window is stored once too (docs/otlp.md).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sidespand.limits import REPEAT_REQUESTS_MAX
from sidespand.model import Admitted, Kind, Peer, Receipt


class RequestKey(NamedTuple):
    """What makes two requests one: who sent it, and its bytes' SHA-256."""

    uid: int | None
    tenant: str
    address: str
    kind: Kind
    digest: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A request that was taken.

    Args:
        outcome: Done once it is durable, or not stored after all.
        rejected_items: As in ``Admitted``.
        rejected_reason: The same.
        until_s: When it is forgotten.
    """

    outcome: asyncio.Future[Receipt]
    rejected_items: int
    rejected_reason: str
    until_s: float


def key_of(kind: Kind, digest: bytes, peer: Peer) -> RequestKey:
    """Return the key of a request from ``peer``; a retry may come from another port or process."""
    return RequestKey(peer.uid, peer.tenant, peer.address, kind, digest)


class Repeats:
    """The requests of the last while that are stored or on their way.

    Args:
        window_s: How long one is remembered.
        requests_max: How many; the oldest go first.
        now: Seconds that never go back.
    """

    def __init__(
        self,
        window_s: float,
        requests_max: int = REPEAT_REQUESTS_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window_s = window_s
        self._requests_max = requests_max
        self._now = now
        self._taken: dict[RequestKey, Taken] = {}

    def find(self, key: RequestKey) -> Taken | None:
        """Return what was taken under this key within the window."""
        taken = self._taken.get(key)
        return taken if taken is not None and taken.until_s > self._now() else None

    def add(self, key: RequestKey, outcome: asyncio.Future[Receipt], admitted: Admitted) -> None:
        """Remember a request until its outcome is a failure, or the window is over."""
        now = self._now()
        taken = Taken(
            outcome, admitted.rejected_items, admitted.rejected_reason, now + self._window_s
        )
        # A key goes to the end: the order is that of age.
        self._taken.pop(key, None)
        self._taken[key] = taken
        outcome.add_done_callback(lambda _: self._settle(key, taken))
        while len(self._taken) > self._requests_max:
            del self._taken[next(iter(self._taken))]
        oldest = next(iter(self._taken))
        if self._taken[oldest].until_s <= now:
            del self._taken[oldest]

    def _settle(self, key: RequestKey, taken: Taken) -> None:
        failed = taken.outcome.cancelled() or taken.outcome.exception() is not None
        if failed and self._taken.get(key) is taken:
            del self._taken[key]
