"""Sidespan's client: spans from this process to the node's recorder, which makes them durable.

    import sidespan

    sidespan.init(service="planner")
    with sidespan.span("plan", goal="lunch") as s:
        s.set(steps=3)

Nothing here blocks (except ``flush`` and ``shutdown``, which ask to), raises into the program,
prints, or installs a signal handler. Without a recorder spans wait in a bounded buffer; what does
not fit is dropped and counted in ``status()``.
"""

from collections.abc import Mapping

from sidespan._context import SpanContext
from sidespan._limits import BUFFER_BYTES_MAX, EXIT_TIMEOUT_S
from sidespan._propagation import extract, inject
from sidespan._runtime import Status, runtime
from sidespan._span import Span, current, span
from sidespan._version import __version__

__all__ = [
    "Span",
    "SpanContext",
    "Status",
    "__version__",
    "add_event",
    "current",
    "extract",
    "flush",
    "init",
    "inject",
    "shutdown",
    "span",
    "status",
]


def init(
    service: str | None = None,
    *,
    socket: str | None = None,
    buffer_bytes_max: int = BUFFER_BYTES_MAX,
    exit_timeout_s: float = EXIT_TIMEOUT_S,
) -> None:
    """Start recording in this process and begin to connect in the background.

    Without it, the first span starts recording when SIDESPAN_SERVICE or OTEL_SERVICE_NAME is set;
    else nothing is recorded. SIDESPAN_DISABLED=1 keeps it off in either case. A second call
    replaces what the first one set.

    Args:
        service: Name of this program; without one SIDESPAN_SERVICE, then OTEL_SERVICE_NAME.
        socket: The recorder's address: a path, ``unix://PATH``, ``grpc+unix://PATH`` or
            ``grpc://HOST:PORT``. Without one SIDESPAN_SOCKET, then
            ``$XDG_RUNTIME_DIR/sidespan/ingest.sock`` if it exists, then
            ``/run/sidespan/ingest.sock``.
        buffer_bytes_max: Memory for spans that wait for the recorder.
        exit_timeout_s: How long the end of the process may be held up to send what is buffered.
    """
    runtime.init(service, socket, buffer_bytes_max, exit_timeout_s)


def add_event(name: str, attributes: Mapping[str, object] | None = None, /) -> None:
    """Add an event to the current span; without one do nothing."""
    current().add_event(name, attributes)


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
