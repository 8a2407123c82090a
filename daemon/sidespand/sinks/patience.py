"""How long a sink's task waits after a failure, and what it says about it."""

import asyncio
import logging
from collections.abc import Callable

from sidespand import backoff
from sidespand.limits import SINK_REASON_CHARACTERS_MAX, SINK_RETRY_AFTER_S_MAX
from sidespand.model import Retry
from sidespand.sinks.figures import Figures

_log = logging.getLogger(__name__)

Uniform = Callable[[float, float], float]


class Patience:
    """Counts a sink's failures in a row, and waits after each until it is stopped.

    Args:
        name: Of the sink.
        uniform: Spreads the waits.
        figures: Get the waits.
    """

    def __init__(self, name: str, uniform: Uniform, figures: Figures) -> None:
        self._name = name
        self._uniform = uniform
        self._figures = figures
        self._stopping = asyncio.Event()
        # How many tries in a row have failed; 0 for a sink that is well.
        self.failures = 0

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End every wait, now and from now on."""
        self._stopping.set()

    async def hold(self, failure: Retry, cause: Exception | None = None) -> bool:
        """Wait before the next try; the first failure of a row is logged.

        Returns:
            Whether there is to be another one.
        """
        self.failures += 1
        if self.failures == 1:
            _log.warning(
                "sink %s: %s; trying again", self._name, bounded(failure.reason), exc_info=cause
            )
        if self.is_stopping:
            return False
        self._figures.retries += 1
        await self.pause(retry_wait_s(failure, self.failures, self._uniform))
        return not self.is_stopping

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond ``stop``."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def recovered(self) -> None:
        """Begin to count anew: a try went well."""
        if self.failures:
            _log.info("sink %s: going on after %d failed tries", self._name, self.failures)
        self.failures = 0


def retry_wait_s(failure: Retry, failures: int, uniform: Uniform) -> float:
    """Return how long to wait after ``failures`` failures in a row, in seconds.

    A sink may ask for more than the back-off, up to SINK_RETRY_AFTER_S_MAX; never for less.
    """
    asked_s = min(failure.after_s or 0.0, SINK_RETRY_AFTER_S_MAX)
    return max(asked_s, backoff.delay_s(failures, uniform))


def bounded(reason: str) -> str:
    """Return a peer's words, cut to SINK_REASON_CHARACTERS_MAX."""
    if len(reason) <= SINK_REASON_CHARACTERS_MAX:
        return reason
    return reason[: SINK_REASON_CHARACTERS_MAX - 1] + "…"
