"""Recognises a request that comes again, though OTLP has no sequence numbers.

A sender that did not hear its acknowledgement sends the same bytes once more.
Spans carry random ids, so equal bytes from one peer within minutes are one request. What is equal
on purpose within the window is stored once too (docs/otlp.md).
"""

import asyncio
import time
from collections.abc import Callable
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


class Taken(NamedTuple):
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
        """Return what was taken under this key within the window, if it is or may yet be stored."""
        taken = self._taken.get(key)
        if taken is None or taken.until_s <= self._now() or _has_failed(taken.outcome):
            return None
        return taken

    def add(self, key: RequestKey, outcome: asyncio.Future[Receipt], admitted: Admitted) -> None:
        """Remember a request until its outcome is a failure, or the window is over."""
        now = self._now()
        # It goes to the end: the order is that of age.
        self._taken.pop(key, None)
        self._taken[key] = Taken(
            outcome, admitted.rejected_items, admitted.rejected_reason, now + self._window_s
        )
        if len(self._taken) > self._requests_max:
            del self._taken[next(iter(self._taken))]
        oldest = next(iter(self._taken))
        if self._taken[oldest].until_s <= now:
            del self._taken[oldest]


def _has_failed(outcome: asyncio.Future[Receipt]) -> bool:
    return outcome.done() and (outcome.cancelled() or outcome.exception() is not None)
