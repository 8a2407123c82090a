"""Reads the JSON of AITrace's file exporter, its own files and those of our ``aitrace_file`` sink.

A span begins at its wall time and lasts as its monotonic clock says. Ids are mapped as
``sinks.aitrace_ids`` says, with the originals in attributes.
Source: AITrace 0.2.0, file exporter.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.exchange import building, read_lines
from sidespand.exchange.part import MALFORMED, Part, Source, identity
from sidespand.sinks import aitrace_ids
from sidespand.sinks.aitrace_document import SCHEMA

FORMAT: Final = "aitrace"
_SCOPE: Final = "aitrace"
_INTERNAL: Final = Span.SPAN_KIND_INTERNAL


def is_trace(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is a trace of AITrace's file exporter, of any version."""
    version = document.get("exporter_schema_version")
    known = isinstance(version, str) and version.startswith(SCHEMA.rpartition(".")[0])
    return known and isinstance(document.get("spans"), list)


def read(document: Mapping[str, Any]) -> Source:
    """Return a trace as parts, one a span.

    Exported twice without a change in between, it has the same identity.
    """
    spans = document["spans"]
    trace_id = document.get("trace_id")
    content = json.dumps([trace_id, spans], sort_keys=True).encode()
    return Source(FORMAT, identity(FORMAT, content), _parts(document, spans))


def _parts(document: Mapping[str, Any], spans: list[Any]) -> Iterator[Part]:
    for seq, fields in enumerate(spans, start=1):
        where = f"span {seq}"
        try:
            metadata = building.mapping(document.get("metadata"), "metadata")
            own = building.mapping(building.mapping(fields, where).get("sidespan"), "sidespan")
            span = _span(document, fields, own)
            request = building.request_of(span, metadata, own.get("scope", _SCOPE))
        except MALFORMED:
            yield Part(seq, where, None)
        else:
            yield Part(seq, where, request)


def _span(document: Mapping[str, Any], fields: Mapping[str, Any], own: Mapping[str, Any]) -> Span:
    trace_id, span_id = _alias(document, "trace_id"), _alias(fields, "span_id")
    parent = None if fields.get("parent_span_id") is None else _alias(fields, "parent_span_id")
    otlp_trace, otlp_span = aitrace_ids.otlp_trace_id(trace_id), aitrace_ids.otlp_span_id(span_id)
    otlp_parent = b"" if parent is None else aitrace_ids.otlp_span_id(parent)
    originals = {
        key: original
        for key, original, mapped in (
            (aitrace_ids.TRACE_KEY, trace_id, otlp_trace),
            (aitrace_ids.SPAN_KEY, span_id, otlp_span),
            (aitrace_ids.PARENT_KEY, parent, otlp_parent),
        )
        # What was not shortened needs no original beside it.
        if original is not None and original != mapped.hex()
    }
    attributes = building.mapping(fields.get("attributes"), "attributes")
    if node := fields.get("source_node_ref") or document.get("source_node_ref"):
        originals["source_node_ref"] = node
    start_ns = _start_ns(fields)
    failed = fields.get("status") == "error"
    found = Span(
        trace_id=otlp_trace,
        span_id=otlp_span,
        parent_span_id=otlp_parent,
        name=building.text(fields.get("name", "")),
        kind=read_lines.kind(own["kind"]) if "kind" in own else _INTERNAL,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=_end_ns(fields, start_ns),
        attributes=building.pairs({**originals, **attributes}),
        trace_state=building.text(own.get("trace_state", "")),
        links=list(read_lines.links(own.get("links"))),
        status=Status(
            code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK,
            message=building.text(own.get("status_message", "")),
        ),
    )
    for event in building.sequence(fields.get("events"), "events"):
        given = building.mapping(event, "an event")
        found.events.add(
            name=building.text(given.get("name", "")),
            time_unix_nano=building.ns_of_iso(given.get("wall_time")),
            attributes=building.pairs(building.mapping(given.get("attributes"), "attributes")),
        )
    return found


def _alias(fields: Mapping[str, Any], key: str) -> str:
    given = fields.get(key)
    if not isinstance(given, str):
        raise ValueError(f"{key}: expected text")
    return given


def _start_ns(fields: Mapping[str, Any]) -> int:
    return building.ns_of_iso(fields.get("start_wall_time"))


def _end_ns(fields: Mapping[str, Any], start_ns: int) -> int:
    """Return the end of a span; 0 when it was exported before."""
    if fields.get("end_time") is None and fields.get("end_wall_time") is None:
        return 0
    lasted_us = fields.get("duration_microseconds")
    if isinstance(lasted_us, int) and not isinstance(lasted_us, bool) and lasted_us >= 0:
        return start_ns + lasted_us * 1000
    return building.ns_of_iso(fields.get("end_wall_time"))
