"""Where runs and spans are written beside the recorder: a file, or an AgentTrace server."""

import atexit
import json
import os
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from sidespan._limits import (
    EXIT_TIMEOUT_S,
    EXPORT_QUEUE_MAX,
    RETRY_DELAY_FIRST_S,
    RETRY_DELAY_MAX_S,
)
from sidespan._runtime import runtime
from sidespan._values import safe_text

__all__ = ["APIExporter", "Exporter", "JSONLExporter"]

_OWNER_ONLY = 0o600
_SERVER_ERRORS = 500


class Exporter(Protocol):
    """What a tracer hands over; it may raise, the tracer keeps that from the program."""

    def export_run(self, run: Mapping[str, Any]) -> None:
        """Take a run: once when it begins, and once when it has ended."""
        ...

    def export_span(self, span: Mapping[str, Any]) -> None:
        """Take a span that has ended."""
        ...

    def flush(self) -> None:
        """Return when what was taken is written, or cannot be."""
        ...


class JSONLExporter:
    """Appends a line of JSON for each run and span, at once: a crash takes none of them.

    Args:
        path: Of the file, which only its owner may read; its directory is made.
        buffer_size: Of AgentTrace's signature; nothing is held back here.
    """

    def __init__(
        self, path: str | os.PathLike[str] = "traces.jsonl", buffer_size: int = 10
    ) -> None:
        del buffer_size
        self._path = Path(path)
        self._torn = False

    def export_run(self, run: Mapping[str, Any]) -> None:
        """Promise of ``Exporter.export_run``."""
        self._append({"type": "run", "data": run})

    def export_span(self, span: Mapping[str, Any]) -> None:
        """Promise of ``Exporter.export_span``."""
        self._append({"type": "span", "data": span})

    def flush(self) -> None:
        """Promise of ``Exporter.flush``: there is nothing to wait for."""

    def _append(self, record: Mapping[str, Any]) -> None:
        data = json.dumps(record, default=safe_text).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
        try:
            whole = b"\n" + data if self._torn else data
            self._torn = os.write(file, whole) < len(whole)
        finally:
            os.close(file)


class APIExporter:
    """Posts runs and spans to an AgentTrace server, from a thread of its own.

    At most EXPORT_QUEUE_MAX wait; what does not fit, and what the server has not taken after all
    tries, is dropped and counted.

    Args:
        endpoint: Such as ``http://localhost:8000/api``.
        buffer_size: Of AgentTrace's signature; each is sent as soon as it can be.
        max_retries: How often one is tried.
        timeout: Seconds for one try, and for ``flush``.

    Attributes:
        dropped: How many were lost.
    """

    def __init__(
        self,
        endpoint: str,
        buffer_size: int = 50,
        max_retries: int = 3,
        timeout: float = 10.0,
    ) -> None:
        del buffer_size
        if not endpoint.lower().startswith(("http://", "https://")):
            runtime.note(ValueError(f"endpoint {endpoint!r}: expected http:// or https://"))
            endpoint = ""
        self._endpoint = endpoint.rstrip("/")
        self._tries_max = max(1, max_retries)
        self._timeout_s = timeout
        self.dropped = 0
        self._queue: deque[tuple[str, bytes]] = deque()
        self._changed = threading.Condition()
        self._pid = 0
        self._leaving = False

    def export_run(self, run: Mapping[str, Any]) -> None:
        """Promise of ``Exporter.export_run``."""
        self._put("/runs", run)

    def export_span(self, span: Mapping[str, Any]) -> None:
        """Promise of ``Exporter.export_span``."""
        renamed = {"span_id" if key == "id" else key: value for key, value in span.items()}
        self._put("/traces", renamed)

    def flush(self) -> None:
        """Promise of ``Exporter.flush``, for ``timeout`` seconds at most."""
        self._wait(self._timeout_s)

    def _put(self, path: str, record: Mapping[str, Any]) -> None:
        body = json.dumps(record, default=safe_text).encode()
        if self._pid != os.getpid():
            self._begin()
        with self._changed:
            if not self._endpoint or len(self._queue) >= EXPORT_QUEUE_MAX:
                self.dropped += 1
                return
            self._queue.append((path, body))
            self._changed.notify_all()

    def _begin(self) -> None:
        """Start the thread; after a fork anew, without what the parent still had to send."""
        if self._pid:
            self._queue, self._changed = deque(), threading.Condition()
        else:
            atexit.register(self._leave)
        self._pid = os.getpid()
        threading.Thread(target=self._work, name="sidespan agenttrace", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                path, body = self._queue[0]
            if not self._post(path, body):
                self.dropped += 1
            with self._changed:
                self._queue.popleft()
                self._changed.notify_all()

    def _post(self, path: str, body: bytes) -> bool:
        request = urllib.request.Request(  # noqa: S310 - http and https alone.
            self._endpoint + path, body, {"content-type": "application/json"}
        )
        for attempt in range(self._tries_max):
            try:
                with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310 - As above.
                    answer.read()
            except Exception as error:
                runtime.note(error)
                refused = isinstance(error, urllib.error.HTTPError) and error.code < _SERVER_ERRORS
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                if refused or self._leaving:
                    return False
                with self._changed:
                    delay_s = min(RETRY_DELAY_FIRST_S * 4**attempt, RETRY_DELAY_MAX_S)
                    self._changed.wait_for(lambda: self._leaving, delay_s)
            else:
                return True
        return False

    def _wait(self, timeout_s: float) -> None:
        deadline = monotonic() + timeout_s
        with self._changed:
            while self._queue and self._changed.wait(max(0.0, deadline - monotonic())):
                pass

    def _leave(self) -> None:
        if self._pid == os.getpid():
            self._leaving = True
            self._wait(EXIT_TIMEOUT_S)
