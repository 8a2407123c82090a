"""The only source of time, randomness and boot ids. Everything that needs one is handed a Clock."""

import os
import time
from typing import Protocol

from sidespand import platform


class Clock(Protocol):
    """What the recorder needs to know of its moment."""

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch; may step either way."""
        ...

    def boottime_ns(self) -> int:
        """Return nanoseconds since boot, suspended time included; it never steps back."""
        ...

    def error_us(self) -> int | None:
        """Return how far ``wall_ns`` may be off, in microseconds; None when nobody vouches for it.

        It asks the system: once a second is often enough.
        """
        ...

    def random_bytes(self, count: int) -> bytes:
        """Return bytes that nobody can foretell."""
        ...


class SystemClock:
    """The machine's own clocks and random source."""

    def wall_ns(self) -> int:
        """Return CLOCK_REALTIME."""
        return time.time_ns()

    def boottime_ns(self) -> int:
        """Return CLOCK_BOOTTIME."""
        return platform.boottime_ns()

    def error_us(self) -> int | None:
        """Return what the time daemon claims."""
        return platform.clock_error_us()

    def random_bytes(self, count: int) -> bytes:
        """Return bytes of the kernel's generator, which a virtual machine's clone reseeds."""
        return os.urandom(count)
