"""Waiting a little before a refusal: the pressure may pass, and some exporters never come again."""

import asyncio
import random
from collections.abc import Callable

from sidespand.limits import HELD_BYTES_MAX, HELD_REQUESTS_MAX, HOLD_S_MAX, HOLD_S_MIN


def _delay_s() -> float:
    # Requests that were refused together need not come back together.
    return random.uniform(HOLD_S_MIN, HOLD_S_MAX)  # noqa: S311


class Hold:
    """Requests that wait for the node to be able to store again.

    Args:
        delay_s: How long each of them waits, in seconds.
        requests_max: Of them at a time.
        bytes_max: The same.
    """

    def __init__(
        self,
        delay_s: Callable[[], float] = _delay_s,
        *,
        requests_max: int = HELD_REQUESTS_MAX,
        bytes_max: int = HELD_BYTES_MAX,
    ) -> None:
        self._delay_s = delay_s
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._released = asyncio.Event()
        self.requests = 0

    def has_room(self, size: int) -> bool:
        """Tell whether a request of ``size`` bytes may wait."""
        return (
            not self._released.is_set()
            and self.requests < self._requests_max
            and self._bytes + size <= self._bytes_max
        )

    async def wait(self, size: int) -> None:
        """Wait for a while, or until ``release``."""
        self.requests += 1
        self._bytes += size
        try:
            async with asyncio.timeout(self._delay_s()):
                await self._released.wait()
        except TimeoutError:
            pass
        finally:
            self.requests -= 1
            self._bytes -= size

    def release(self) -> None:
        """Let everyone go, and hold nobody from here on."""
        self._released.set()
