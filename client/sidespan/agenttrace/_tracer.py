"""The tracer: makes runs and spans, and hands what has ended to an exporter."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sidespan._correlation import CORRELATION_ID
from sidespan._factory import add_event
from sidespan._factory import span as recorded_span
from sidespan._genai import agent, decision, llm, retrieval, tool
from sidespan._runtime import flush, runtime
from sidespan._values import safe_text
from sidespan.agenttrace._entry import RunStatus, SpanType, current_entry
from sidespan.agenttrace._records import Run, Span

if TYPE_CHECKING:
    from sidespan import _span
    from sidespan.agenttrace.exporters import Exporter


class Tracer:
    """Makes runs and spans; any number of runs at a time, in any threads and tasks.

    What is current is kept by contextvars, so each thread and task has its own.
    """

    def __init__(self) -> None:
        self._exporter: Exporter | None = None

    def set_exporter(self, exporter: "Exporter | None") -> None:
        """Have runs and spans written elsewhere too; None for nowhere else than the recorder."""
        self._exporter = exporter

    def run(
        self,
        name: str,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
    ) -> Run:
        """Begin a run, current from here on; a context manager, synchronous and asynchronous.

        An exception that leaves the block makes it failed and goes on; a cancellation cancelled.

        Args:
            name: Of the agent.
            metadata: Of the run.
            correlation_id: Joins runs of several agents.
        """
        own = agent(safe_text(name)).start()
        given = {CORRELATION_ID: correlation_id, "agenttrace.metadata": metadata or None}
        own.set({key: value for key, value in given.items() if value is not None})
        made = Run(self, name, metadata, own, correlation_id)
        self.export_run(made)
        return made

    start_run = run

    def end_run(self, status: RunStatus | str = RunStatus.COMPLETED) -> None:
        """End the innermost run of this thread or task, and what is open in it; else nothing."""
        entry = current_entry.get()
        while isinstance(entry, Span):
            entry.end()
            after = current_entry.get()
            entry = None if after is entry else after
        if isinstance(entry, Run):
            entry.end(status)

    def span(
        self,
        name: str,
        span_type: SpanType | str = SpanType.CUSTOM,
        metadata: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
        provider: str | None = None,
    ) -> Span:
        """Begin a span, current from here on; a context manager, or ended by ``end_span``.

        Args:
            name: What is done.
            span_type: A ``SpanType``; an unknown one counts as custom.
            metadata: Of the span.
            model: Of a model's call; without one ``name``.
            provider: Of a model's call.
        """
        try:
            kind = SpanType(span_type)
        except ValueError as error:
            runtime.note(error)
            kind = SpanType.CUSTOM
        return Span(self, name, metadata, _own(kind, safe_text(name), model, provider), kind)

    start_span = span

    def end_span(self, span: Span, error: BaseException | None = None) -> None:
        """End a span, in whatever order spans end."""
        span.end(error)

    def add_event(self, event_type: str, payload: Mapping[str, Any] | None = None) -> None:
        """Add an event to the current span."""
        add_event(event_type, payload)

    def flush(self) -> None:
        """Wait until what has ended is where it goes, for a few seconds at most."""
        if self._exporter is not None:
            try:
                self._exporter.flush()
            except Exception as error:
                runtime.note(error)
        flush()

    def export_run(self, run: Run) -> None:
        """Hand a run over as it is now; for ``Run``."""
        if self._exporter is not None:
            try:
                self._exporter.export_run(run.to_dict())
            except Exception as error:
                runtime.note(error)

    def export_span(self, span: Span) -> None:
        """Hand a span over that has ended; for ``Span``."""
        if self._exporter is not None:
            try:
                self._exporter.export_span(span.to_dict())
            except Exception as error:
                runtime.note(error)


_current: ContextVar[Tracer | None] = ContextVar("sidespan_agenttrace_tracer", default=None)
_default = Tracer()


def get_current_tracer() -> Tracer:
    """Return the tracer of this thread or task; without one, one that the process shares."""
    return _current.get() or _default


def set_current_tracer(tracer: Tracer | None) -> None:
    """Set the tracer of this thread or task."""
    _current.set(tracer)


def _own(kind: SpanType, name: str, model: str | None, provider: str | None) -> "_span.Span":
    if kind is SpanType.LLM_CALL:
        return llm(model or name, provider=provider)
    if kind is SpanType.TOOL_CALL:
        return tool(name)
    if kind is SpanType.DECISION:
        return decision(name)
    if kind is SpanType.RETRIEVAL:
        return retrieval(name)
    return recorded_span(name)
