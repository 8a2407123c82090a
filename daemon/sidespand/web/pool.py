"""Works on questions in threads, so that the event loop serves the sinks meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sidespand.errors import Unavailable

_T = TypeVar("_T")
_RETRY_AFTER_MS = 1000


class Pool:
    """A few threads and a bounded queue before them.

    Args:
        name: Of the threads.
        threads: How many questions are worked on at once.
        waiting_max: How many more may wait.
    """

    def __init__(self, name: str, threads: int, waiting_max: int) -> None:
        self._executor = ThreadPoolExecutor(threads, name)
        self._free = threads + waiting_max

    async def run(self, question: Callable[[], _T]) -> _T:
        """Return the answer to a question; what it raises comes out here.

        Raises:
            Unavailable: Too many wait. Retryable.
        """
        if not self._free:
            raise Unavailable("too many questions at once", retry_after_ms=_RETRY_AFTER_MS)
        self._free -= 1
        work = asyncio.get_running_loop().run_in_executor(self._executor, question)
        # Who asked may be gone before the answer is there; the thread is busy all the same.
        work.add_done_callback(self._done)
        return await asyncio.shield(work)

    def _done(self, work: "asyncio.Future[_T]") -> None:
        self._free += 1
        if not work.cancelled():
            work.exception()

    def close(self) -> None:
        """Begin nothing that waits; what is being worked on comes to its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
