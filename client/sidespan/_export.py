"""Spans that were finished elsewhere or earlier, sent as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sidespan import _otlp
from sidespan._context import SpanContext, root_context
from sidespan._limits import SPAN_ATTRIBUTES_MAX, SPAN_EVENTS_MAX
from sidespan._runtime import runtime

_SPAN_ID_BYTES, _TRACE_ID_BYTES = 8, 16
_KINDS: dict[str, int] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """One span of a finished trace.

    Args:
        name: What was done.
        start_ns: Nanoseconds since the Unix epoch.
        end_ns: The same; not before ``start_ns``.
        context: Who it is; without one it begins a trace of its own. Spans of one trace share the
            trace id: make the first's, and give ``parent`` to the others.
        parent: The span that it belongs to; None for a root.
        kind: ``internal``, ``server``, ``client``, ``producer`` or ``consumer``.
        attributes: Values may be anything; the first SPAN_ATTRIBUTES_MAX are kept.
        events: Name, nanoseconds since the Unix epoch, and attributes of each; the first
            SPAN_EVENTS_MAX are kept.
        error: Why it failed; empty when it did not.
    """

    name: str
    start_ns: int
    end_ns: int
    context: SpanContext = field(default_factory=root_context)
    parent: SpanContext | None = None
    kind: str = "internal"
    attributes: Mapping[str, object] = field(default_factory=dict)
    events: Iterable[tuple[str, int, Mapping[str, object]]] = ()
    error: str = ""


class Exported(NamedTuple):
    """What became of an export.

    Args:
        durable: Whether all that was handed over before ``export`` returned is on the node's disk.
        spans: How many it handed over.
        refused: How many could not be encoded; ``status().last_error`` says why.
        token: The node's newest token; with ``durable`` it names these spans or what came after.
    """

    durable: bool
    spans: int
    refused: int
    token: str


def export(trace: Iterable[FinishedSpan], /, *, timeout_s: float = 5.0) -> Exported:
    """Send the spans of a finished trace, and wait until they are on disk.

    Args:
        trace: In any order.
        timeout_s: How long to wait at most; what is not there by then is still on its way.

    Returns:
        What became of it; ``Exported(False, 0, 0, "")`` while nothing is recorded. Never raises.
    """
    buffer = runtime.decide()
    if buffer is None:
        return Exported(durable=False, spans=0, refused=0, token="")
    spans = refused = 0
    try:
        for span in trace:
            try:
                buffer.offer(_encoded(span))
                spans += 1
            except Exception as error:
                runtime.note(error)
                refused += 1
    except Exception as error:
        runtime.note(error)
    durable = runtime.flush(timeout_s)
    return Exported(durable, spans, refused, runtime.token())


def _encoded(span: FinishedSpan) -> bytes:
    if len(span.context.trace_id_bytes) != _TRACE_ID_BYTES:
        raise ValueError(f"trace id of span {span.name!r}: expected 16 bytes")
    if len(span.context.span_id_bytes) != _SPAN_ID_BYTES:
        raise ValueError(f"span id of span {span.name!r}: expected 8 bytes")
    attributes = list(span.attributes.items())
    events = list(span.events)
    dropped = len(attributes) - SPAN_ATTRIBUTES_MAX, len(events) - SPAN_EVENTS_MAX
    rest = b""
    if max(dropped) > 0:
        rest = _otlp.dropped_counts(max(0, dropped[0]), max(0, dropped[1]))
    return _otlp.span(
        span.context,
        span.parent,
        span.name,
        _KINDS.get(span.kind, 1),
        span.start_ns,
        max(span.start_ns, span.end_ns),
        [
            _otlp.attribute(_otlp.SPAN_ATTRIBUTE, key, value)
            for key, value in attributes[:SPAN_ATTRIBUTES_MAX]
        ],
        [_otlp.event(*event) for event in events[:SPAN_EVENTS_MAX]],
        rest + (_otlp.error_status(span.error) if span.error else b""),
    )
