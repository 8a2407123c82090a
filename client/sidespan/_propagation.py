"""Handing a trace to the next process, and taking it from the one before, as W3C headers."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from sidespan import _w3c
from sidespan._context import SpanContext
from sidespan._runtime import runtime
from sidespan._span import current

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current span's ``traceparent`` and ``tracestate`` into ``carrier``.

    The node's newest token goes with them. Without a current span nothing is written. Never raises,
    whatever the carrier does.
    """
    try:
        for key, value in headers(current().context):
            carrier[key] = value
    except Exception as error:
        runtime.note(error)


def extract(carrier: Mapping[Any, Any]) -> SpanContext | None:
    """Return the context that ``carrier`` brought, for ``span(…, parent=…)``; None without one.

    Args:
        carrier: Headers or metadata. Keys are matched without regard to case; a value is a text, or
            a list of them.

    Never raises, whatever the carrier holds. A malformed ``tracestate`` is dropped alone.
    """
    try:
        parents, states = _values(carrier, TRACEPARENT), _values(carrier, TRACESTATE)
        parsed = _w3c.parse_traceparent(parents[0]) if len(parents) == 1 else None
        if parsed is None:
            return None
        trace_id, span_id, flags = parsed
        state = _w3c.parse_tracestate(",".join(states))
        return SpanContext(trace_id, span_id, flags, state, is_remote=True)
    except Exception as error:
        runtime.note(error)
        return None


def headers(context: SpanContext) -> list[tuple[str, str]]:
    """Return the headers that make ``context`` a remote parent; none for an invalid one."""
    trace_id, span_id, flags, trace_state, _ = context
    if not any(trace_id):
        return []
    pairs = [(TRACEPARENT, _w3c.format_traceparent(trace_id, span_id, flags))]
    state = _w3c.with_token(trace_state, runtime.token())
    return [*pairs, (TRACESTATE, state)] if state else pairs


def _values(carrier: Mapping[Any, Any], name: str) -> list[str]:
    found: list[str] = []
    for key, value in carrier.items():
        if isinstance(key, str) and key.lower() == name:
            for text in value if isinstance(value, list | tuple) else (value,):
                if isinstance(text, str):
                    found.append(text)
                elif isinstance(text, bytes):
                    found.append(text.decode("ascii", "replace"))
    return found
