"""Runs, spans and decorators in the manner of AgentTrace, recorded by Sidespan.

    from sidespan.agenttrace import Tracer, trace_llm, trace_tool

    tracer = Tracer()

    @trace_tool(tracer)
    def web_search(query: str) -> dict: ...

    with tracer.run("research_agent", correlation_id="workflow-123"):
        web_search("agents")

Programs written for ``agenttrace`` need other imports alone: ``sidespan.agenttrace``,
``sidespan.agenttrace.exporters`` and ``sidespan.agenttrace.wrappers``. An exporter is optional; the
recorder has every run and span without one. Nothing raises into the program or prints.
"""

from sidespan.agenttrace._entry import RunStatus, SpanStatus, SpanType
from sidespan.agenttrace._records import Run, Span
from sidespan.agenttrace._tracer import Tracer, get_current_tracer, set_current_tracer
from sidespan.agenttrace.exporters import APIExporter, Exporter, JSONLExporter
from sidespan.agenttrace.wrappers import trace_decision, trace_llm, trace_retrieval, trace_tool

__all__ = [
    "APIExporter",
    "Exporter",
    "JSONLExporter",
    "Run",
    "RunStatus",
    "Span",
    "SpanStatus",
    "SpanType",
    "Tracer",
    "get_current_tracer",
    "set_current_tracer",
    "trace_decision",
    "trace_llm",
    "trace_retrieval",
    "trace_tool",
]
