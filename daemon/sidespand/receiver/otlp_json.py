"""OTLP/JSON to OTLP protobuf, and the answers back. Pure.

OTLP/JSON is proto3's JSON mapping with three differences: trace and span ids are hex instead of
base64, enum values are integers, and field names are lowerCamelCase alone. The library maps; this
module mends the ids and refuses the names of enums before it does.
Source: opentelemetry-proto docs/specification.md, "JSON Protobuf Encoding".
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from sidespand.errors import InvalidRequest, TooLarge
from sidespand.limits import JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_OBJECTS_MAX
from sidespand.model import Kind

_REQUESTS: Mapping[Kind, type[Message]] = {
    Kind.SPANS: ExportTraceServiceRequest,
    Kind.LOGS: ExportLogsServiceRequest,
    Kind.METRICS: ExportMetricsServiceRequest,
}
_RESPONSES: Mapping[Kind, type[Message]] = {
    Kind.SPANS: ExportTraceServiceResponse,
    Kind.LOGS: ExportLogsServiceResponse,
    Kind.METRICS: ExportMetricsServiceResponse,
}
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
# Enum fields of OTLP; `code` is that of a span's status.
_ENUMS = frozenset({"kind", "code", "severityNumber", "aggregationTemporality"})
# An attribute's value may hold keys of any name; ids and enums are never inside one.
_VALUES = frozenset({"attributes", "body", "value"})


def to_protobuf(kind: Kind, body: bytes) -> bytes:
    """Return the encoded protobuf of one OTLP/JSON request.

    Args:
        kind: SPANS, LOGS or METRICS.
        body: UTF-8 JSON text.

    Raises:
        TooLarge: It is over JSON_BYTES_MAX or JSON_OBJECTS_MAX. Not retryable.
        InvalidRequest: It is not JSON, nests deeper than JSON_DEPTH_MAX, or is not such a request;
            the message names the field. Not retryable.
    """
    if len(body) > JSON_BYTES_MAX:
        raise TooLarge(f"the JSON body is over {JSON_BYTES_MAX} bytes; protobuf may be larger")
    if body.count(b"{") > JSON_OBJECTS_MAX:
        raise TooLarge(f"the JSON body has over {JSON_OBJECTS_MAX} objects; protobuf may have more")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest("not an OTLP/JSON request: an object is expected")
    _mend(document, "", JSON_DEPTH_MAX)
    message = _REQUESTS[kind]()
    try:
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise InvalidRequest(f"not an OTLP/JSON request: {error}") from error
    return message.SerializeToString()


def answer_json(kind: Kind, answer: bytes) -> bytes:
    """Return an encoded Export…ServiceResponse as OTLP/JSON."""
    return _json(_RESPONSES[kind].FromString(answer))


def status_json(status: bytes) -> bytes:
    """Return an encoded ``google.rpc.Status`` as JSON."""
    return _json(Status.FromString(status))


def _json(message: Message) -> bytes:
    return json_format.MessageToJson(message, indent=None).encode()


def _mend(node: Any, path: str, depth_left: int) -> None:
    if depth_left == 0:
        raise InvalidRequest(f"{path[:256]}: nested deeper than {JSON_DEPTH_MAX} levels")
    if isinstance(node, list):
        for index, item in enumerate(node):
            _mend(item, f"{path}[{index}]", depth_left - 1)
    elif isinstance(node, dict):
        for key, value in node.items():
            where = f"{path}.{key}" if path else str(key)
            if key in _IDS:
                # In JSON's mapping null is a field that is not set.
                node[key] = None if value is None else _base64_of_hex(value, where)
            elif key in _ENUMS and isinstance(value, str):
                raise InvalidRequest(f"{where}: OTLP/JSON writes enum values as integers")
            elif key in _VALUES:
                _check_depth(value, where, depth_left - 1)
            else:
                _mend(value, where, depth_left - 1)


def _check_depth(node: Any, path: str, depth_left: int) -> None:
    if depth_left == 0:
        raise InvalidRequest(f"{path[:256]}: nested deeper than {JSON_DEPTH_MAX} levels")
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for item in items:
        _check_depth(item, path, depth_left - 1)


def _base64_of_hex(value: Any, path: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(value)).decode("ascii")
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"{path}: hex digits are expected") from error
