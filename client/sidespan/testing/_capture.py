"""Spans in memory, for tests that do not care how they travel."""

from collections.abc import Iterator
from contextlib import contextmanager

from sidespan._buffer import Buffer
from sidespan._runtime import runtime
from sidespan.testing._spans import CapturedSpan, decode_span


class Capture(Buffer):
    """Keeps what ends, in the order in which it ended; nothing is sent and no mark is made."""

    def __init__(self) -> None:
        super().__init__(0, lambda: None)
        self._encoded: list[bytes] = []

    def offer(self, span: bytes) -> None:
        """Keep one span."""
        self._encoded.append(span)

    @property
    def closed(self) -> bool:
        """True: nothing will be sent, so nobody waits for it."""
        return True

    @property
    def encoded(self) -> list[bytes]:
        """Every span so far, as OTLP."""
        return list(self._encoded)

    @property
    def spans(self) -> list[CapturedSpan]:
        """Every span so far, in the order in which they ended."""
        return [decode_span(encoded) for encoded in self.encoded]

    def named(self, name: str) -> CapturedSpan:
        """Return the one span of that name.

        Raises:
            LookupError: There is none, or more than one.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = [span.name for span in self.spans]
            raise LookupError(f"{len(found)} spans are named {name!r}; there are {names}")
        return found[0]

    def clear(self) -> None:
        """Forget what there is."""
        self._encoded.clear()


@contextmanager
def capture() -> Iterator[Capture]:
    """Record into memory within the block, whatever ``init`` and the environment say.

    For the whole process: also what other threads do meanwhile.
    """
    captured = Capture()
    previous = runtime.divert(captured)
    try:
        yield captured
    finally:
        runtime.divert(previous)
