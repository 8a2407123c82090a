"""A clock that stands still until a test moves it, with randomness that a seed fixes."""

import random

START_WALL_NS = 1_790_000_000_000_000_000
START_BOOTTIME_NS = 4_000_000_000_000
NS_PER_S = 1_000_000_000


class ManualClock:
    """Implements ``clock.Clock``.

    Args:
        wall_ns: Where CLOCK_REALTIME starts.
        boottime_ns: Where CLOCK_BOOTTIME starts.
        seed: Of ``random_bytes``.
    """

    def __init__(
        self,
        wall_ns: int = START_WALL_NS,
        boottime_ns: int = START_BOOTTIME_NS,
        seed: int = 0,
    ) -> None:
        self._wall_ns = wall_ns
        self._boottime_ns = boottime_ns
        self._random = random.Random(seed)
        self.claimed_error_us: int | None = None

    def wall_ns(self) -> int:
        """Return the wall clock as it was last set."""
        return self._wall_ns

    def boottime_ns(self) -> int:
        """Return the time since boot as it was last set."""
        return self._boottime_ns

    def error_us(self) -> int | None:
        """Return what the test claims."""
        return self.claimed_error_us

    def random_bytes(self, count: int) -> bytes:
        """Return the next bytes of the seeded generator."""
        return self._random.randbytes(count)

    def pass_time(self, seconds: float) -> None:
        """Let both clocks run on."""
        self._wall_ns += int(seconds * NS_PER_S)
        self._boottime_ns += int(seconds * NS_PER_S)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock alone, forwards or backwards, as an operator or NTP does."""
        self._wall_ns += int(seconds * NS_PER_S)
