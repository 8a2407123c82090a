"""Sending what is buffered before SIGTERM ends the process, for programs that ask for it."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


def flush_before_end(flush: Callable[[], None]) -> None:
    """Have ``flush`` called when SIGTERM comes, before what it did until now.

    Does nothing outside the main thread, where Python takes no handlers, and where SIGTERM is
    ignored.

    Args:
        flush: Must not raise, and must be fit to be called in the middle of anything.
    """
    before = signal.getsignal(signal.SIGTERM)
    ignored = before in (signal.SIG_IGN, None)
    if ignored or threading.current_thread() is not threading.main_thread():
        return

    def handle(number: int, frame: FrameType | None) -> None:
        flush()
        if callable(before):
            before(number, frame)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, handle)
