"""The forms that a span takes as a line of the ``jsonl`` sink. Pure.

``spans``, ours: the fields of ``span_json.span_fields``, then ``service``, ``resource``, ``scope``.
``decision-tracer``: ``name, context, started_at, finished_at, duration_ms, outcome, error, logs``.
``agenttrace``: ``{"type": "span", "data": {...}}``, and before a root's a line of type ``run``.

A last member is ours in each: ``stamp``, with ``source_node_ref, lineage, boot_generation, lsn,
hlc``; lsn is decimal text.
Sources: ai-decision-tracer 0.2.0, ``Step.to_dict``; AgentTrace 060ee36, ``JSONLExporter``.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand import hlc
from sidespand.model import Record
from sidespand.sinks import span_json

_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNIX_S_MAX: Final = 253_402_300_799
_RUN: Final = "run"

Document = dict[str, Any]


class Around(NamedTuple):
    """What a span stands in.

    Args:
        service: ``service.name`` of its resource, or "".
        resource: Attributes of its resource.
        scope: Name and version.
    """

    service: str
    resource: Document
    scope: Document


class LineFormat(NamedTuple):
    """One form.

    Args:
        prefix: How every line begins.
        documents: Makes the lines of a span, without their stamps; the last one is the span's own.
    """

    prefix: bytes
    documents: Callable[[Span, Around], Iterable[Document]]


class Place(NamedTuple):
    """Where the span of a line stands in the log.

    Args:
        lineage: Lower hex; empty where there is no line.
        lsn: Its own.
        wall_ns: Of its HLC.
    """

    lineage: str
    lsn: int
    wall_ns: int


NOWHERE: Final = Place("", 0, 0)


def encode_lines(
    record: Record, node_ref: str, after: int = 0, form: LineFormat | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield LSN and lines of every span of ``record`` behind LSN ``after``, in LSN order.

    Args:
        record: Of kind SPANS, with its payload.
        node_ref: Who wrote it.
        after: Exclusive.
        form: None for ``spans``.
    """
    header = record.header
    assert record.payload is not None
    documents = (form or SPANS).documents
    request = ExportTraceServiceRequest.FromString(record.payload)
    lsn = header.first_lsn - 1
    for resource_spans in request.resource_spans:
        resource = span_json.attributes(resource_spans.resource.attributes)
        service = resource.get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            scope = {"name": scope_spans.scope.name, "version": scope_spans.scope.version}
            around = Around(service if isinstance(service, str) else "", resource, scope)
            for span in scope_spans.spans:
                lsn += 1
                if lsn <= after:
                    continue
                stamp = {
                    "source_node_ref": node_ref,
                    "lineage": header.lineage.hex(),
                    "boot_generation": header.boot_generation,
                    "lsn": str(lsn),
                    "hlc": hlc.text(hlc.nth(header.stamp, lsn - header.first_lsn)),
                }
                lines = [
                    _ENCODER.encode({**document, "stamp": stamp}).encode("ascii") + b"\n"
                    for document in documents(span, around)
                ]
                yield lsn, b"".join(lines)


def place_of(line: bytes) -> Place:
    """Return where the span of a line stands.

    Raises:
        ValueError: It has no stamp.
    """
    return _place(json.loads(line))


def reached_by(line: bytes) -> Place:
    """Return how far a file has come whose last line this is; the span of that place is in it.

    Raises:
        ValueError: It has no stamp.
    """
    document = json.loads(line)
    place = _place(document)
    # The span's own line comes behind that of its run.
    is_run = document.get("type") == _RUN
    return place._replace(lsn=place.lsn - 1) if is_run else place


def _place(document: Any) -> Place:
    try:
        stamp = document["stamp"]
        moment = hlc.parse(stamp["hlc"])
        return Place(str(stamp["lineage"]), int(stamp["lsn"]), moment.wall_ns)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("a line without a stamp") from error


def _spans(span: Span, around: Around) -> Iterator[Document]:
    fields = span_json.span_fields(span)
    yield {
        **fields,
        "service": around.service,
        "resource": around.resource,
        "scope": around.scope,
    }


