"""A run and a span: a record in AgentTrace's shape, and a span at the recorder."""

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sidespan import _span
from sidespan._failure import exception_message
from sidespan._journal import plain
from sidespan._runtime import runtime
from sidespan._usage import COST, INPUT, OUTPUT
from sidespan.agenttrace._entry import Entry, RunStatus, SpanStatus, SpanType

if TYPE_CHECKING:
    from sidespan.agenttrace._tracer import Tracer


class Run(Entry):
    """One run of an agent; made by ``Tracer.run``, ended by its block or by ``Tracer.end_run``.

    Attributes:
        id: A UUID; its first half is the id of the span that the recorder has of the run.
        correlation_id: Joins runs of several agents; None without one.
        status: A ``RunStatus``.
        total_cost: US dollars, of all its spans that have ended.
        total_tokens: The same.
        span_count: The same.
    """

    def __init__(
        self,
        tracer: "Tracer",
        name: str,
        metadata: Mapping[str, Any] | None,
        own: _span.Span,
        correlation_id: str | None,
    ) -> None:
        super().__init__(tracer, name, metadata, own)
        self.correlation_id = correlation_id
        self.status = RunStatus.RUNNING
        self.total_cost = 0.0
        self.total_tokens = 0
        self.span_count = 0
        self._totals = threading.Lock()

    def count(self, ended: "Span") -> None:
        """Add a span that has ended."""
        with self._totals:
            self.span_count += 1
            self.total_cost = round(self.total_cost + (ended.cost_usd or 0.0), 9)
            self.total_tokens += (ended.token_usage or {}).get("total_tokens", 0)

    def end(self, status: RunStatus | str, error: BaseException | None = None) -> None:
        """End with a status; only the first end counts."""
        if not self._close():
            return
        self.status = _status(status)
        self.error = None if error is None else exception_message(error)
        self.own.set(
            {
                "agenttrace.run.status": str(self.status),
                "agenttrace.run.total_tokens": self.total_tokens,
                "agenttrace.run.total_cost_usd": self.total_cost,
            }
        )
        if error is None and self.status is RunStatus.FAILED:
            self.own.fail("failed")
        self.own.end(error)
        self.tracer.export_run(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the run as AgentTrace writes it."""
        return {
            "id": self.id,
            "correlation_id": self.correlation_id,
            "name": self.name,
            "status": str(self.status),
            "start_time": self.start_time.isoformat(),
            "end_time": None if self.end_time is None else self.end_time.isoformat(),
            "total_cost": self.total_cost,
            "total_tokens": self.total_tokens,
            "span_count": self.span_count,
            "metadata": plain(self.metadata),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        status = RunStatus.COMPLETED
        if error is not None:
            status = RunStatus.FAILED if isinstance(error, Exception) else RunStatus.CANCELLED
        self.end(status, error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class Span(Entry):
    """One step of a run; made by ``Tracer.span`` and the decorators.

    Attributes:
        id: A UUID; its first half is the id of the recorder's span.
        run: What it belongs to; None outside any run.
        parent_span_id: The id of the span that it is part of; None below the run itself.
        span_type: A ``SpanType``.
        status: A ``SpanStatus``.
        input_data: What went in; recorded as JSON has it when the span ends.
        output_data: What came out; the same.
        token_usage: prompt_tokens, completion_tokens and total_tokens; None when not known.
        cost_usd: US dollars; None when not known.
    """

    def __init__(
        self,
        tracer: "Tracer",
        name: str,
        metadata: Mapping[str, Any] | None,
        own: _span.Span,
        span_type: SpanType,
    ) -> None:
        super().__init__(tracer, name, metadata, own)
        within = self._within
        self.run: Run | None = within.run if isinstance(within, Span) else within  # type: ignore[assignment]
        self.parent_span_id = within.id if isinstance(within, Span) else None
        self.span_type = span_type
        self.status = SpanStatus.STARTED
        self.input_data: Any = None
        self.output_data: Any = None
        self.token_usage: dict[str, int] | None = None
        self.cost_usd: float | None = None

    def end(self, error: BaseException | None = None) -> None:
        """End; only the first end counts, and its export follows."""
        if not self._close():
            return
        self.status = SpanStatus.COMPLETED if error is None else SpanStatus.ERROR
        self.error = None if error is None else exception_message(error)
        try:
            self.own.set(self._attributes())
        except Exception as inner:
            runtime.note(inner)
        self.own.end(error)
        if self.run is not None:
            self.run.count(self)
        self.tracer.export_span(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the span as AgentTrace writes it."""
        shown = plain({"input": self.input_data, "output": self.output_data})
        return {
            "id": self.id,
            "run_id": None if self.run is None else self.run.id,
            "parent_span_id": self.parent_span_id,
            "name": self.name,
            "span_type": str(self.span_type),
            "status": str(self.status),
            "input_data": shown.get("input"),
            "output_data": shown.get("output"),
            "metadata": plain(self.metadata),
            "start_time": self.start_time.isoformat(),
            "end_time": None if self.end_time is None else self.end_time.isoformat(),
            "duration_ms": self.duration_ms,
            "cost_usd": self.cost_usd,
            "token_usage": self.token_usage,
            "error": self.error,
        }

    def _attributes(self) -> dict[str, object]:
        given = {
            "agenttrace.span_type": str(self.span_type),
            "agenttrace.input_data": self.input_data,
            "agenttrace.output_data": self.output_data,
            "agenttrace.metadata": self.metadata or None,
            COST: self.cost_usd,
        }
        if self.token_usage is not None:
            given[INPUT] = self.token_usage.get("prompt_tokens")
            given[OUTPUT] = self.token_usage.get("completion_tokens")
        return {key: value for key, value in given.items() if value is not None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)


def _status(status: str) -> RunStatus:
    try:
        return RunStatus(status)
    except ValueError as error:
        runtime.note(error)
        return RunStatus.COMPLETED
