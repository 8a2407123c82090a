"""Spans, marks and requests in OTLP's protobuf, made with the protobuf runtime."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Document = dict[str, Any]

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN, PARENT, OTHER = "b7ad6b7169203331", "00f067aa0ba902b7", "53995c3f42cd8ad8"
START = 1_790_000_000_000_000_000
SCOPE = {"name": "example", "version": "1"}
RESOURCE = [["service.name", {"string": "planner"}], ["process.pid", {"int": "4321"}]]
# Flags: bit 8 says that bit 9 is known, bit 9 that the parent is in another process.
LOCAL_PARENT, REMOTE_PARENT = 0x101, 0x301

VALUES: Sequence[tuple[str, Document]] = (
    ("empty text", {"string": ""}),
    ("text", {"string": "hello"}),
    ("text of several scripts", {"string": "naïve 漢字 🙂"}),
    ("text of 127 bytes", {"string": "x" * 127}),
    ("text of 128 bytes", {"string": "x" * 128}),
    ("true", {"bool": True}),
    ("false", {"bool": False}),
    ("zero", {"int": "0"}),
    ("one byte", {"int": "127"}),
    ("two bytes", {"int": "128"}),
    ("minus one", {"int": "-1"}),
    ("the largest integer", {"int": "9223372036854775807"}),
    ("the smallest integer", {"int": "-9223372036854775808"}),
    ("past 2**53", {"int": "9007199254740993"}),
    ("a fraction", {"double": "0.1"}),
    ("a negative zero", {"double": "-0.0"}),
    ("infinity", {"double": "Infinity"}),
    ("negative infinity", {"double": "-Infinity"}),
    ("the smallest double", {"double": "5e-324"}),
    ("bytes", {"bytes": "00ff10"}),
    ("nothing", {}),
    ("an array", {"array": [{"string": "a"}, {"int": "1"}, {}, {"bool": True}]}),
    ("an empty array", {"array": []}),
    ("a map", {"map": [["a", {"int": "1"}], ["b", {"array": [{"string": "c"}]}]]}),
    ("an empty map", {"map": []}),
    ("maps in maps", {"map": [["a", {"map": [["b", {"map": [["c", {"double": "1.5"}]]}]]}]]}),
)

_ROOT = {
    "trace_id": TRACE,
    "span_id": SPAN,
    "flags": LOCAL_PARENT,
    "name": "plan",
    "kind": 1,
    "start_ns": str(START),
    "end_ns": str(START + 1_000_000),
}
_OPEN = {key: value for key, value in _ROOT.items() if key != "end_ns"}

SPANS: Sequence[tuple[str, Document]] = (
    ("a root", _ROOT),
    ("a child", {**_ROOT, "parent_span_id": PARENT, "kind": 3}),
    (
        "a child of another process, with its trace state",
        {
            **_ROOT,
            "parent_span_id": PARENT,
            "trace_state": "sidespan=abc,vendor=1",
            "flags": REMOTE_PARENT,
            "kind": 2,
        },
    ),
    (
        "attributes",
        {
            **_ROOT,
            "attributes": [
                ["gen_ai.request.model", {"string": "scripted-1"}],
                ["gen_ai.usage.input_tokens", {"int": "300"}],
                ["temperature", {"double": "0.7"}],
                ["tools", {"array": [{"string": "search"}, {"string": "fetch"}]}],
                ["schlüssel", {"string": "🙂"}],
            ],
        },
    ),
    (
        "events",
        {
            **_ROOT,
            "events": [
                {"time_ns": str(START + 10), "name": "thought", "attributes": []},
                {
                    "time_ns": str(START + 20),
                    "name": "tool call",
                    "attributes": [["tool", {"string": "search"}]],
                },
            ],
        },
    ),
    (
        "links",
        {
            **_ROOT,
            "links": [
                {"trace_id": TRACE, "span_id": OTHER, "flags": LOCAL_PARENT, "attributes": []},
                {
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "span_id": PARENT,
                    "trace_state": "sidespan=abc,vendor=1",
                    "flags": REMOTE_PARENT,
                    "attributes": [["reason", {"string": "retry"}]],
                },
            ],
        },
    ),
    (
        "an error",
        {
            **_ROOT,
            "events": [
                {
                    "time_ns": str(START + 10),
                    "name": "exception",
                    "attributes": [
                        ["exception.type", {"string": "ValueError"}],
                        ["exception.message", {"string": "no"}],
                    ],
                }
            ],
            "status": {"code": 2, "message": "no"},
        },
    ),
    ("a name of 200 bytes", {**_ROOT, "name": "n" * 200}),
    ("the largest times", {**_ROOT, "start_ns": str(2**64 - 2), "end_ns": str(2**64 - 1)}),
    ("a mark that opens", {**_OPEN, "attributes": [["step", {"int": "1"}]]}),
    (
        "a mark that adds to an open span",
        {
            **_OPEN,
            "attributes": [["step", {"int": "2"}]],
            "events": [{"time_ns": str(START + 30), "name": "half way", "attributes": []}],
        },
    ),
)


def any_value(value: Mapping[str, Any]) -> AnyValue:
    """Return a value of the vectors as a message."""
    made = AnyValue()
    for kind, content in value.items():
        if kind == "array":
            elements = [any_value(one) for one in content]
            made.array_value.CopyFrom(ArrayValue(values=elements))
        elif kind == "map":
            made.kvlist_value.CopyFrom(KeyValueList(values=attributes(content)))
        elif kind == "bytes":
            made.bytes_value = bytes.fromhex(content)
        elif kind == "int":
            made.int_value = int(content)
        elif kind == "double":
            made.double_value = float(content)
        elif kind == "bool":
            made.bool_value = content
        else:
            made.string_value = content
    return made


def attributes(pairs: Sequence[Sequence[Any]]) -> list[KeyValue]:
    """Return attributes of the vectors as messages."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in pairs]


