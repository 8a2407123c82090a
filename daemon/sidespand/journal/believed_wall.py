"""The clock by which records grow old: a wall that leaps ahead must not empty the store."""

from sidespand.clock import Clock
from sidespand.limits import CLOCK_STEP_BELIEVED_S, CLOCK_STEP_NS_MIN

_BELIEVED_NS = int(CLOCK_STEP_BELIEVED_S * 1_000_000_000)


class BelievedWall:
    """The wall clock; a step ahead is believed once it has lasted, one back at once.

    Args:
        clock: The machine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ns = clock.wall_ns() - clock.boottime_ns()
        self._ahead_since_ns: int | None = None

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, ahead of the wall clock never."""
        boottime_ns = self._clock.boottime_ns()
        offset_ns = self._clock.wall_ns() - boottime_ns
        # Less than a step is how clocks are slewed.
        if offset_ns - self._offset_ns < CLOCK_STEP_NS_MIN:
            self._follow(offset_ns)
        elif self._ahead_since_ns is None:
            self._ahead_since_ns = boottime_ns
        elif boottime_ns - self._ahead_since_ns >= _BELIEVED_NS:
            self._follow(offset_ns)
        return boottime_ns + self._offset_ns

    def _follow(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._ahead_since_ns = None
