"""What runs and spans of ``sidespan.agenttrace`` share, and their kinds."""

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from time import time_ns
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sidespan import _span
from sidespan._context import root_context
from sidespan._current import current_span

if TYPE_CHECKING:
    from sidespan.agenttrace._tracer import Tracer

_NS_PER_MS = 1e6


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SpanStatus(StrEnum):
    """How a span stands."""

    STARTED = "started"
    COMPLETED = "completed"
    ERROR = "error"


class SpanType(StrEnum):
    """What a span is."""

    LLM_CALL = "llm_call"
    TOOL_CALL = "tool_call"
    DECISION = "decision"
    RETRIEVAL = "retrieval"
    CUSTOM = "custom"


class Entry:
    """What runs and spans share: they begin when they are made, current in their context."""

    def __init__(
        self, tracer: "Tracer", name: str, metadata: Mapping[str, Any] | None, own: _span.Span
    ) -> None:
        self.tracer = tracer
        self.name = name
        self.metadata: dict[str, Any] = dict(metadata) if isinstance(metadata, Mapping) else {}
        self.error: str | None = None
        self.end_time: datetime | None = None
        # The recorder's view of it.
        self.own = own
        self._outside = current_span.get()
        self._within = current_entry.get()
        self._start_ns = time_ns()
        self.start_time = datetime.fromtimestamp(self._start_ns / 1e9, UTC)
        self._ended = threading.Lock()
        own.start()
        # The first half is the recorder's span id, as AgentTrace's own OTLP exporter maps them.
        context = own.context if own.recording else root_context()
        self.id = str(UUID(bytes=context.span_id_bytes + root_context().span_id_bytes))
        current_entry.set(self)
        if own.recording:
            current_span.set(own)

    @property
    def duration_ms(self) -> float | None:
        """From start to end; None before."""
        if self.end_time is None:
            return None
        return max(0, self._end_ns - self._start_ns) / _NS_PER_MS

    def suspend(self) -> None:
        """Have what was current before it current again, where it still is."""
        if current_entry.get() is self:
            current_entry.set(self._within)
        if current_span.get() is self.own:
            current_span.set(self._outside)

    def _close(self) -> bool:
        """Tell whether this call is the first to end it."""
        self.suspend()
        if not self._ended.acquire(blocking=False):
            return False
        self._end_ns = time_ns()
        self.end_time = datetime.fromtimestamp(self._end_ns / 1e9, UTC)
        return True


# The innermost run or span of this thread or task.
current_entry: "ContextVar[Entry | None]" = ContextVar("sidespan_agenttrace", default=None)
