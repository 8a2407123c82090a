"""What the process as a whole has: at most one sender, and the decision whether there is one.

Nothing is recorded until ``init`` is called, except when the environment names a service: then the
first span does it. So a library may use sidespan freely; it costs its users nothing until one of
them wants it.
"""

import atexit
import os
import threading
from collections.abc import Iterable
from functools import partial
from math import inf
from typing import NamedTuple

from sidespan import _otlp
from sidespan._buffer import Buffer
from sidespan._limits import BUFFER_BYTES_MAX, EXIT_TIMEOUT_S, GOODBYE_TIMEOUT_S, MARK_AFTER_S
from sidespan._platform import host_name, in_forked_children
from sidespan._sender import Sender
from sidespan._transport import connect, default_socket
from sidespan._version import __version__

_TRUE = frozenset({"1", "true", "yes", "on"})


class Status(NamedTuple):
    """What became of the spans of this process; ``recorded == acked + dropped + buffered``.

    Args:
        recorded: Spans that have ended since ``init``.
        acked: Of them, on the node's disk.
        dropped: Of them, lost: the buffer was full, or the recorder refused them.
        buffered: Of them, still on their way.
        token: The newest token of the node; empty before the recorder has been heard.
        last_error: The last thing that went wrong, for people; empty when nothing did.
        state: ``off`` (nothing is recorded), ``connecting`` (no answer and no failure yet),
            ``connected`` (the last try was answered), ``unreachable`` (it was not; tries go on) or
            ``ended`` (the sender is gone, and what ends is dropped).
        address: Where the recorder is looked for; empty while off.
    """

    recorded: int = 0
    acked: int = 0
    dropped: int = 0
    buffered: int = 0
    token: str = ""
    last_error: str = ""
    state: str = "off"
    address: str = ""


class _Settings(NamedTuple):
    """What a sender is made from, and after a fork made from again."""

    service: str
    address: str
    buffer_bytes_max: int
    exit_timeout_s: float
    mark_after_s: float
    attributes: dict[str, object]

    def sender(self, token: str = "") -> Sender:
        resource = _otlp.resource(
            {
                "service.name": self.service,
                "telemetry.sdk.name": "sidespan",
                "telemetry.sdk.language": "python",
                "telemetry.sdk.version": __version__,
                "process.pid": os.getpid(),
                "host.name": host_name(),
                **self.attributes,
            }
        )
        return Sender(
            partial(connect, self.address),
            resource,
            self.buffer_bytes_max,
            token,
            self.mark_after_s,
        )


class Runtime:
    """The process-wide state.

    ``buffer`` is None while nothing is recorded; ``undecided`` says that ``decide`` may still
    change that.
    """

    def __init__(self) -> None:
        self.buffer: Buffer | None = None
        self.undecided = True
        self._lock = threading.Lock()
        self._settings: _Settings | None = None
        self._sender: Sender | None = None
        self._hooked = False
        self._inner_error = ""

    def decide(self) -> Buffer | None:
        """Return where spans go; the first call records if the environment names a service."""
        if self.undecided:
            self.undecided = False
            if os.environ.get("SIDESPAN_SERVICE") or os.environ.get("OTEL_SERVICE_NAME"):
                self.init()
        return self.buffer

    def init(
        self,
        service: str | None = None,
        address: str | os.PathLike[str] | None = None,
        *,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
        exit_timeout_s: float = EXIT_TIMEOUT_S,
        mark_after_s: float | None = None,
        attributes: dict[str, object] | None = None,
    ) -> None:
        """Promise of the function ``init``."""
        environ = os.environ
        with self._lock:
            self.undecided = False
            self._retire(exit_timeout_s)
            if environ.get("SIDESPAN_DISABLED", "").strip().lower() in _TRUE:
                return
            self._settings = _Settings(
                service
                or environ.get("SIDESPAN_SERVICE")
                or environ.get("OTEL_SERVICE_NAME")
                or "unknown_service:python",
                str(address or environ.get("SIDESPAN_SOCKET") or ""),
                buffer_bytes_max,
                exit_timeout_s,
                _mark_after_s(environ) if mark_after_s is None else mark_after_s,
                attributes or {},
            )
            self._sender = self._settings.sender()
            self.buffer = self._sender.buffer
            if not self._hooked:
                self._hooked = True
                atexit.register(self._at_exit)
                in_forked_children(self._after_fork)
            self._sender.wake()

    def flush(self, timeout_s: float) -> bool:
        """Promise of the function ``flush``."""
        sender = self._sender
        return self.buffer is None or sender is None or sender.flush(max(0.0, timeout_s))

    def flush_if_reached(self, timeout_s: float) -> None:
        """Flush, but wait for nobody who did not answer last time."""
        if self._sender is not None and self._sender.reached:
            self.flush(timeout_s)

    def shutdown(self, timeout_s: float) -> None:
        """Promise of the function ``shutdown``."""
        with self._lock:
            self.undecided = False
            thread = self._retire(timeout_s)
        if thread is not None:
            thread.join(timeout_s)

    def status(self) -> Status:
        """Promise of the function ``status``."""
        sender = self._sender
        if sender is None:
            return Status(last_error=self._inner_error)
        counts, error = sender.buffer.counts, self._inner_error or sender.last_error
        if self.buffer is None or self._settings is None:
            return Status(*counts, sender.token, error)
        state = "ended"
        if not sender.buffer.closed:
            state = {None: "connecting", True: "connected", False: "unreachable"}[sender.reached]
        address = self._settings.address or default_socket()
        return Status(*counts, sender.token, error, state, address)

    def divert(self, buffer: Buffer | None) -> Buffer | None:
        """Send spans elsewhere from here on, and return where they went; for ``testing``."""
        previous, self.buffer = self.buffer, buffer
        return previous

    def token(self) -> str:
        """Return the newest token of the node, empty when none is known."""
        sender = self._sender
        return sender.token if sender is not None else ""

    def note(self, error: Exception) -> None:
        """Keep what went wrong inside the client, where the host must not feel it."""
        self._inner_error = f"{type(error).__name__}: {error}"

    def _retire(self, timeout_s: float) -> threading.Thread | None:
        """Stop recording; the sender, if any, ends by itself within ``timeout_s`` seconds."""
        running = self.buffer is not None
        self.buffer = None
        return self._sender.stop(timeout_s) if self._sender is not None and running else None

    def _at_exit(self) -> None:
        if self._settings is not None:
            idle = self.status().buffered == 0
            self.shutdown(GOODBYE_TIMEOUT_S if idle else self._settings.exit_timeout_s)

    def _after_fork(self) -> None:
        """Begin anew in the child: spans, connection, thread and locks are the parent's."""
        self._lock = threading.Lock()
        if self.buffer is not None and self._settings is not None and self._sender is not None:
            self.buffer.abandon()
            self._sender = self._settings.sender(self._sender.token)
            self.buffer = self._sender.buffer


