"""B3, the trace headers of Zipkin, for peers that do not read W3C Trace Context.

    sidespan.b3.inject(headers)                    # one header: b3
    sidespan.b3.inject(headers, multi=True)        # x-b3-traceid and its like
    parent = sidespan.b3.extract(headers)          # either form

With ``OTEL_PROPAGATORS`` in the environment everything that carries traces, ``sidespan.inject`` and
``extract`` too, uses the formats that it lists: ``tracecontext``, ``b3``, ``b3multi``. B3 has no
place for the node's token, so what it joins has no proof of order across the hop.

Source: https://github.com/openzipkin/b3-propagation
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from sidespan._context import SAMPLED, SpanContext
from sidespan._factory import current
from sidespan._propagation import values
from sidespan._runtime import runtime

__all__ = ["extract", "inject"]

_SINGLE = "b3"
# In lower case, which HTTP does not mind and gRPC wants.
_TRACE_ID, _SPAN_ID = "x-b3-traceid", "x-b3-spanid"
_SAMPLED, _FLAGS = "x-b3-sampled", "x-b3-flags"

_ID = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_TRACE = re.compile(r"(?:[0-9a-f]{16}){1,2}", re.IGNORECASE)
# "d" is debug, which includes sampled; "true" and "false" are what old tracers write.
_YES, _NO = frozenset({"1", "d", "true"}), frozenset({"0", "false"})
_PARTS_MIN, _PARTS_MAX = 2, 4


def inject(carrier: MutableMapping[str, str], *, multi: bool = False) -> None:
    """Write the current span into ``carrier``; without one nothing. Never raises.

    Args:
        carrier: Headers or metadata.
        multi: Write four headers rather than one.
    """
    try:
        for key, value in headers(current().context, multi=multi):
            carrier[key] = value
    except Exception as error:
        runtime.note(error)


def extract(carrier: Mapping[Any, Any]) -> SpanContext | None:
    """Return the context that ``carrier`` brought in either form; None without a whole one.

    The single header goes first. A trace id of 16 digits is filled up with zeros. A caller that
    has not decided whether to sample counts as one that samples. Never raises.
    """
    try:
        return _single(values(carrier, _SINGLE)) or _multi(carrier)
    except Exception as error:
        runtime.note(error)
        return None


def headers(context: SpanContext, *, multi: bool) -> list[tuple[str, str]]:
    """Return the headers that make ``context`` a remote parent; none for an invalid one."""
    if not any(context.trace_id_bytes):
        return []
    sampled = "1" if context.trace_flags & SAMPLED else "0"
    if multi:
        return [
            (_TRACE_ID, context.trace_id),
            (_SPAN_ID, context.span_id),
            (_SAMPLED, sampled),
        ]
    return [(_SINGLE, f"{context.trace_id}-{context.span_id}-{sampled}")]


def _single(found: list[str]) -> SpanContext | None:
    parts = found[0].strip().split("-") if len(found) == 1 else []
    if not _PARTS_MIN <= len(parts) <= _PARTS_MAX:
        return None
    return _context(parts[0], parts[1], parts[2] if len(parts) > _PARTS_MIN else "")


def _multi(carrier: Mapping[Any, Any]) -> SpanContext | None:
    trace, span, sampled, flags = (
        values(carrier, name) for name in (_TRACE_ID, _SPAN_ID, _SAMPLED, _FLAGS)
    )
    if len(trace) != 1 or len(span) != 1:
        return None
    said = "d" if flags[:1] == ["1"] else "".join(sampled[:1])
    return _context(trace[0], span[0], said)


def _context(trace_id: str, span_id: str, sampled: str) -> SpanContext | None:
    said = sampled.strip().lower()
    if not (_TRACE.fullmatch(trace_id) and _ID.fullmatch(span_id)):
        return None
    if said and said not in _YES | _NO:
        return None
    trace, span = bytes.fromhex(trace_id.zfill(32)), bytes.fromhex(span_id)
    if not any(trace) or not any(span):
        return None
    return SpanContext(trace, span, 0 if said in _NO else SAMPLED, "", is_remote=True)