def span(given: Mapping[str, Any]) -> Span:
    """Return a span of the vectors as a message."""
    made = Span(
        trace_id=bytes.fromhex(given["trace_id"]),
        span_id=bytes.fromhex(given["span_id"]),
        trace_state=given.get("trace_state", ""),
        parent_span_id=bytes.fromhex(given.get("parent_span_id", "")),
        flags=given["flags"],
        name=given["name"],
        kind=given["kind"],
        start_time_unix_nano=int(given["start_ns"]),
        end_time_unix_nano=int(given.get("end_ns", "0")),
        attributes=attributes(given.get("attributes", ())),
        events=[
            Span.Event(
                time_unix_nano=int(event["time_ns"]),
                name=event["name"],
                attributes=attributes(event["attributes"]),
            )
            for event in given.get("events", ())
        ],
        links=[
            Span.Link(
                trace_id=bytes.fromhex(link["trace_id"]),
                span_id=bytes.fromhex(link["span_id"]),
                trace_state=link.get("trace_state", ""),
                flags=link["flags"],
                attributes=attributes(link["attributes"]),
            )
            for link in given.get("links", ())
        ],
    )
    if "status" in given:
        made.status.CopyFrom(Status(**given["status"]))
    return made


def request(
    resource: Sequence[Sequence[Any]], scope: Mapping[str, str], spans: Sequence[Mapping[str, Any]]
) -> ExportTraceServiceRequest:
    """Return a request of one resource and one scope."""
    scoped = ScopeSpans(scope=InstrumentationScope(**scope), spans=[span(one) for one in spans])
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=attributes(resource)), scope_spans=[scoped])
        ]
    )


def _requests() -> Iterator[Document]:
    by_name = dict(SPANS)
    second = {**by_name["a child"], "span_id": OTHER, "parent_span_id": SPAN}
    for name, spans in (
        ("one span", [by_name["a root"]]),
        ("two spans", [by_name["attributes"], second]),
        ("marks", [by_name["a mark that opens"]]),
    ):
        yield {
            "name": name,
            "resource": RESOURCE,
            "scope": SCOPE,
            "spans": spans,
            "bytes": request(RESOURCE, SCOPE, spans).SerializeToString().hex(),
        }


def otlp() -> Document:
    """Return otlp.json."""
    return {
        "values": [
            {"name": name, "value": value, "bytes": any_value(value).SerializeToString().hex()}
            for name, value in VALUES
        ],
        "spans": [
            {"name": name, "span": given, "bytes": span(given).SerializeToString().hex()}
            for name, given in SPANS
        ],
        "requests": list(_requests()),
    }


FILES: Mapping[str, Document] = {"otlp.json": otlp()}
