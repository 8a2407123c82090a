"""Writes spans as OTLP files: JSON, one request a line, or protobuf with the length before each.

``read_otlp`` reads both, and so does the OpenTelemetry collector.
Source: opentelemetry-proto, "JSON Protobuf Encoding"; opentelemetry-collector-contrib, file
exporter.
"""

import base64
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from google.protobuf import json_format

from sidespand.exchange import spans as forms
from sidespand.limits import JSON_BYTES_MAX
from sidespand.query.span import Span

# What reads a line takes all of it at once; as JSON it is larger.
_SPANS_PER_REQUEST: Final = 100
_REQUEST_BYTES_MAX: Final = JSON_BYTES_MAX // 4
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_LENGTH: Final = struct.Struct(">I")


def json_lines(spans: Iterable[Span]) -> Iterator[bytes]:
    """Yield lines of OTLP/JSON."""
    for some in _batches(spans):
        document = json_format.MessageToDict(forms.request(some), use_integers_for_enums=True)
        for group in document["resourceSpans"]:
            for scoped in group["scopeSpans"]:
                for span in scoped["spans"]:
                    _mend(span)
        yield json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def messages(spans: Iterable[Span]) -> Iterator[bytes]:
    """Yield encoded requests, each behind its length."""
    for some in _batches(spans):
        body = forms.request(some).SerializeToString()
        yield _LENGTH.pack(len(body)) + body


def _batches(spans: Iterable[Span]) -> Iterator[Sequence[Span]]:
    batch: list[Span] = []
    size = 0
    for span in spans:
        own = forms.to_otlp(span).ByteSize()
        if batch and (len(batch) == _SPANS_PER_REQUEST or size + own > _REQUEST_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += own
    if batch:
        yield batch


def _mend(span: dict[str, Any]) -> None:
    # Proto3's JSON has ids in base64, OTLP's in hexadecimal.
    for fields in (span, *span.get("links", ())):
        for key in _IDS & fields.keys():
            fields[key] = base64.b64decode(fields[key]).hex()
