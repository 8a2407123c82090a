"""Finished spans on their way out: bounded in bytes, never blocking, with every loss counted."""

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from sidespan._limits import BATCH_BYTES_MAX, BATCH_SPANS_MAX, SPAN_OVERHEAD_BYTES


class Buffer:
    """A queue from the host's threads to the sender, in order.

    What the sender has taken still counts as buffered until it is settled, so the bound holds for
    all memory. At every moment ``recorded == acked + dropped + buffered``.

    ``waiters`` says how many threads are in ``wait``.

    Args:
        bytes_max: What is offered while more than this is held is dropped.
        wake: Called when a span comes while the sender sleeps, and when somebody waits. Must not
            block.
    """

    def __init__(self, bytes_max: int, wake: Callable[[], None]) -> None:
        self._bytes_max = bytes_max
        self._wake = wake
        # Re-entrant: a signal handler or a finalizer may end a span while its own thread is in
        # here.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._spans: deque[bytes] = deque()
        self._bytes = 0
        self._accepted = 0
        self._acked = 0
        self._refused = 0
        self._lost = 0
        self._sender_sleeps = True
        self.waiters = 0
        self._abandoned = False

    def offer(self, span: bytes) -> None:
        """Take one encoded span, or drop and count it when the buffer is full or closed."""
        if self._abandoned:
            return
        with self._lock:
            held = self._bytes + len(span) + SPAN_OVERHEAD_BYTES
            if held > self._bytes_max:
                self._refused += 1
                return
            self._bytes = held
            self._spans.append(span)
            self._accepted += 1
            if not self._sender_sleeps:
                return
            self._sender_sleeps = False
        self._wake()

    def take(self) -> list[bytes]:
        """Return the oldest spans, one batch of at most BATCH_SPANS_MAX and about BATCH_BYTES_MAX.

        Without any, the sender counts as asleep from here on.
        """
        batch: list[bytes] = []
        size = 0
        with self._lock:
            while self._spans and len(batch) < BATCH_SPANS_MAX:
                size += len(self._spans[0])
                if batch and size > BATCH_BYTES_MAX:
                    break
                batch.append(self._spans.popleft())
            self._sender_sleeps = not batch
        return batch

    def holds_batch(self) -> bool:
        """Tell whether waiting for more spans would not make the next batch any fuller."""
        return len(self._spans) >= BATCH_SPANS_MAX or self._bytes >= BATCH_BYTES_MAX

    def settle(self, batch: list[bytes], rejected: int) -> None:
        """Let go of a batch that has been decided.

        Args:
            batch: As ``take`` returned it.
            rejected: How many of it were not stored, 0 to all.
        """
        rejected = min(rejected, len(batch))
        with self._settled:
            self._bytes -= sum(map(len, batch)) + len(batch) * SPAN_OVERHEAD_BYTES
            self._acked += len(batch) - rejected
            self._lost += rejected
            if self._acked + self._lost == self._accepted:
                # An offer that interrupted another one on its own thread may have cost a few bytes.
                self._bytes = 0
            self._settled.notify_all()

    def notify(self) -> None:
        """Have those who wait look again."""
        with self._settled:
            self._settled.notify_all()

    def wait(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until all that was accepted before the call is settled and ``ready()`` holds.

        Returns:
            False when the time ran out, or when a span was dropped meanwhile.
        """
        deadline = monotonic() + timeout_s
        with self._lock:
            target, dropped = self._accepted, self.dropped
            self.waiters += 1
        self._wake()
        with self._settled:
            try:
                while self._acked + self._lost < target or not ready():
                    if not self._settled.wait(max(0.0, deadline - monotonic())):
                        return False
                return self.dropped == dropped
            finally:
                self.waiters -= 1

    def close(self) -> None:
        """Drop and count what is still held, and from here on whatever is offered."""
        with self._settled:
            self._bytes_max = -1
            self._lost = self._accepted - self._acked
            self._spans.clear()
            self._bytes = 0
            self._settled.notify_all()

    def abandon(self) -> None:
        """Ignore what is offered from here on, without taking the lock.

        For the child of a fork: the lock may be held by a thread that it does not have.
        """
        self._abandoned = True

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Recorded, acked, dropped and buffered spans, of one moment."""
        with self._lock:
            recorded = self._accepted + self._refused
            return recorded, self._acked, self.dropped, recorded - self._acked - self.dropped

    @property
    def dropped(self) -> int:
        """Spans that were refused here or not stored there."""
        return self._refused + self._lost
