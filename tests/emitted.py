"""What real emitters sent, from ``tests/golden/emitters``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import Content, Kind

FOLDER = Path(__file__).parent / "golden" / "emitters"
CAPTURES = sorted(path.parent.name for path in FOLDER.glob("*/meta.json"))


def bodies(capture: str) -> Iterator[tuple[Kind, bytes]]:
    """Yield the requests of a capture in their order."""
    for path in sorted((FOLDER / capture).glob("*.pb")):
        kind = Kind.LOGS if path.name.endswith(".logs.pb") else Kind.SPANS
        yield kind, path.read_bytes()


def spans(capture: str) -> Iterator[Any]:
    """Yield the spans of a capture, in their order."""
    for kind, body in bodies(capture):
        if kind is Kind.SPANS:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


def logs(capture: str) -> Iterator[Any]:
    """Yield the log records of a capture, in their order."""
    for kind, body in bodies(capture):
        if kind is Kind.LOGS:
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                for scope in resource.scope_logs:
                    yield from scope.log_records


def contents(capture: str) -> list[Content]:
    """Return a capture as the journal takes it."""
    found = []
    for kind, body in bodies(capture):
        if kind is Kind.SPANS:
            traces = ExportTraceServiceRequest.FromString(body).resource_spans
            count = sum(len(scope.spans) for one in traces for scope in one.scope_spans)
        else:
            records = ExportLogsServiceRequest.FromString(body).resource_logs
            count = sum(len(scope.log_records) for one in records for scope in one.scope_logs)
        found.append(Content(kind, body, count))
    return found
