"""The JSON form of what was recorded, shared by everything that shows it.

Of our own numbers an LSN, a counter and a time in nanoseconds are decimal strings, since a JSON
number past 2**53 loses digits in most readers; an HLC is ``wall_ns.%010d``. Fields are added, never
renamed or removed.
"""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

from sidespand import hlc
from sidespand.limits import JSON_INTEGER_MAX
from sidespand.model import Gap, OpenSpan
from sidespand.query.span import Abandonment, Span, Stamp, Value
from sidespand.query.summaries import TraceSummary
from sidespand.query.traces import Root, Tree
from sidespand.query.walk import Walk

# Tells who recorded a generation of a lineage: its source_node_ref, empty when that was trimmed.
NodeRef = Callable[[bytes, int], str]

Document = dict[str, Any]


def stamp_document(stamp: Stamp, node_ref: NodeRef) -> Document:
    """Return a stamp."""
    lineage = stamp.position.lineage
    return {
        "source_node_ref": node_ref(lineage, stamp.boot_generation),
        "lineage": lineage.hex(),
        "boot_generation": stamp.boot_generation,
        "lsn": str(stamp.position.lsn),
        "hlc": hlc.text(stamp.hlc),
    }


def span_document(span: Span, node_ref: NodeRef) -> Document:
    """Return one span; its parent is null for a root."""
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "kind": span.kind,
        "service": span.service,
        "start_ns": str(span.start_ns),
        "end_ns": str(span.end_ns),
        "status": span.status,
        "status_message": span.status_message,
        "attributes": attributes_document(span.attributes),
        "events": [
            {
                "time_ns": str(event.time_ns),
                "name": event.name,
                "attributes": attributes_document(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "trace_state": link.trace_state,
                "attributes": attributes_document(link.attributes),
            }
            for link in span.links
        ],
        "trace_state": span.trace_state,
        "resource": attributes_document(span.resource),
        "scope": span.scope,
        "stamp": stamp_document(span.stamp, node_ref),
        "state": span.state.value,
        "abandoned": _abandonment(span.abandonment),
    }


def open_span_document(span: OpenSpan) -> Document:
    """Return a span that is open now, as the recorder's table has it."""
    return {
        "trace_id": span.mark.key.trace_id.hex(),
        "span_id": span.mark.key.span_id.hex(),
        "name": span.mark.name,
        "service": span.mark.service,
        "start_ns": str(span.mark.start_ns),
        "opened_ns": str(span.opened_ns),
        "lineage": span.lineage.hex(),
        "lsn": str(span.lsn),
        "instance_id": span.instance_id.hex(),
        "door": span.peer.door,
        "pid": span.peer.pid,
        "uid": span.peer.uid,
        "address": span.peer.address,
        "tenant": span.peer.tenant,
    }


def trace_document(trace_id: bytes, tree: Tree, node_ref: NodeRef) -> Document:
    """Return a trace with its spans in display order."""
    return {
        "trace_id": trace_id.hex(),
        "spans": [
            {
                **span_document(row.span, node_ref),
                "parent_recorded": row.root is not Root.PARENT_NOT_RECORDED,
            }
            for row in tree.rows
        ],
        "duplicate_count": tree.duplicate_count,
    }


def summary_document(summary: TraceSummary) -> Document:
    """Return one line of a list of traces."""
    return {
        "trace_id": summary.trace_id.hex(),
        "start_ns": str(summary.start_ns),
        "end_ns": str(summary.end_ns),
        "span_count": summary.span_count,
        "error_count": summary.error_count,
        "status": _status(summary),
        "services": list(summary.services),
        "root_name": summary.root_name,
        "root_recorded": summary.root_recorded,
        "position": str(summary.position),
    }


def _status(summary: TraceSummary) -> str:
    if summary.error_count:
        return "error"
    return "ok" if summary.span_count else "unended"


def walk_document(walk: Walk, *, truncated: bool = False) -> Document:
    """Return how far a search went: what lies before ``oldest_position`` was not looked at."""
    return {
        "complete": walk.complete and not truncated,
        "oldest_position": str(walk.oldest) if walk.oldest is not None else None,
    }


def _abandonment(abandonment: Abandonment | None) -> Document | None:
    if abandonment is None:
        return None
    return {
        "position": str(abandonment.position),
        "at_ns": str(abandonment.at_ns),
        "reason": abandonment.reason,
        "pid": abandonment.pid,
        "uid": abandonment.uid,
    }


def gap_document(gap: Gap) -> Document:
    """Return a hole in the log; both LSNs are missing, too."""
    return {
        "lineage": gap.lineage.hex(),
        "first_lsn": str(gap.first),
        "last_lsn": str(gap.last),
        "reason": gap.reason,
    }


def attributes_document(attributes: Mapping[str, Value]) -> Document:
    """Return attributes in JSON's own types.

    Bytes become base64, and what JSON has no number for a string: integers past 2**53, NaN and the
    infinities, as in the JSON of protobuf.
    """
    return {key: json_value(value) for key, value in attributes.items()}


def json_value(value: Value) -> Any:
    """Return one value in JSON's own types, as ``attributes_document`` has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list):
        return [json_value(element) for element in value]
    if isinstance(value, dict):
        return attributes_document(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, int) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value
