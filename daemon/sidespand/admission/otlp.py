"""Admission of OTLP requests: one validating parse, one bounded pass over ids, nothing else.

Attributes are not looked at. Whether a request holds tokens is asked of its raw bytes first, since
nearly none does; and so is what a large one would occupy once it is parsed.
Source: opentelemetry-proto, trace.proto, logs.proto and metrics.proto; the bounds on ids are W3C
    Trace Context's.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from sidespand import platform
from sidespand.admission import marks
from sidespand.admission.edges import find_edges, may_hold_tokens
from sidespand.errors import InvalidRequest, TooLarge
from sidespand.limits import (
    GROUPS_PER_RECORD_MAX,
    ITEMS_PER_RECORD_MAX,
    PARSED_BYTES_MAX,
    REFUSED_ITEMS_MAX,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
)
from sidespand.model import Admitted, Content, Kind
from sidespand.parse_cost import ParseCost

_M = TypeVar("_M", bound=Message)
_NO_TRACE_ID = bytes(TRACE_ID_BYTES)
_NO_SPAN_ID = bytes(SPAN_ID_BYTES)
_NOTHING = Admitted(())
# Status.code = STATUS_CODE_ERROR, as every encoder writes it.
_ERROR_STATUS = bytes((3 << 3, Status.STATUS_CODE_ERROR))
_COSTS: Mapping[type[Message], ParseCost] = {
    message: ParseCost(message.DESCRIPTOR, PARSED_BYTES_MAX)
    for message in (
        ExportTraceServiceRequest,
        ExportLogsServiceRequest,
        ExportMetricsServiceRequest,
    )
}


class OtlpAdmission:
    """Admits the OTLP signals. Implements ``ports.Admission``; it holds no state."""

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one encoded request; ``ports.Admission`` has the contract."""
        if not body:
            return _NOTHING
        return _ADMIT[kind](kind, body, digest)

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of an encoded request is an error; see ``ports.Admission``."""
        if kind in (Kind.SPANS, Kind.MARKS):
            if not platform.contains(body, _ERROR_STATUS):
                return False
            spans = _parse(ExportTraceServiceRequest, body).resource_spans
            return any(
                span.status.code == Status.STATUS_CODE_ERROR
                for scope_spans in _groups(spans, "scope_spans")
                for span in scope_spans.spans
            )
        if kind is not Kind.LOGS:
            return False
        logs = _parse(ExportLogsServiceRequest, body).resource_logs
        return any(
            log.severity_number >= SEVERITY_NUMBER_ERROR
            for scope_logs in _groups(logs, "scope_logs")
            for log in scope_logs.log_records
        )

    def withdraw(self, admitted: Admitted) -> None:
        """Nothing was noted of it."""


def _admit_spans(kind: Kind, body: bytes, digest: bytes) -> Admitted:
    request = _parse(ExportTraceServiceRequest, body)
    is_mark = kind is Kind.MARKS
    count = 0
    bad: _BadItems | None = None
    for scope_spans in _groups(request.resource_spans, "scope_spans"):
        spans = scope_spans.spans
        count = _within_limit(count + len(spans))
        for index, span in enumerate(spans):
            trace_id = span.trace_id
            span_id = span.span_id
            if (
                len(trace_id) != TRACE_ID_BYTES
                or len(span_id) != SPAN_ID_BYTES
                or len(span.parent_span_id) not in (0, SPAN_ID_BYTES)
                or trace_id == _NO_TRACE_ID
                or span_id == _NO_SPAN_ID
            ):
                bad = bad or _BadItems()
                bad.add(spans, index, _fault(span))
            elif is_mark and span.end_time_unix_nano:
                bad = bad or _BadItems()
                bad.add(spans, index, marks.ENDED)
    if bad is None and count and not is_mark and not may_hold_tokens(body):
        return Admitted((Content(kind, body, count, digest=digest),))
    return _admitted(kind, body, request, count, bad or _BadItems(), digest=digest)


def _admit_logs(kind: Kind, body: bytes, digest: bytes) -> Admitted:
    request = _parse(ExportLogsServiceRequest, body)
    count = 0
    bad = _BadItems()
    for scope_logs in _groups(request.resource_logs, "scope_logs"):
        logs = scope_logs.log_records
        count = _within_limit(count + len(logs))
        for index, log in enumerate(logs):
            if len(log.trace_id) not in (0, TRACE_ID_BYTES):
                bad.add(logs, index, _length_fault("trace_id", log.trace_id, 16))
            elif len(log.span_id) not in (0, SPAN_ID_BYTES):
                bad.add(logs, index, _length_fault("span_id", log.span_id, 8))
    return _admitted(kind, body, request, count, bad, digest=digest)


def _admit_metrics(kind: Kind, body: bytes, digest: bytes) -> Admitted:
    # Metrics are kept and passed on whole: one item a request.
    request = _parse(ExportMetricsServiceRequest, body)
    count = 1 if request.resource_metrics else 0
    return _admitted(kind, body, request, count, _BadItems(), digest=digest)


_ADMIT: Mapping[Kind, Callable[[Kind, bytes, bytes], Admitted]] = {
    Kind.SPANS: _admit_spans,
    Kind.MARKS: _admit_spans,
    Kind.LOGS: _admit_logs,
    Kind.METRICS: _admit_metrics,
}


def _parse(message: type[_M], body: bytes) -> _M:
    _COSTS[message].check(body)
    try:
        return message.FromString(body)
    except DecodeError as error:
        raise InvalidRequest(f"not an {message.DESCRIPTOR.name}: {error}") from error


def _groups(resources: Any, scopes_of: str) -> list[Any]:
    """Return all scopes in document order, having counted resources and scopes first."""
    count = len(resources)
    scopes: list[Any] = []
    if count == 1 and len(only := getattr(resources[0], scopes_of)) == 1:
        # As nearly every request has it.
        return [only[0]]
    for resource in resources if count <= GROUPS_PER_RECORD_MAX else ():
        each = getattr(resource, scopes_of)
        count += len(each)
        if count > GROUPS_PER_RECORD_MAX:
            break
        scopes += each
    if count > GROUPS_PER_RECORD_MAX:
        raise TooLarge(
            f"{count} resources and scopes in one request, the limit is {GROUPS_PER_RECORD_MAX}"
        )
    return scopes


def _within_limit(count: int) -> int:
    if count > ITEMS_PER_RECORD_MAX:
        raise TooLarge(f"{count} items in one request, the limit is {ITEMS_PER_RECORD_MAX}")
    return count


class _BadItems:
    """The items of a request that cannot be stored, and what is wrong with the first."""

    def __init__(self) -> None:
        self._places: list[tuple[Any, int]] = []
        self._first = ""

    def __len__(self) -> int:
        return len(self._places)

    def add(self, items: Any, index: int, fault: str) -> None:
        """Note one; a request that has more of them than are worth picking out is refused."""
        if len(self._places) == REFUSED_ITEMS_MAX:
            raise InvalidRequest(
                f"more than {REFUSED_ITEMS_MAX} items refused; the first: {self._first}"
            )
        self._first = self._first or fault
        self._places.append((items, index))

    def remove(self) -> None:
        """Take them out of their request."""
        for items, index in reversed(self._places):
            del items[index]

    def reason(self, count: int) -> str:
        """Say how many of ``count`` they are; nothing when there is none."""
        return f"{len(self)} of {count} refused; the first: {self._first}" if self._places else ""


def _admitted(
    kind: Kind, body: bytes, request: Message, count: int, bad: _BadItems, *, digest: bytes
) -> Admitted:
    reason = bad.reason(count)
    if bad:
        if len(bad) == count:
            raise InvalidRequest(reason)
        bad.remove()
        body, digest = request.SerializeToString(), b""
        count -= len(bad)
    if not count:
        return _NOTHING
    if isinstance(request, ExportTraceServiceRequest) and may_hold_tokens(body):
        edges, truncated = find_edges(request)
        content = Content(kind, body, count, edges, truncated, digest=digest)
    else:
        content = Content(kind, body, count, digest=digest)
    if kind is Kind.MARKS and isinstance(request, ExportTraceServiceRequest):
        content = content._replace(marks=marks.marks_of(request))
    return Admitted((content,), len(bad), reason)


def _fault(span: Any) -> str:
    if len(span.trace_id) != TRACE_ID_BYTES:
        return _length_fault("trace_id", span.trace_id, TRACE_ID_BYTES)
    if len(span.span_id) != SPAN_ID_BYTES:
        return _length_fault("span_id", span.span_id, SPAN_ID_BYTES)
    if len(span.parent_span_id) not in (0, SPAN_ID_BYTES):
        return _length_fault("parent_span_id", span.parent_span_id, SPAN_ID_BYTES)
    return "trace_id is all zero" if span.trace_id == _NO_TRACE_ID else "span_id is all zero"


def _length_fault(field: str, value: bytes, expected: int) -> str:
    return f"{field} has {len(value)} bytes, not {expected}"
