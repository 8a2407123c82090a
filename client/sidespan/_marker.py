"""Announces spans that stay open; works on the sender's thread alone."""

from collections import deque
from itertools import islice
from math import inf
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from sidespan._buffer import Buffer
from sidespan._limits import BATCH_BYTES_MAX, BATCH_SPANS_MAX, YOUNG_SPANS_MAX
from sidespan._mark import Mark

if TYPE_CHECKING:
    from sidespan._open_span import OpenSpan


class Marks(NamedTuple):
    """What one step announces.

    Args:
        encoded: OTLP spans without an end.
        told: The marks that they were made from.
    """

    encoded: list[bytes]
    told: list[Mark]


class Marker:
    """Finds the spans that are due, and says when to look again.

    Args:
        buffer: Whose open spans are announced.
        mark_after_s: How long a span must be open; infinite to announce durable ones only.
    """

    def __init__(self, buffer: Buffer, mark_after_s: float) -> None:
        self._buffer = buffer
        self._mark_after_s = mark_after_s
        self._due: deque[OpenSpan] = deque()

    def collect(self, *, everything: bool = False) -> Marks:
        """Return the marks that are due, at most one batch of them.

        Args:
            everything: Announce all open spans, whatever their age: this process ends.
        """
        self._buffer.hurried_until_s = 0.0
        self.forget_excess()
        if everything or self._mark_after_s < inf:
            self._find_old(0.0 if everything else self._mark_after_s)
        touched = self._buffer.touched
        while touched:
            self._due.append(touched.popleft())
        marks = Marks([], [])
        size = 0
        while self._due and len(marks.told) < BATCH_SPANS_MAX and size < BATCH_BYTES_MAX:
            span = self._due.popleft()
            mark = span.announced()
            encoded = span.encoded_mark(mark) if mark is not None else b""
            if mark is not None and encoded:
                marks.encoded.append(encoded)
                marks.told.append(mark)
                size += len(encoded)
        return marks

    def forget_excess(self) -> None:
        """Let go of the oldest of more than YOUNG_SPANS_MAX; they are not announced.

        For programs that start spans and never end them, while there is nobody to tell.
        """
        young = self._buffer.young
        excess = len(young) - YOUNG_SPANS_MAX
        if excess > 0:
            for span in islice(young.copy(), excess):
                young.pop(span, None)

    def wait_s(self) -> float | None:
        """Return the time until a span may be due; None when a ring of the bell will say so."""
        if self._due:
            return 0.0
        if self._mark_after_s == inf:
            return None
        buffer = self._buffer
        buffer.watched = False
        # After that: a span that starts from here on rings.
        for span in buffer.young.copy():
            buffer.watched = True
            return min(max(0.0, self._mark_after_s - span.age_s(time_ns())), self._mark_after_s)
        return None

    def give_up(self) -> None:
        """Let those go on who wait for a mark; none will be sent any more."""
        for span in (*self._due, *self._buffer.touched):
            mark = span.announced()
            if mark is not None:
                mark.settle(durable=False)

    def _find_old(self, age_s: float) -> None:
        young = self._buffer.young
        now_ns = time_ns()
        # A copy is one step for the host's threads, which go on starting and ending spans.
        for span in young.copy():
            if 0 <= span.age_s(now_ns) < age_s:
                break
            if young.pop(span, span) is not span:
                self._due.append(span)
