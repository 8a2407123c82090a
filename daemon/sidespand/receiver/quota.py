"""How many bytes a second a user may send: a token bucket each."""

import math
import time
from collections.abc import Callable, Hashable

from sidespand.errors import Unavailable
from sidespand.limits import RATE_PEERS_MAX

_RETRY_AFTER_MS_MAX = 60_000


class Quota:
    """Lets a sender pass while it is within its rate.

    A bucket holds one second's worth and may be overdrawn by one request, which the sender then
    waits off: so a message larger than the rate passes too.

    Args:
        bytes_per_s: Of one sender, 1 or more.
        now: Seconds that never go back.
    """

    def __init__(self, bytes_per_s: int, now: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._now = now
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def spend(self, sender: Hashable, size: int) -> None:
        """Take ``size`` bytes out of the sender's bucket.

        Raises:
            Unavailable: It is empty; the error says when it will not be. Retryable.
        """
        rate = self._bytes_per_s
        now = self._now()
        level, since = self._buckets.pop(sender, (float(rate), now))
        level = min(float(rate), level + (now - since) * rate)
        if level <= 0:
            self._buckets[sender] = (level, now)
            wait_ms = math.ceil((1 - level) / rate * 1000)
            raise Unavailable(
                f"over the quota of {rate} bytes a second",
                retry_after_ms=min(max(1, wait_ms), _RETRY_AFTER_MS_MAX),
            )
        self._buckets[sender] = (level - size, now)
        while len(self._buckets) > RATE_PEERS_MAX:
            del self._buckets[next(iter(self._buckets))]
