"""Send the spans of an OTLP/JSON request on stdin through a stock exporter of the Python SDK.

Usage: emit.py grpc|http/protobuf|http/json [HTTP_SOCKET]
Where to is in the variables that the SDK itself reads. Prints what the exporter said and the ids.
"""

import base64
import json
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

FLUSH_MS = 60_000


def value_of(value: dict[str, Any]) -> Any:
    """Return an AnyValue as the SDK takes it."""
    ((kind, inner),) = value.items()
    if kind == "intValue":
        return int(inner)
    if kind == "bytesValue":
        return base64.b64decode(inner)
    if kind == "arrayValue":
        return [value_of(one) for one in inner.get("values", ())]
    if kind == "kvlistValue":
        return attributes_of(inner["values"])
    return inner


def attributes_of(pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return key-value pairs as the SDK takes them."""
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


def remote(given: dict[str, Any], span_id: str) -> SpanContext:
    """Return the context of a span of elsewhere."""
    return SpanContext(
        int(given["traceId"], 16),
        int(given[span_id], 16),
        is_remote=True,
        trace_flags=TraceFlags(given["flags"] & 1),
        trace_state=TraceState.from_header([given["traceState"]]),
    )


def link_of(link: dict[str, Any]) -> Link:
    """Return a link as the SDK takes it."""
    return Link(remote(link, "spanId"), attributes_of(link["attributes"]))


class Recording(SpanExporter):
    """Notes what the stock exporter behind it answers."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.answers: list[dict[str, Any]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over."""
        began = time.monotonic()
        result = self._exporter.export(spans)
        took_ms = int((time.monotonic() - began) * 1000)
        self.answers.append({"ok": result is SpanExportResult.SUCCESS, "took_ms": took_ms})
        return result

    def shutdown(self) -> None:
        """Hand over."""
        self._exporter.shutdown()


def stock(protocol: str, socket: str | None) -> SpanExporter:
    """Return the exporter; what it needs beside its variables is what a socket needs."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    if protocol == "http/json":
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as Json

        return Json()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Protobuf

    if socket is None:
        return Protobuf()
    import requests_unixsocket

    endpoint = f"http+unix://{quote(socket, safe='')}/v1/traces"
    return Protobuf(endpoint=endpoint, session=requests_unixsocket.Session())


def main() -> None:
    """Emit."""
    (resource_spans,) = json.load(sys.stdin)["resourceSpans"]
    (scope_spans,) = resource_spans["scopeSpans"]
    recording = Recording(stock(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
    provider = TracerProvider(
        resource=Resource(attributes_of(resource_spans["resource"]["attributes"])),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(recording))
    tracer = provider.get_tracer(scope_spans["scope"]["name"], scope_spans["scope"]["version"])

    started: dict[str, trace.Span] = {}
    for given in scope_spans["spans"]:
        parent = started.get(given["parentSpanId"])
        if parent is None:
            parent = trace.NonRecordingSpan(remote(given, "parentSpanId"))
        span = started[given["spanId"]] = tracer.start_span(
            given["name"],
            context=trace.set_span_in_context(parent),
            kind=SpanKind(given["kind"] - 1),
            links=[link_of(link) for link in given.get("links", ())],
            attributes=attributes_of(given.get("attributes", ())),
            start_time=int(given["startTimeUnixNano"]),
        )
        for event in given.get("events", ()):
            attributes = attributes_of(event.get("attributes", ()))
            span.add_event(event["name"], attributes, int(event["timeUnixNano"]))
        if status := given.get("status"):
            span.set_status(Status(StatusCode(status["code"]), status.get("message")))
    for given in reversed(scope_spans["spans"]):
        started[given["spanId"]].end(int(given["endTimeUnixNano"]))

    provider.force_flush(FLUSH_MS)
    contexts = {key: span.get_span_context() for key, span in started.items()}
    ids = {key: [f"{one.trace_id:032x}", f"{one.span_id:016x}"] for key, one in contexts.items()}
    json.dump({"answers": recording.answers, "ids": ids}, sys.stdout)
    provider.shutdown()


main()
