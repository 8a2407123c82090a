"""Decodes records of logs: every item as a value with the stamp that the journal gave it.

Source: opentelemetry-proto, logs.proto.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from sidespand import hlc
from sidespand.errors import StoreUnreadable
from sidespand.model import Kind, Position, Record
from sidespand.query.span import Stamp, Value
from sidespand.query.spans import attributes_of, value_of


@dataclass(frozen=True, slots=True)
class LogItem:
    """One log record, whole.

    Args:
        stamp: What the journal says of it.
        trace_id: 16 bytes; empty where it names none.
        span_id: 8 bytes; the same.
        time_ns: When it happened, else when it was observed, by the sender's clock.
        severity: OTLP's number; 0 for none.
        severity_text: The sender's word for it.
        event_name: Empty for one that is no event.
        body: What it says.
        attributes: Of several values under one key the last.
        service: ``service.name`` of its resource; empty when there is none.
        resource: Attributes of the resource.
        scope: Name of the instrumentation scope.
    """

    stamp: Stamp
    trace_id: bytes
    span_id: bytes
    time_ns: int
    severity: int
    severity_text: str
    event_name: str
    body: Value
    attributes: Mapping[str, Value]
    service: str
    resource: Mapping[str, Value]
    scope: str


def log_items(record: Record) -> Iterator[LogItem]:
    """Yield the log records of a record, in item order; nothing for another kind or a redacted one.

    Raises:
        StoreUnreadable: The payload does not parse. Not retryable.
    """
    if record.header.kind is not Kind.LOGS or record.payload is None:
        return
    try:
        # The message of a request and of a file of logs are the same bytes.
        logs = LogsData.FromString(record.payload)
    except DecodeError as error:
        raise StoreUnreadable(f"the record at {record.position} does not parse: {error}") from error
    index = 0
    for resource_logs in logs.resource_logs:
        resource = attributes_of(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for log in scope_logs.log_records:
                yield _item(record, index, log, resource, scope_logs.scope.name)
                index += 1


def _item(
    record: Record, index: int, log: LogRecord, resource: Mapping[str, Value], scope: str
) -> LogItem:
    header = record.header
    position = Position(record.ordinal, header.lineage, header.first_lsn + index)
    service = resource.get("service.name")
    attributes = attributes_of(log.attributes)
    # Before OTLP had a field for it, an attribute named the event.
    named = log.event_name or attributes.get("event.name")
    return LogItem(
        stamp=Stamp(position, header.boot_generation, hlc.nth(header.stamp, index)),
        trace_id=log.trace_id,
        span_id=log.span_id,
        time_ns=log.time_unix_nano or log.observed_time_unix_nano,
        severity=log.severity_number,
        severity_text=log.severity_text,
        event_name=named if isinstance(named, str) else "",
        body=value_of(log.body),
        attributes=attributes,
        service=service if isinstance(service, str) else "",
        resource=resource,
        scope=scope,
    )
