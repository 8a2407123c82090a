"""Tells when the wall clock was set: at no other event do wall and boot time part.

The kernel slews both alike and carries both over a suspend; only a step (settimeofday,
ADJ_SETOFFSET, a leap second) moves one without the other. So two readings of one kernel boot,
however far apart, show the steps between them (clock_gettime(2), adjtimex(2)).
"""

from typing import NamedTuple

from sidespand.clock import Clock
from sidespand.limits import CLOCK_STEP_NS_MIN
from sidespand.model import ControlBody

_CLOSE_READINGS = 5


class Reading(NamedTuple):
    """Both clocks at one moment.

    Args:
        wall_ns: CLOCK_REALTIME.
        boottime_ns: CLOCK_BOOTTIME; 0 for no reading at all.
    """

    wall_ns: int
    boottime_ns: int

    @property
    def offset_ns(self) -> int:
        """What only a step changes."""
        return self.wall_ns - self.boottime_ns


def read(clock: Clock, last: Reading) -> tuple[Reading, int]:
    """Return what the clocks say, and by how many nanoseconds the wall was set since ``last``.

    Args:
        clock: Read once each, and closely only at first and when a step shows.
        last: Of the same kernel boot.

    Returns:
        The reading, and a step of at least CLOCK_STEP_NS_MIN either way; 0 for none.
    """
    if not last.boottime_ns:
        # Later readings are compared with this one.
        return _closest(clock), 0
    reading = Reading(clock.wall_ns(), clock.boottime_ns())
    if _parted(reading, last) == 0:
        return reading, 0
    reading = _closest(clock)
    return reading, _parted(reading, last)


def control_body(before: Reading, after: Reading, clock_error_us: int | None) -> ControlBody:
    """Return the body of a CLOCK record.

    Args:
        before: The last reading without the step.
        after: The first one with it.
        clock_error_us: What the time daemon claims; None when it is unknown.
    """
    return {
        "step_ns": after.offset_ns - before.offset_ns,
        "before_wall_ns": before.wall_ns,
        "before_boottime_ns": before.boottime_ns,
        "after_wall_ns": after.wall_ns,
        "after_boottime_ns": after.boottime_ns,
        "clock_error_us": clock_error_us,
    }


def _parted(reading: Reading, last: Reading) -> int:
    step_ns = reading.offset_ns - last.offset_ns
    return step_ns if abs(step_ns) >= CLOCK_STEP_NS_MIN else 0


def _closest(clock: Clock) -> Reading:
    # A thread that has to wait between two readings sees a step where there was none: of a few
    # pairs the closest is taken.
    pairs = []
    for _ in range(_CLOSE_READINGS):
        before_ns = clock.boottime_ns()
        wall_ns = clock.wall_ns()
        pairs.append((clock.boottime_ns() - before_ns, Reading(wall_ns, before_ns)))
    return min(pairs)[1]