def _mark_after_s(environ: "os._Environ[str]") -> float:
    """Return what the environment says, else the default; ``off`` means never."""
    text = environ.get("SIDESPAN_MARK_AFTER_MS", "").strip().lower()
    if text == "off":
        return inf
    try:
        return max(0.0, float(text) / 1000)
    except ValueError:
        return MARK_AFTER_S


runtime = Runtime()


def init(
    service: str | None = None,
    *,
    socket: str | os.PathLike[str] | None = None,
    buffer_bytes_max: int = BUFFER_BYTES_MAX,
    exit_timeout_s: float = EXIT_TIMEOUT_S,
    mark_after_s: float | None = None,
    governed: bool = False,
    sinks: Iterable[str] = (),
    flush_at_sigterm: bool = False,
) -> None:
    """Start recording in this process and begin to connect in the background.

    Without it, the first span starts recording when SIDESPAN_SERVICE or OTEL_SERVICE_NAME is set;
    else nothing is recorded. SIDESPAN_DISABLED=1 keeps it off in either case. A second call
    replaces what the first one set.

    Args:
        service: Name of this program; without one SIDESPAN_SERVICE, then OTEL_SERVICE_NAME.
        socket: The recorder's address: a path, ``unix://PATH``, ``grpc+unix://PATH``,
            ``grpc://HOST:PORT``, ``grpcs://HOST:PORT`` (TLS) or, without a recorder,
            ``file:///PATH`` for JSON lines. Without one SIDESPAN_SOCKET, then
            ``$XDG_RUNTIME_DIR/sidespan/ingest.sock`` if it exists, then
            ``/run/sidespan/ingest.sock``.
        buffer_bytes_max: Memory for spans that wait for the recorder.
        exit_timeout_s: How long the end of the process may be held up to send what is buffered.
        mark_after_s: How long a span may be open before the recorder is told; ``inf`` for never.
            Without it SIDESPAN_MARK_AFTER_MS, then MARK_AFTER_S.
        governed: Have the recorder send this process's spans to no other sinks than ``sinks``. It
            refuses them when it has not all of those.
        sinks: Names of sinks in the recorder's configuration.
        flush_at_sigterm: Send what is buffered, for at most ``exit_timeout_s``, when SIGTERM comes,
            and then do what it did before. Only this installs a signal handler, and only when it is
            called in the main thread.
    """
    attributes: dict[str, object] = {}
    if governed:
        attributes["sidespan.governed"] = True
    names = [sinks] if isinstance(sinks, str) else list(sinks)
    if names:
        attributes["sidespan.sinks"] = names
    runtime.init(
        service,
        socket,
        buffer_bytes_max=buffer_bytes_max,
        exit_timeout_s=exit_timeout_s,
        mark_after_s=mark_after_s,
        attributes=attributes,
    )
    if flush_at_sigterm:
        from sidespan._sigterm import flush_before_end

        flush_before_end(lambda: runtime.flush_if_reached(exit_timeout_s))


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until all spans that have ended are on the node's disk, and its newest token is known.

    Args:
        timeout_s: How long to wait at most.

    Returns:
        False when the time ran out, or when a span was dropped meanwhile. True when nothing is
        recorded at all.
    """
    return runtime.flush(timeout_s)


def status() -> Status:
    """Return what became of the spans so far."""
    return runtime.status()


def shutdown(timeout_s: float = 5.0) -> None:
    """Stop recording: send what is buffered and say goodbye.

    Runs by itself at exit. A later ``init`` starts anew.

    Args:
        timeout_s: How long to wait at most. Without a recorder that answers, it returns at once.
    """
    runtime.shutdown(timeout_s)
