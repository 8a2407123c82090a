"""OpenTelemetry spans to the recorder as they start, change and end."""

import os
from typing import Any
from weakref import WeakValueDictionary

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from sidespan._buffer import Buffer
from sidespan._limits import EXIT_TIMEOUT_S
from sidespan._runtime import runtime
from sidespan.otel._encoding import ScopedMarkedSpan, encoded_span
from sidespan.otel._open_span import OpenOtelSpan

_MS_PER_S = 1000


class SidespanSpanProcessor(SpanProcessor):
    """Streams spans: one that stays open is announced by a mark, and so is what is set on it later.

    Each is sent when it ends; those that the sampler left out are not. Without ``sidespan.init``
    the first span starts recording, and the provider's resource is the process's.

    No method raises, prints or waits, but ``force_flush`` and ``shutdown``, which ask to.
    """

    def __init__(self) -> None:
        # The SDK hands over a copy of a span when it ends; who it is leads back to the open one.
        self._open: WeakValueDictionary[tuple[int, int], OpenOtelSpan] = WeakValueDictionary()
        self._began = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Part of ``SpanProcessor``."""
        del parent_context
        try:
            buffer = self._buffer(span.resource)
            if buffer is None or not span.get_span_context().trace_flags.sampled:
                return
            opened = OpenOtelSpan(span, buffer)
            # It lives as long as the span.
            vars(span)["_sidespan"] = opened
            context = span.get_span_context()
            self._open[context.trace_id, context.span_id] = opened
            buffer.young[opened] = None
            if not buffer.watched:
                buffer.watch()
        except Exception as error:
            runtime.note(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Part of ``SpanProcessor``."""
        try:
            context: Any = span.get_span_context()
            if not context.trace_flags.sampled:
                return
            opened = self._open.pop((context.trace_id, context.span_id), None)
            buffer = opened.close() if opened is not None else self._buffer(span.resource)
            if buffer is None:
                return
            encoded = encoded_span(span)
            if opened is not None and buffer.young.pop(opened, opened) is opened:
                buffer.offer(ScopedMarkedSpan.of(encoded))
            else:
                buffer.offer(encoded)
        except Exception as error:
            runtime.note(error)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all that ended is on the node's disk; False when it is not in time."""
        return runtime.flush(timeout_millis / _MS_PER_S)

    def shutdown(self) -> None:
        """Send what is left, for EXIT_TIMEOUT_S at most; the client itself records on."""
        if runtime.status().buffered and runtime.status().state != "unreachable":
            runtime.flush(EXIT_TIMEOUT_S)

    def _buffer(self, resource: Resource) -> Buffer | None:
        if runtime.buffer is None and not self._began:
            self._began = True
            begin_recording(resource)
        return runtime.buffer


def begin_recording(resource: Resource, socket: str | os.PathLike[str] | None = None) -> bool:
    """Start to record for a process of this resource, unless it is; tell whether it does.

    Args:
        resource: Of a provider.
        socket: As in ``sidespan.init``; with one it always starts anew.
    """
    if runtime.buffer is None or socket is not None:
        attributes: dict[str, object] = dict(resource.attributes)
        service = attributes.pop(SERVICE_NAME, None)
        runtime.init(str(service) if service else None, socket, attributes=attributes)
    return runtime.buffer is not None
