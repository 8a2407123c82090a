"""The one background thread: takes spans from the buffer and sends them step by step."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import NamedTuple

from sidespan import _otlp, _wire
from sidespan._buffer import Buffer
from sidespan._context import spread
from sidespan._limits import (
    LINGER_S,
    MARK_AFTER_S,
    RETRY_AFTER_MAX_S,
    RETRY_DELAY_FIRST_S,
    RETRY_DELAY_MAX_S,
)
from sidespan._mark import Mark
from sidespan._marker import Marker
from sidespan._transport import PermanentError, RetryableError, Transport
from sidespan._version import __version__
from sidespan._w3c import is_token

_SCOPE = _otlp.scope("sidespan", __version__)


def back_off_ceiling_s(failures: int) -> float:
    """Return the longest wait before the next try after ``failures`` in a row, in seconds."""
    return min(RETRY_DELAY_FIRST_S * 2.0 ** min(failures - 1, 30), RETRY_DELAY_MAX_S)


class _Step(NamedTuple):
    """What travels under one seq, with its bytes as they are sent each time."""

    batch: list[bytes]
    marks: list[Mark]
    records: bytes


class Sender:
    """Carries a buffer's spans to a recorder, each batch under its own seq, one at a time.

    The thread starts with the first call of ``wake`` and sleeps while there is nothing to do.

    Args:
        connect: Makes the transport for an instance id; called on the thread, again after it
            raised.
        resource: An encoded Resource, of every span.
        buffer_bytes_max: The bound of the buffer.
        token: The newest token known so far; empty for none.
        mark_after_s: How long a span must be open to be announced; infinite for never.

    Attributes:
        token: The newest that the recorder has named.
        last_error: The last thing that went wrong; empty when nothing did.
        reached: Whether the last try had an answer; None before the first.
    """

    def __init__(
        self,
        connect: Callable[[bytes], Transport],
        resource: bytes,
        buffer_bytes_max: int,
        token: str = "",
        mark_after_s: float = MARK_AFTER_S,
    ) -> None:
        self.buffer = Buffer(buffer_bytes_max, self.wake)
        self.token = token
        self.last_error = ""
        self.reached: bool | None = None
        self._marker = Marker(self.buffer, mark_after_s)
        self._connect = connect
        self._resource = resource
        self._instance_id = os.urandom(16)
        self._next_seq = 1
        self._transport: Transport | None = None
        self._greeted = False
        self._failures = 0
        self._stop_at: float | None = None
        # Its put is re-entrant and never waits, so a span may end in a signal handler or a
        # finalizer.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def wake(self) -> None:
        """Have the thread look for work, and start it when it does not run yet."""
        self._bell.put(None)
        if self._thread is None and self._starting.acquire(blocking=False):
            thread = threading.Thread(target=self._run, name="sidespan", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError as error:
                # The interpreter is on its way out; the lock is free for a later try.
                self.last_error = str(error)
                self._starting.release()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the recorder has answered for all that was buffered, once in any case.

        Args:
            timeout_s: How long to wait at most; 0 or more.

        Returns:
            False when the time ran out, or when a span was dropped meanwhile.
        """
        return self.buffer.wait(lambda: self._greeted, timeout_s)

    def stop(self, timeout_s: float) -> threading.Thread | None:
        """Have the thread send what is buffered and end; without a recorder it ends at once.

        Args:
            timeout_s: After this it ends whatever is left; the rest is dropped and counted.

        Returns:
            The thread, to be joined; None when it never ran.
        """
        self._stop_at = monotonic() + timeout_s
        self._bell.put(None)
        if self._thread is None:
            self.buffer.close()
        return self._thread

    def _run(self) -> None:
        try:
            while self._stop_at is None or monotonic() < self._stop_at:
                step = self._next_step()
                if step is not None:
                    if not self._deliver(step):
                        break
                elif self._stop_at is not None:
                    break
                else:
                    self._rest()
        except Exception as error:
            # Unhandled, the interpreter would print it. From here on spans are dropped and counted.
            self.last_error = f"the sender ended: {type(error).__name__}: {error}"
        finally:
            self.buffer.close()
            self._marker.give_up()
            if self._transport is not None:
                self._transport.close()

    def _next_step(self) -> _Step | None:
        """Return what there is to send, None without any; at the end also the open spans."""
        batch = self.buffer.take()
        marks = self._marker.collect(everything=self._stop_at is not None)
        ended = self.buffer.take_ended(batch)
        if not (batch or marks.told or ended):
            return None
        records = _wire.encode_records(self._request(batch), self._request(marks.encoded), ended)
        return _Step(batch, marks.told, records)

    def _request(self, spans: list[bytes]) -> bytes:
        return _otlp.export_request(self._resource, _SCOPE, spans) if spans else b""

    def _rest(self) -> None:
        """Sleep until there is something to do; make the recorder's acquaintance first."""
        if not self._greeted:
            try:
                self._attempt(0, b"")
            except RetryableError as error:
                if self.buffer.waiters:
                    self._pause(error, hurried=True)
                    return
        self._await_bell(self._marker.wait_s())
        if not (
            self._stop_at is not None
            or self.buffer.waiters
            or self.buffer.hurried_until_s
            or self.buffer.holds_batch()
        ):
            self._await_bell(LINGER_S)

    def _deliver(self, step: _Step) -> bool:
        """Send one step until it is decided; False when the sender was stopped before it was."""
        while True:
            try:
                rejected, stored = self._attempt(self._next_seq, step.records).rejected_items, True
            except PermanentError as error:
                self.last_error = str(error)
                rejected, stored = len(step.batch), False
            except RetryableError as error:
                if self._pause(error, hurried=any(mark.awaited for mark in step.marks)):
                    continue
                for mark in step.marks:
                    mark.settle(durable=False)
                return False
            self._next_seq += 1
            self.buffer.settle(step.batch, rejected)
            for mark in step.marks:
                mark.settle(durable=stored)
            return True

    def _attempt(self, seq: int, records: bytes) -> _wire.Ack:
        """Make one try.

        Raises:
            RetryableError: It failed in a way that may pass.
            PermanentError: The records are refused.
        """
        try:
            if self._transport is None:
                self._transport = self._connect(self._instance_id)
            ack = self._transport.send(seq, records)
        except PermanentError:
            self.reached = True
            raise
        except Exception as error:
            self._failures += 1
            self.last_error = str(error)
            if isinstance(error, RetryableError):
                self.reached = error.retry_after_s is not None
                raise
            self.reached = False
            # The thread must outlive whatever a transport meets: an absent package, a wrong
            # address, no memory.
            raise RetryableError(str(error)) from error
        self._failures = 0
        self.reached = True
        if ack.rejected_items:
            self.last_error = f"{ack.rejected_items} spans refused: {ack.rejected_reason}"
        if is_token(ack.token):
            self.token = ack.token
        if not self._greeted:
            self._greeted = True
            self.buffer.notify()
        return ack

    def _pause(self, error: RetryableError, *, hurried: bool) -> bool:
        """Wait before the next try; False when there is to be none.

        What the recorder asked for is waited for in full. A back-off of our own ends as soon as
        somebody flushes or starts a durable span, and stays short while they wait.

        Args:
            error: Why the last try failed.
            hurried: Whether somebody waits for what was tried.
        """
        self._marker.forget_excess()
        if error.retry_after_s is None:
            if self._stop_at is not None:
                return False
            failures = self._failures
            if hurried or self.buffer.waiters or monotonic() < self.buffer.hurried_until_s:
                failures = 1
            self._await_bell(spread(back_off_ceiling_s(failures)))
            return True
        until = monotonic() + min(error.retry_after_s, RETRY_AFTER_MAX_S)
        while (now := monotonic()) < until:
            if self._stop_at is not None and self._stop_at <= now:
                return False
            self._await_bell(min(until, self._stop_at or until) - now)
        return True

    def _await_bell(self, timeout_s: float | None) -> None:
        with suppress(Empty):
            self._bell.get(timeout=timeout_s)
