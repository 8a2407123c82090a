"""Carrying a trace through the Model Context Protocol, in the ``_meta`` of a message.

    request["params"]["_meta"] = sidespan.mcp.inject_meta(request["params"].get("_meta"))
    parent = sidespan.mcp.extract_meta(request["params"].get("_meta"))

Needs no MCP library; with one that has OpenTelemetry built in, ``sidespan.otel.register()`` is all.

Source: https://modelcontextprotocol.io/specification/draft/basic (SEP-414): ``traceparent`` and
``tracestate`` in ``_meta`` have the form of W3C Trace Context.
"""

from collections.abc import Mapping
from typing import Any

from sidespan import _w3c
from sidespan._context import SpanContext
from sidespan._factory import current
from sidespan._propagation import TRACEPARENT, TRACESTATE, values
from sidespan._runtime import runtime

__all__ = ["extract_meta", "inject_meta"]


def inject_meta(meta: Mapping[str, Any] | None = None, /) -> dict[str, Any]:
    """Return ``meta`` with the current span and the node's newest token in it.

    Whatever else it holds stays; without a current span it is returned as it is. Never raises.

    Args:
        meta: The ``_meta`` of a request or notification; None for none yet.
    """
    try:
        made = dict(meta or {})
        trace_id, span_id, flags, trace_state, _ = current().context
        if any(trace_id):
            made[TRACEPARENT] = _w3c.format_traceparent(trace_id, span_id, flags)
            made.pop(TRACESTATE, None)
            if state := _w3c.with_token(trace_state, runtime.token()):
                made[TRACESTATE] = state
    except Exception as error:
        runtime.note(error)
        return {}
    return made


def extract_meta(meta: object, /) -> SpanContext | None:
    """Return the context that ``meta`` brought, for ``span(…, parent=…)``; None without one.

    Args:
        meta: The ``_meta`` of a message: a mapping, or an object of an MCP library that keeps
            unknown members as attributes or dumps itself with ``model_dump``. Never raises.
    """
    try:
        carrier = meta
        if not isinstance(meta, Mapping):
            dump = getattr(meta, "model_dump", None)
            carrier = dump() if callable(dump) else vars(meta) if meta is not None else {}
        if not isinstance(carrier, Mapping):
            return None
        parents, states = values(carrier, TRACEPARENT), values(carrier, TRACESTATE)
        parsed = _w3c.parse_traceparent(parents[0]) if len(parents) == 1 else None
        if parsed is None:
            return None
        return SpanContext(*parsed, _w3c.parse_tracestate(",".join(states)), is_remote=True)
    except Exception as error:
        runtime.note(error)
        return None
