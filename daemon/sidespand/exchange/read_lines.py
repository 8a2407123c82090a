"""Reads the lines that Sidespan writes of spans, with the ``jsonl`` sink or ``export -f jsonl``.

Bytes, integers past 2**53 and floats that JSON has no number for were written as text, and are read
as text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.exchange import building
from sidespand.exchange.part import MALFORMED, Part
from sidespand.limits import SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.sinks.span_json import KINDS


def lines(given: Iterable[bytes]) -> Iterator[Part]:
    """Yield each line as a part; one that is no span of ours is unreadable."""
    for seq, line in enumerate(given, start=1):
        where = f"line {seq}"
        try:
            fields = building.mapping(json.loads(line), "the line")
            scope = building.mapping(fields.get("scope"), "scope")
            request = building.request_of(
                span(fields),
                building.mapping(fields.get("resource"), "resource"),
                scope.get("name", ""),
                scope.get("version", ""),
            )
        except MALFORMED:
            yield Part(seq, where, None)
        else:
            yield Part(seq, where, request)


def span(fields: Mapping[str, Any]) -> Span:
    """Return a span as OTLP has it.

    Args:
        fields: As ``span_json.span_fields`` returns them.

    Raises:
        ValueError: They are not; the message names the field.
    """
    status = building.mapping(fields.get("status"), "status")
    found = Span(
        trace_id=_id(fields.get("trace_id"), TRACE_ID_BYTES),
        span_id=_id(fields.get("span_id"), SPAN_ID_BYTES),
        parent_span_id=_id(fields["parent_span_id"], SPAN_ID_BYTES)
        if fields.get("parent_span_id")
        else b"",
        name=building.text(fields.get("name", "")),
        kind=kind(fields.get("kind", KINDS[0])),
        start_time_unix_nano=building.ns_of_decimal(fields.get("start_ns")),
        end_time_unix_nano=building.ns_of_decimal(fields.get("end_ns", "0")),
        attributes=building.pairs(building.mapping(fields.get("attributes"), "attributes")),
        trace_state=building.text(fields.get("trace_state", "")),
        status=Status(
            code=building.STATUS_CODES.get(
                str(status.get("code", "unset")), Status.STATUS_CODE_UNSET
            ),
            message=building.text(status.get("message", "")),
        ),
    )
    for event in building.sequence(fields.get("events"), "events"):
        given = building.mapping(event, "an event")
        found.events.add(
            time_unix_nano=building.ns_of_decimal(given.get("time_ns", "0")),
            name=building.text(given.get("name", "")),
            attributes=building.pairs(building.mapping(given.get("attributes"), "attributes")),
        )
    for link in links(fields.get("links")):
        found.links.append(link)
    return found


def links(given: Any) -> Iterator[Span.Link]:
    """Yield links as OTLP has them.

    Raises:
        ValueError: They are not as ``span_json.span_fields`` returns them.
    """
    for one in building.sequence(given, "links"):
        link = building.mapping(one, "a link")
        yield Span.Link(
            trace_id=_id(link.get("trace_id"), TRACE_ID_BYTES),
            span_id=_id(link.get("span_id"), SPAN_ID_BYTES),
            trace_state=building.text(link.get("trace_state", "")),
            attributes=building.pairs(building.mapping(link.get("attributes"), "attributes")),
        )


def kind(word: Any) -> Span.SpanKind.ValueType:
    """Return a span's kind by its word; that of no kind for any other."""
    number: Final[Any] = KINDS.index(word) if word in KINDS else 0
    return number  # type: ignore[no-any-return]


def _id(digits: Any, count: int) -> bytes:
    if not isinstance(digits, str):
        raise ValueError(f"an id of {count} bytes is missing")
    found = bytes.fromhex(digits)
    if len(found) != count:
        raise ValueError(f"an id of {len(found)} bytes, expected {count}")
    return found
