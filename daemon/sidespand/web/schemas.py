"""JSON Schemas of what the API answers and takes; fields are added, never renamed or removed.

Source: JSON Schema 2020-12, as OpenAPI 3.1 has it.
"""

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
TRUTH: Final[Schema] = {"type": "boolean"}
ANY: Final[Schema] = {}
NS: Final[Schema] = {"type": "string", "pattern": "^-?[0-9]+$", "description": "nanoseconds"}
POSITION: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{16}:[0-9]+$"}
HEX: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]*$"}
MAP: Final[Schema] = {"type": "object"}


def maybe(schema: Schema) -> Schema:
    """Return a schema that allows null, too."""
    return {"anyOf": [schema, {"type": "null"}]}


def several(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def named(**fields: Schema) -> Schema:
    """Return the schema of an object with these fields, all there; it may have more."""
    return {"type": "object", "required": list(fields), "properties": fields}


def ref(name: str) -> Schema:
    """Return a reference to a schema of this module."""
    return {"$ref": f"#/components/schemas/{name}"}


_TOKENS: Final = dict.fromkeys(
    ("tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning"), COUNT
)
_SUMS: Final = {
    "spans": COUNT, "traces": COUNT, "errors": COUNT, **_TOKENS, "cost_usd": maybe(NUMBER),
    "p50_ms": maybe(NUMBER), "p95_ms": maybe(NUMBER), "max_ms": maybe(NUMBER),
}  # fmt: skip
_INDEX: Final = named(
    state={"enum": ["live", "building"]}, lag_ms={"type": "integer"}, lag_items=COUNT
)
_STAMP: Final = named(source_node_ref=TEXT, lineage=HEX, boot_generation=COUNT, lsn=TEXT, hlc=TEXT)
_SERIES: Final = {
    name: several(maybe(NUMBER))
    for name in (
        "traces", "spans", "errors", "tokens_in", "tokens_out", "cost_usd", "p50_ms", "p95_ms"
    )
}  # fmt: skip
_COLUMNS: Final = (
    "span_id", "parent", "depth", "start_us", "duration_us", "name", "service", "ai_kind", "kind",
    "agent", "process", "model", "tool", "node", "status", "state", "tokens_in", "tokens_out",
    "cost_usd", "ttft_us", "events", "links", "order", "flags",
)  # fmt: skip
_MESSAGE: Final = named(role=TEXT, parts=several(named(type=TEXT)))

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": named(
        error=named(code=TEXT, message=TEXT, hint=TEXT, retryable=TRUTH),
    ),
    "Content": {
        **named(bytes=COUNT, preview=TEXT, **{"$content": TEXT}),
        "description": "stands for a text or value of over 4 KiB; the whole is at /content",
    },
    "TraceRow": named(
        trace_id=HEX, name=TEXT, service=TEXT, services=several(TEXT), agent=TEXT,
        agents=several(TEXT), conversation_id=TEXT, user_id=TEXT, models=several(TEXT),
        tools=several(TEXT), start_ns=NS, end_ns=maybe(NS), duration_ns=maybe(NS),
        span_count=COUNT, open_count=COUNT, abandoned_count=COUNT, error_count=COUNT,
        llm_count=COUNT, tool_count=COUNT, **_TOKENS, cost_usd=maybe(NUMBER),
        status={"enum": ["ok", "error", "open", "abandoned"]}, first_position=POSITION,
        last_position=POSITION, match=maybe(TEXT), root_recorded=TRUTH,
    ),
    "TracePage": named(
        traces=several(ref("TraceRow")), next=maybe(TEXT), complete=TRUTH,
        position=maybe(POSITION), index=_INDEX, redacted=several(MAP),
    ),
    "SpanRow": named(
        trace_id=HEX, span_id=HEX, parent_span_id=maybe(HEX), position=POSITION, name=TEXT,
        service=TEXT, kind=TEXT, ai_kind=TEXT, provider=TEXT, model=TEXT, agent=TEXT, tool=TEXT,
        status=TEXT, state=TEXT, start_ns=NS, duration_ns=maybe(NS), cost_usd=maybe(NUMBER),
        aggregate=TRUTH,
    ),
    "SpanPage": named(
        spans=several(ref("SpanRow")), next=maybe(TEXT), complete=TRUTH, index=_INDEX
    ),
    "Strip": named(from_ns=NS, to_ns=NS, bucket_ns=NS, **_SERIES, complete=TRUTH, index=_INDEX),
    "Completions": {
        "anyOf": [
            named(values=several(named(value=TEXT, count=COUNT))),
            named(fields=several(named(name=TEXT, help=TEXT))),
        ]
    },
    "Stats": named(
        by=TEXT, rows=several(named(key=TEXT, **_SUMS)), total=named(**_SUMS), complete=TRUTH,
        index=_INDEX,
    ),
    "Table": named(
        columns=several(TEXT), rows=several(several(ANY)), truncated=TRUTH, index=_INDEX
    ),
    "Span": named(
        trace_id=HEX, span_id=HEX, parent_span_id=maybe(HEX), name=ANY, kind=TEXT, service=TEXT,
        start_ns=NS, end_ns=NS, status=TEXT, status_message=ANY, attributes=MAP,
        events=several(named(time_ns=NS, name=TEXT, attributes=MAP)),
        links=several(named(trace_id=HEX, span_id=HEX, trace_state=TEXT, attributes=MAP)),
        trace_state=TEXT, resource=MAP, scope=TEXT, stamp=_STAMP, state=TEXT, abandoned=maybe(MAP),
    ),
    "Ai": named(
        kind=TEXT, dialect=TEXT, provider=TEXT, model_requested=TEXT, model=TEXT,
        tokens=named(
            input=maybe(COUNT), output=maybe(COUNT), cached=maybe(COUNT),
            cache_write=maybe(COUNT), reasoning=maybe(COUNT), inferred=TRUTH,
        ),
        cost_usd=maybe(NUMBER), agent=TEXT, agent_id=TEXT, workflow=TEXT, tool=TEXT,
        tool_call_id=TEXT, conversation_id=TEXT, user_id=TEXT, prompt_name=TEXT,
        prompt_version=TEXT, correlation_id=TEXT, request_id=TEXT, finish_reasons=several(TEXT),
        ttft_ms=maybe(NUMBER), stream=maybe(TRUTH), error_type=TEXT, aggregate=TRUTH,
    ),
    "Trace": named(
        trace_id=HEX, spans=several({"allOf": [ref("Span"), named(ai=maybe(ref("Ai")))]}),
        duplicate_count=COUNT, redacted=several(MAP),
    ),
    "Skeleton": named(
        trace_id=HEX, position=POSITION, count=COUNT, start_ns=NS, end_ns=maybe(NS),
        strings=several(TEXT), columns=named(**{name: several(ANY) for name in _COLUMNS}),
        edges=several(named(**{"from": COUNT, "to": COUNT, "kind": TEXT, "label": TEXT})),
        gaps=several(MAP),
    ),
    "SpanAnswer": named(
        span=ref("Span"), ai=maybe(ref("Ai")),
        messages=named(
            system=several(_MESSAGE), input=several(_MESSAGE), output=several(_MESSAGE)
        ),
        tool=maybe(named(name=TEXT, call_id=ANY, arguments=ANY, result=ANY)),
        states=several(named(index=COUNT, event_time_ns=NS, name=TEXT, key=TEXT, value=ANY)),
        logs=several(named(time_ns=NS, severity=COUNT, body=ANY, attributes=MAP, stamp=_STAMP)),
        edges=several(named(type=TEXT, position=POSITION, hlc=TEXT)), stamp=_STAMP, record=MAP,
    ),
    "Diff": named(
        of={"enum": ["state", "messages"]}, **{"from": MAP, "to": MAP},
        changes=several(
            named(
                op={"enum": ["added", "dropped", "changed", "truncated", "moved"]},
                path=several({"type": ["string", "integer"]}), label=TEXT, before=ANY, after=ANY,
                source=maybe(COUNT), hunks=several(named(op=TEXT, text=TEXT, characters=COUNT)),
            )
        ),
        truncated=TRUTH,
    ),
    "OpenSpans": named(
        spans=several(
            named(trace_id=HEX, span_id=HEX, name=TEXT, service=TEXT, start_ns=NS, opened_ns=NS)
        ),
        as_of_ns=NS,
    ),
    "Verdict": named(a=POSITION, b=POSITION, verdict=TEXT, about=TEXT, strength=TEXT,
                     path=several(MAP), assumptions=several(TEXT)),
    "Explanation": named(a=MAP, b=MAP, commit=MAP),
    "Order": named(
        trace_id=HEX, by_hlc=TRUTH, circular=TRUTH, redacted=several(MAP),
        items=several(named(position=POSITION, span_id=HEX, hlc=TEXT, strength=TEXT)),
    ),
    "Receipt": named(covered=TRUTH, key_pinned=TRUTH, node_evidence=MAP),
    "Check": named(running=TRUTH, at_ns=maybe(NS), ok=maybe(TRUTH), findings=several(MAP),
                   established=several(TEXT), not_established=several(TEXT)),
    "Status": named(
        version=TEXT, store_id=TEXT, web=maybe(TEXT), ingest=TEXT,
        source_node_ref=maybe(TEXT), lineage=maybe(HEX), boot_generation=maybe(COUNT),
        position=maybe(POSITION), hlc=maybe(TEXT), open_spans=COUNT, index=maybe(_INDEX),
    ),
    "Reindexed": MAP,
    "Trimmed": MAP,
    "Reloaded": named(started=several(TEXT), stopped=several(TEXT), restart=several(TEXT)),
    "Nothing": named(),
    "StoreNamed": named(store_id=TEXT),
    "Statement": named(sql=TEXT),
    "Redaction": named(store_id=TEXT, positions=several(TEXT), actor=TEXT, reason=TEXT),
    "Redacted": named(redacted=several(MAP), already_redacted=several(MAP)),
    "Replay": named(store_id=TEXT, sink=TEXT),
    "Replayed": MAP,
}  # fmt: skip
