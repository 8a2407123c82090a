"""Finished spans on their way out: bounded in bytes, never blocking, with every loss counted."""

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from sidespan._limits import (
    BATCH_BYTES_MAX,
    BATCH_SPANS_MAX,
    ORPHANS_MAX,
    SPAN_OVERHEAD_BYTES,
)

if TYPE_CHECKING:
    from sidespan._open_span import OpenSpan


class MarkedSpan(bytes):
    """An encoded span that a mark may have announced: the recorder is to close it."""

    __slots__ = ()

    @property
    def ids(self) -> bytes:
        """Its trace id, then its span id, from where ``_otlp.span`` writes them."""
        return self[2:18] + self[20:28]


class Buffer:
    """A queue from the host's threads to the sender, in order.

    What the sender has taken still counts as buffered until it is settled, so the bound holds for
    all memory. At every moment ``recorded == acked + dropped + buffered``.

    Attributes:
        young: The open spans that no mark has announced, the oldest first. A span enters it when it
            starts; whoever takes it out, the span at its end or the sender with a mark, knows that
            the other did not.
        touched: Announced spans that have something new for the recorder.
        watched: Whether the sender will look at the young ones by itself.
        hurried_until_s: On the monotonic clock, until when somebody waits for a mark that has not
            been taken, so that nothing is to gather first; else 0.
        waiters: How many threads wait for the sender.

    Args:
        bytes_max: What is offered while more than this is held is dropped.
        wake: Called when a span comes while the sender sleeps, and when somebody waits. Must not
            block.
    """

    def __init__(self, bytes_max: int, wake: Callable[[], None]) -> None:
        self.young: dict[OpenSpan, None] = {}
        self.touched: deque[OpenSpan] = deque()
        self.watched = True
        self.hurried_until_s = 0.0
        self.waiters = 0
        self._bytes_max = bytes_max
        self._wake = wake
        # Re-entrant: a signal handler or a finalizer may end a span while its own thread is in
        # here.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        # The host's threads append without the lock, which is the dearest part of a span's end.
        self._spans: deque[bytes] = deque()
        self._orphans: deque[bytes] = deque(maxlen=ORPHANS_MAX)
        self._bytes = 0
        self._taken = 0
        self._acked = 0
        self._refused = 0
        self._lost = 0
        self._sender_sleeps = True
        self._abandoned = False

    def offer(self, span: bytes) -> None:
        """Take one encoded span, or drop and count it when the buffer is full or closed."""
        size = len(span) + SPAN_OVERHEAD_BYTES
        if self._bytes + size > self._bytes_max:
            self._refuse(span)
            return
        # Nothing can come between the parts of this statement while there is a GIL; without one
        # it may lose a few bytes, which ``settle`` makes good.
        self._bytes += size
        self._spans.append(span)
        if self._sender_sleeps:
            self._sender_sleeps = False
            self._wake()

    def watch(self) -> None:
        """Have the sender look at ``young``."""
        self.watched = True
        self._wake()

    def touch(self, span: "OpenSpan") -> None:
        """Have the sender tell what is new of an announced span."""
        self.touched.append(span)
        if len(self.touched) == 1:
            self._wake()

    def hurry(self, span: "OpenSpan", timeout_s: float) -> None:
        """Have the sender announce a span at once; somebody waits for ``timeout_s``."""
        self.hurried_until_s = monotonic() + timeout_s
        self.touched.append(span)
        self._wake()

    def take(self) -> list[bytes]:
        """Return the oldest spans, one batch of at most BATCH_SPANS_MAX and about BATCH_BYTES_MAX.

        Without any, the sender counts as asleep from here on.
        """
        batch: list[bytes] = []
        size = 0
        with self._lock:
            # Before the look: a span that comes after it rings.
            self._sender_sleeps = True
            while self._spans and len(batch) < BATCH_SPANS_MAX:
                size += len(self._spans[0])
                if batch and size > BATCH_BYTES_MAX:
                    break
                batch.append(self._spans.popleft())
            self._taken += len(batch)
            if batch:
                self._sender_sleeps = False
        return batch

    def take_ended(self, batch: list[bytes]) -> bytes:
        """Return the ids of all marked spans that end with ``batch``, 24 bytes each.

        Also those of dropped spans: they have ended, whatever else is lost of them.
        """
        ended = [span.ids for span in batch if isinstance(span, MarkedSpan)]
        while self._orphans:
            ended.append(self._orphans.popleft())
        return b"".join(ended)

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
        size = sum(map(len, batch)) + len(batch) * SPAN_OVERHEAD_BYTES
        with self._settled:
            self._bytes -= size
            self._acked += len(batch) - rejected
            self._lost += rejected
            if not self._spans and self._acked + self._lost == self._taken:
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
            target, dropped = self._taken + len(self._spans), self.dropped
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
            self._taken += len(self._spans)
            self._spans.clear()
            self._lost = self._taken - self._acked
            self._bytes = 0
            self._settled.notify_all()

    def abandon(self) -> None:
        """Ignore what is offered from here on, without taking the lock.

        For the child of a fork: the lock may be held by a thread that it does not have.
        """
        self._abandoned = True
        self._bytes_max = -1
        self.watched = True

    @property
    def closed(self) -> bool:
        """Whether nothing that is offered will be sent."""
        return self._bytes_max < 0

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Recorded, acked, dropped and buffered spans, of one moment."""
        with self._lock:
            dropped, buffered = self.dropped, self._taken - self._acked - self._lost
            if self.closed:
                # What came between the last look and the closing is not going anywhere.
                dropped += len(self._spans)
            else:
                buffered += len(self._spans)
            return self._acked + dropped + buffered, self._acked, dropped, buffered

    @property
    def dropped(self) -> int:
        """Spans that were refused here or not stored there."""
        return self._refused + self._lost

    def _refuse(self, span: bytes) -> None:
        if self._abandoned:
            return
        with self._lock:
            self._refused += 1
            if not isinstance(span, MarkedSpan):
                return
            self._orphans.append(span.ids)
        self._wake()
