"""Sidespan's client: spans from this process to the node's recorder, which makes them durable.

    import sidespan

    sidespan.init(service="planner")
    with sidespan.span("plan", goal="lunch") as s:
        s.set(steps=3)

Nothing here blocks (except ``flush`` and ``shutdown``, which ask to), raises into the program,
prints, or installs a signal handler. Without a recorder spans wait in a bounded buffer; what does
not fit is dropped and counted in ``status()``.
"""

from sidespan._context import SpanContext
from sidespan._propagation import extract, inject
from sidespan._runtime import Status, flush, init, shutdown, status
from sidespan._span import Span, add_event, current, span
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
