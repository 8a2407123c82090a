"""Waiting until the start of a span is on disk: log before act."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from sidespan._runtime import runtime

if TYPE_CHECKING:
    from sidespan._span import Span


def wait_for_mark(span: "Span", timeout_s: float) -> None:
    """Return when the span's mark is on disk, or the time is up; raises no Exception."""
    try:
        settled = threading.Event()
        mark = span.hasten(settled.set, timeout_s)
        if mark is not None and not settled.wait(max(0.0, timeout_s)):
            mark.forget()
    except Exception as error:
        runtime.note(error)


async def wait_for_mark_async(span: "Span", timeout_s: float) -> None:
    """As ``wait_for_mark``, without holding up the event loop.

    In another loop than asyncio's it does hold it up. A cancellation ends the span and goes on.
    """
    # A program that gets here has it already; others need not load it for a durable span.
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        wait_for_mark(span, timeout_s)
        return
    answered = loop.create_future()

    def settled() -> None:
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(answered.cancel)

    mark = span.hasten(settled, timeout_s)
    if mark is None:
        return
    try:
        await asyncio.wait({answered}, timeout=max(0.0, timeout_s))
    except BaseException as error:
        span.end(error)
        raise
    finally:
        mark.forget()
        answered.cancel()
