"""The trace in headers as the program's propagators write it, with the node's newest token."""

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sidespan._runtime import runtime
from sidespan._w3c import with_token


class SidespanPropagator(TextMapPropagator):
    """Has another propagator write the node's newest token as the first member of ``tracestate``.

    So the next process's spans prove what came before them.

    Args:
        inner: Reads and writes the headers; without one W3C Trace Context.
    """

    def __init__(self, inner: TextMapPropagator | None = None) -> None:
        self._inner = inner if inner is not None else TraceContextTextMapPropagator()

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Part of ``TextMapPropagator``."""
        self._inner.inject(carrier, _with_token(context), setter)

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Part of ``TextMapPropagator``."""
        return self._inner.extract(carrier, context, getter)

    @property
    def fields(self) -> set[str]:
        """Part of ``TextMapPropagator``."""
        return self._inner.fields


def _with_token(context: Context | None) -> Context | None:
    """Return ``context`` with the token in its span's trace state; as it is without either."""
    try:
        token = runtime.token()
        span: Any = trace.get_current_span(context).get_span_context()
        if not token or not span.is_valid:
            return context
        state = TraceState.from_header([with_token(span.trace_state.to_header(), token)])
        marked = SpanContext(span.trace_id, span.span_id, span.is_remote, span.trace_flags, state)
        return trace.set_span_in_context(NonRecordingSpan(marked), context)
    except Exception as error:
        runtime.note(error)
        return context
