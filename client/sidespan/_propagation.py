"""Handing a trace to the next process, and taking it from the one before, as W3C headers.

Or as B3, when ``OTEL_PROPAGATORS`` lists it.
"""

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from sidespan import _w3c
from sidespan._context import SpanContext
from sidespan._factory import current
from sidespan._runtime import runtime

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
_W3C, _B3, _B3_MULTI = "tracecontext", "b3", "b3multi"


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
        formats = _formats()
        context = w3c_context(carrier) if _W3C in formats else None
        if context is None and (_B3 in formats or _B3_MULTI in formats):
            from sidespan import b3

            context = b3.extract(carrier)
    except Exception as error:
        runtime.note(error)
        return None
    return context


def w3c_context(carrier: Mapping[Any, Any]) -> SpanContext | None:
    """Return the context that W3C's headers name; None without a valid one.

    Raises:
        Exception: What the carrier raises.
    """
    parents, states = values(carrier, TRACEPARENT), values(carrier, TRACESTATE)
    parsed = _w3c.parse_traceparent(parents[0]) if len(parents) == 1 else None
    if parsed is None:
        return None
    trace_id, span_id, flags = parsed
    state = _w3c.parse_tracestate(",".join(states))
    return SpanContext(trace_id, span_id, flags, state, is_remote=True)


def headers(context: SpanContext) -> list[tuple[str, str]]:
    """Return the headers that make ``context`` a remote parent; none for an invalid one."""
    pairs = []
    for name in _formats():
        if name == _W3C:
            pairs += w3c_headers(context)
        else:
            from sidespan import b3

            pairs += b3.headers(context, multi=name == _B3_MULTI)
    return pairs


def w3c_headers(context: SpanContext) -> list[tuple[str, str]]:
    """Return W3C's headers of a context, with the node's newest token; none for an invalid one."""
    trace_id, span_id, flags, trace_state, _ = context
    if not any(trace_id):
        return []
    pairs = [(TRACEPARENT, _w3c.format_traceparent(trace_id, span_id, flags))]
    state = _w3c.with_token(trace_state, runtime.token())
    return [*pairs, (TRACESTATE, state)] if state else pairs


def values(carrier: Mapping[Any, Any], name: str) -> list[str]:
    """Return every text under a key, which is matched in lower case, in order."""
    found: list[str] = []
    for key, value in carrier.items():
        if isinstance(key, str) and key.lower() == name:
            for text in value if isinstance(value, list | tuple) else (value,):
                if isinstance(text, str):
                    found.append(text)
                elif isinstance(text, bytes):
                    found.append(text.decode("ascii", "replace"))
    return found


def _formats() -> list[str]:
    """Return the formats in use: what the environment lists, as OpenTelemetry's SDKs do."""
    listed = os.environ.get("OTEL_PROPAGATORS", "").strip()
    if not listed:
        return [_W3C]
    known = (_W3C, _B3, _B3_MULTI)
    names = [name.strip().lower() for name in listed.split(",")]
    return [name for name in known if name in names]
