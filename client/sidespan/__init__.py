"""Sidespan's client: spans from this process to the node's recorder, which makes them durable.

    import sidespan

    sidespan.init(service="planner")
    with sidespan.span("plan", goal="lunch") as s:
        s.set(steps=3)

Nothing here blocks (except ``flush``, ``shutdown``, ``export`` and durable spans, which ask to),
raises into the program, prints, or installs a signal handler. Without a recorder spans wait in a
bounded buffer; what does not fit is dropped and counted in ``status()``.
"""

from typing import TYPE_CHECKING, Any

from sidespan._context import SpanContext
from sidespan._factory import add_event, current, span, state, trace
from sidespan._propagation import extract, inject
from sidespan._runtime import Status, flush, init, shutdown, status
from sidespan._span import Span
from sidespan._version import __version__

if TYPE_CHECKING:
    from sidespan._export import Exported, FinishedSpan, export
    from sidespan._genai import (
        DecisionSpan,
        LlmSpan,
        ParseSpan,
        PromptSpan,
        RetrievalSpan,
        ToolSpan,
        agent,
        decision,
        llm,
        output_parse,
        prompt_render,
        retrieval,
        tool,
    )
    from sidespan._threads import ThreadPoolExecutor, wrap
    from sidespan._usage import usage

# Loaded when they are first asked for: many programs want none of them.
_LATER = {
    **dict.fromkeys(("Exported", "FinishedSpan", "export"), "sidespan._export"),
    **dict.fromkeys(
        (
            "DecisionSpan", "LlmSpan", "ParseSpan", "PromptSpan", "RetrievalSpan", "ToolSpan",
            "agent", "decision", "llm", "output_parse", "prompt_render", "retrieval", "tool",
        ),
        "sidespan._genai",
    ),
    **dict.fromkeys(("ThreadPoolExecutor", "wrap"), "sidespan._threads"),
    "usage": "sidespan._usage",
}  # fmt: skip

__all__ = [
    "DecisionSpan",
    "Exported",
    "FinishedSpan",
    "LlmSpan",
    "ParseSpan",
    "PromptSpan",
    "RetrievalSpan",
    "Span",
    "SpanContext",
    "Status",
    "ThreadPoolExecutor",
    "ToolSpan",
    "__version__",
    "add_event",
    "agent",
    "current",
    "decision",
    "export",
    "extract",
    "flush",
    "init",
    "inject",
    "llm",
    "output_parse",
    "prompt_render",
    "retrieval",
    "shutdown",
    "span",
    "state",
    "status",
    "tool",
    "trace",
    "usage",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'sidespan' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value
