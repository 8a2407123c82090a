"""A span of the API's JSON as a value again. Pure.

Everything comes back but what JSON cannot tell apart: bytes stay base64 text, integers past 2**53
and floats that are no numbers stay text.
"""

from collections.abc import Mapping
from typing import Any, Final

from sidespand import hlc
from sidespand.model import Position
from sidespand.query.span import Abandonment, Event, Link, Span, Stamp, State

# No store has so many lineages; which one it is, a document does not say.
_ORDINAL: Final = 0


def from_document(document: Mapping[str, Any]) -> Span:
    """Return the span that ``query.documents.span_document`` made this of."""
    stamp = document["stamp"]
    position = Position(_ORDINAL, bytes.fromhex(stamp["lineage"]), int(stamp["lsn"]))
    return Span(
        trace_id=bytes.fromhex(document["trace_id"]),
        span_id=bytes.fromhex(document["span_id"]),
        parent_span_id=bytes.fromhex(document["parent_span_id"] or ""),
        name=document["name"],
        kind=document["kind"],
        service=document["service"],
        start_ns=int(document["start_ns"]),
        end_ns=int(document["end_ns"]),
        status=document["status"],
        status_message=document["status_message"],
        attributes=document["attributes"],
        events=tuple(
            Event(int(one["time_ns"]), one["name"], one["attributes"]) for one in document["events"]
        ),
        links=tuple(
            Link(
                bytes.fromhex(one["trace_id"]),
                bytes.fromhex(one["span_id"]),
                one["trace_state"],
                one["attributes"],
            )
            for one in document["links"]
        ),
        trace_state=document["trace_state"],
        resource=document["resource"],
        scope=document["scope"],
        stamp=Stamp(position, int(stamp["boot_generation"]), hlc.parse(stamp["hlc"])),
        state=State(document["state"]),
        abandonment=_abandonment(document["abandoned"]),
    )


def _abandonment(document: Mapping[str, Any] | None) -> Abandonment | None:
    if document is None:
        return None
    lineage, _, lsn = document["position"].partition(":")
    return Abandonment(
        Position(_ORDINAL, bytes.fromhex(lineage), int(lsn)),
        int(document["at_ns"]),
        document["reason"],
        document["pid"],
        document["uid"],
    )