def _steps(span: Span, _around: Around) -> Iterator[Document]:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    logs = []
    for event in span.events:
        at = {"_t": event.time_unix_nano / 1e9}
        logs.append({**at, "event": event.name, **span_json.attributes(event.attributes), **at})
    yield {
        "name": span.name,
        "context": span_json.attributes(span.attributes),
        "started_at": span.start_time_unix_nano / 1e9,
        "finished_at": span.end_time_unix_nano / 1e9,
        "duration_ms": _duration_ms(span),
        "outcome": "error" if failed else "ok",
        "error": span.status.message if failed else None,
        "logs": logs,
    }


def _runs_and_spans(span: Span, around: Around) -> Iterator[Document]:
    attributes = span_json.attributes(span.attributes)
    failed = span.status.code == Status.STATUS_CODE_ERROR
    run_id = str(uuid.UUID(bytes=span.trace_id))
    is_root = not any(span.parent_span_id)
    shared = {
        "name": span.name,
        "start_time": _iso(span.start_time_unix_nano),
        "end_time": _iso(span.end_time_unix_nano),
    }
    if is_root:
        run = {
            "id": run_id,
            "correlation_id": attributes.get("correlation_id"),
            **shared,
            "status": "failed" if failed else "completed",
            # What only the whole trace knows: nobody waits for it here.
            "total_cost": attributes.get("run.total_cost"),
            "total_tokens": attributes.get("run.total_tokens"),
            "span_count": attributes.get("run.span_count"),
            "metadata": around.resource,
        }
        yield {"type": _RUN, "data": run}
    data = {
        "id": span.span_id.hex(),
        "run_id": run_id,
        "parent_span_id": None if is_root else span.parent_span_id.hex(),
        **shared,
        "span_type": _span_type(attributes),
        "status": "error" if failed else "completed",
        "input_data": _first(attributes, _INPUTS),
        "output_data": _first(attributes, _OUTPUTS),
        "metadata": attributes,
        "duration_ms": _duration_ms(span),
        "cost_usd": _first(attributes, ("agenttrace.cost_usd", "cost.usd", "operation.cost")),
        "token_usage": _token_usage(attributes),
        "error": span.status.message if failed else None,
    }
    yield {"type": "span", "data": data}


_INPUTS: Final = ("agenttrace.input_data", "input_data", "gen_ai.input.messages", "input.value")
_OUTPUTS: Final = (
    "agenttrace.output_data",
    "output_data",
    "gen_ai.output.messages",
    "output.value",
)
_TYPE_KEYS: Final = (
    "agenttrace.span_type",
    "span.type",
    "gen_ai.operation.name",
    "openinference.span.kind",
)
# AgentTrace's types by what other dialects call them; its own names stand for themselves.
_TYPES: Final[Mapping[str, str]] = {
    **{name: name for name in ("llm_call", "tool_call", "decision", "retrieval")},
    **dict.fromkeys(("chat", "text_completion", "generate_content", "llm"), "llm_call"),
    **dict.fromkeys(("execute_tool", "tool"), "tool_call"),
    "retriever": "retrieval",
}


def _span_type(attributes: Mapping[str, Any]) -> str:
    return _TYPES.get(str(_first(attributes, _TYPE_KEYS)).lower(), "custom")


def _token_usage(attributes: Mapping[str, Any]) -> Document | None:
    used = attributes.get("gen_ai.usage.input_tokens")
    made = attributes.get("gen_ai.usage.output_tokens")
    if not isinstance(used, int) or not isinstance(made, int):
        return None
    return {"prompt_tokens": used, "completion_tokens": made, "total_tokens": used + made}


def _first(attributes: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((attributes[key] for key in keys if key in attributes), None)


def _duration_ms(span: Span) -> float:
    return round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6, 2)


def _iso(unix_ns: int) -> str:
    seconds = min(unix_ns // 10**9, _UNIX_S_MAX)
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=unix_ns % 10**9 // 1000)
    return moment.isoformat()


SPANS: Final = LineFormat(b'{"trace_id":"', _spans)
FORMATS: Final[Mapping[str, LineFormat]] = {
    "spans": SPANS,
    "decision-tracer": LineFormat(b'{"name":', _steps),
    "agenttrace": LineFormat(b'{"type":"', _runs_and_spans),
}
