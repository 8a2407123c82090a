"""Carrying a trace through the Model Context Protocol, in the ``_meta`` of a message.

    request["params"]["_meta"] = sidespan.mcp.inject_meta(request["params"].get("_meta"))
    parent = sidespan.mcp.extract_meta(request["params"].get("_meta"))

Needs no MCP library; with one that has OpenTelemetry built in, ``sidespan.otel.register()`` is all.

Source: https://modelcontextprotocol.io/specification/draft/basic (SEP-414): ``traceparent`` and
``tracestate`` in ``_meta`` have the form of W3C Trace Context.
"""

from collections.abc import Mapping
from typing import Any

from sidespan._context import SpanContext
from sidespan._factory import current
from sidespan._propagation import TRACESTATE, w3c_context, w3c_headers
from sidespan._runtime import runtime

__all__ = ["extract_meta", "inject_meta"]


def inject_meta(meta: Mapping[str, Any] | None = None, /) -> dict[str, Any]:
    """Return ``meta`` with the current span and the node's newest token in it.

    Whatever else it holds stays; without a current span it is returned as it is. Never raises.

    Args:
        meta: The ``_meta`` of a request or notification; None for none yet.
    """
    made: dict[str, Any] = {}
    try:
        made |= meta or {}
        added = w3c_headers(current().context)
        if added:
            made.pop(TRACESTATE, None)
            made |= added
    except Exception as error:
        runtime.note(error)
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
        return w3c_context(carrier) if isinstance(carrier, Mapping) else None
    except Exception as error:
        runtime.note(error)
        return None
