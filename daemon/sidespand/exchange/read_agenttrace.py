"""Reads the lines of AgentTrace's JSONL exporter, and those of our sinks in that format.

A run is a span, as in AgentTrace's own OTLP exporter; while it runs it is an open one. Ids are
UUIDs: a trace has its run's, a span the first half of its own.
Source: AgentTrace 060ee36, ``JSONLExporter`` and ``OTLPExporter``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.exchange import building
from sidespand.exchange.part import MALFORMED, Part
from sidespand.limits import SPAN_ID_BYTES

FORMAT: Final = "agenttrace"
_SCOPE: Final = "agenttrace"
_SERVICE: Final = "agenttrace"
_TYPE: Final = "agenttrace.span_type"
_CORRELATION: Final = "sidespan.correlation_id"
# What OTel calls the types that it has a word for.
_OPERATIONS: Final = {
    "llm_call": "chat",
    "tool_call": "execute_tool",
    "retrieval": "retrieval",
}


def lines(given: Iterable[bytes]) -> Iterator[Part]:
    """Yield each line as a part; a run's second line ends the span that its first one began."""
    for seq, line in enumerate(given, start=1):
        where = f"line {seq}"
        try:
            document = building.mapping(json.loads(line), "the line")
            data = building.mapping(document.get("data"), "data")
            # Our own sink writes a run beside its root span, which is the same.
            ours = "stamp" in document
            if document.get("type") == "run":
                span = None if ours else _run(data)
            else:
                span = _span(data, ours=ours)
            resource = {"service.name": _SERVICE} | _resource(data, ours=ours)
            request = building.request_of(span or Span(), resource, _SCOPE)
            if span is None:
                del request.resource_spans[:]
        except MALFORMED:
            yield Part(seq, where, None)
        else:
            yield Part(seq, where, request)


def _resource(data: Mapping[str, Any], *, ours: bool) -> dict[str, Any]:
    service = building.mapping(data.get("metadata"), "metadata").get("service.name")
    return {"service.name": service} if ours and isinstance(service, str) else {}


def _run(data: Mapping[str, Any]) -> Span:
    run_id = building.uuid_bytes(data.get("id"))
    status = data.get("status")
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": data.get("name"),
        _CORRELATION: data.get("correlation_id"),
        "agenttrace.run.status": status,
        "agenttrace.run.total_tokens": data.get("total_tokens"),
        "agenttrace.run.total_cost_usd": data.get("total_cost"),
        "agenttrace.run.span_count": data.get("span_count"),
        "agenttrace.metadata": data.get("metadata") or None,
    }
    return Span(
        trace_id=run_id,
        span_id=run_id[:SPAN_ID_BYTES],
        name=building.text(f"run:{data.get('name', '')}"),
        kind=Span.SPAN_KIND_INTERNAL,
        attributes=_set(attributes),
        status=_status("error" if status == "failed" else status, None),
        **_times(data),
    )


def _span(data: Mapping[str, Any], *, ours: bool) -> Span:
    run_id = building.uuid_bytes(data.get("run_id"))
    parent = data.get("parent_span_id")
    # In AgentTrace what has no parent is part of the run itself.
    within = b"" if ours else run_id[:SPAN_ID_BYTES]
    metadata = building.mapping(data.get("metadata"), "metadata")
    return Span(
        trace_id=run_id,
        span_id=_span_id(data.get("id")),
        parent_span_id=within if parent is None else _span_id(parent),
        name=building.text(data.get("name", "")),
        kind=Span.SPAN_KIND_INTERNAL,
        attributes=building.pairs(metadata) if ours else _attributes(data, metadata),
        status=_status(data.get("status"), data.get("error")),
        **_times(data),
    )


def _attributes(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    usage = building.mapping(data.get("token_usage"), "token_usage")
    span_type = data.get("span_type")
    operation = _OPERATIONS.get(span_type) if isinstance(span_type, str) else None
    # The name of a model's call is ``<model>:<function>``.
    named = str(data.get("name", "")).partition(":")[0]
    model = metadata.get("model") or (named if span_type == "llm_call" else None)
    return _set(
        {
            _TYPE: span_type,
            "gen_ai.operation.name": operation,
            "gen_ai.request.model": model if operation == "chat" else None,
            "gen_ai.provider.name": metadata.get("provider") if operation == "chat" else None,
            "gen_ai.tool.name": data.get("name") if operation == "execute_tool" else None,
            "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
            "gen_ai.usage.cost": data.get("cost_usd"),
            "agenttrace.input_data": data.get("input_data"),
            "agenttrace.output_data": data.get("output_data"),
            "agenttrace.metadata": metadata or None,
        }
    )


def _set(values: Mapping[str, Any]) -> Any:
    return building.pairs({key: value for key, value in values.items() if value is not None})


def _times(data: Mapping[str, Any]) -> Any:
    start_ns = building.ns_of_iso(data.get("start_time"))
    end = data.get("end_time")
    end_ns = 0 if end is None else building.ns_of_iso(end)
    return {"start_time_unix_nano": start_ns, "end_time_unix_nano": end_ns}


def _status(word: Any, message: Any) -> Status:
    codes = {
        "completed": Status.STATUS_CODE_OK,
        "error": Status.STATUS_CODE_ERROR,
    }
    code = codes.get(str(word), Status.STATUS_CODE_UNSET)
    return Status(code=code, message=building.text(message or ""))


def _span_id(given: Any) -> bytes:
    if isinstance(given, str) and len(given) == 2 * SPAN_ID_BYTES:
        return bytes.fromhex(given)
    return building.uuid_bytes(given)[:SPAN_ID_BYTES]
